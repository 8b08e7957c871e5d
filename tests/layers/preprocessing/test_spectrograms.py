"""Spectrograms: Keras's numbers, models, and errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError

SIGNALS = np.random.default_rng(0).normal(size=(2, 40, 2)).astype("float32")


def same(found, expected, atol=1e-4):
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


MODES = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]


@pytest.mark.filterwarnings("ignore:STFTSpectrogram is called while JAX traces")
@pytest.mark.parametrize(
    "options",
    [
        *({"mode": mode} for mode in MODES),
        {"frame_step": 3, "fft_length": 16, "window": "hamming", "periodic": True},
        {"mode": "psd", "scaling": "spectrum", "padding": "same", "expand_dims": True},
        {"mode": "stft", "scaling": None, "window": None, "data_format": "channels_first"},
        {"mode": "stft", "expand_dims": True, "data_format": "channels_first"},
    ],
    ids=str,
)
def test_transforms_equal_keras(options):
    both = [kind.STFTSpectrogram(frame_length=8, **options) for kind in (layers, keras.layers)]
    x = SIGNALS.swapaxes(1, 2) if "data_format" in options else SIGNALS
    both[0].build(x.shape)
    both[1].build(x.shape)
    assert [w.shape for w in both[0].variables] == [tuple(w.shape) for w in both[1].variables]
    found, expected = jax.jit(lambda x: [layer(x) for layer in both])(x)
    if options.get("mode") == "angle":  # which rounding moves from pi to -pi
        found, expected = (jnp.stack([jnp.cos(y), jnp.sin(y)]) for y in (found, expected))
    same(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sequence_length": 24, "window": "hamming", "max_freq": 500, "min_freq": 10.0},
        {"window": None, "power_to_db": False, "mag_exp": 1.0},
        {"ref_power": 2.0, "top_db": 20.0, "min_power": 1e-3},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [True, False])
def test_mel_spectrograms_equal_keras(options, batch):
    x = np.random.default_rng(1).normal(size=(2, 200)).astype("float32")
    given = {"fft_length": 32, "sequence_stride": 9, "num_mel_bins": 5, "sampling_rate": 2000}
    ours, theirs = (kind.MelSpectrogram(**given | options) for kind in (layers, keras.layers))
    x = x if batch else x[0]
    found, expected = jax.jit(lambda x: [ours(x), theirs(x)])(x)
    same(found, expected, atol=1e-3)


def test_models_and_files(tmp_path):
    model = Sequential([layers.STFTSpectrogram("magnitude", 8), layers.GRU(2)])
    expected = model(SIGNALS)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model")
    assert jnp.array_equal(lamina.load(tmp_path / "model")(SIGNALS), expected)
    before = model.layers[0].real_kernel.numpy()
    model.fit(SIGNALS, np.ones((2, 2)), verbose=0)
    assert not np.array_equal(model.layers[0].real_kernel.numpy(), before)
    frozen = layers.STFTSpectrogram("magnitude", 8, trainable=False)
    frozen(SIGNALS)
    assert frozen.trainable_variables == []


def test_unknown_sizes():
    plan = layers.STFTSpectrogram("log", 8).plan((None, None, 2))
    assert plan.calls[0].outputs.shape == (None, None, 10)
    plan = layers.MelSpectrogram(32, 8, num_mel_bins=4).plan((None, None))
    assert plan.calls[0].outputs.shape == (None, 4, None)


@pytest.mark.filterwarnings("ignore:STFTSpectrogram is fastest")
@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.STFTSpectrogram("power"),
        lambda: layers.STFTSpectrogram(frame_length=0),
        lambda: layers.STFTSpectrogram(frame_step=300),
        lambda: layers.STFTSpectrogram(fft_length=100),
        lambda: layers.STFTSpectrogram(scaling="other"),
        lambda: layers.STFTSpectrogram(padding="causal"),
        lambda: layers.STFTSpectrogram(window="no such"),
        lambda: layers.STFTSpectrogram(frame_length=8, window=[1.0])(SIGNALS),
        lambda: layers.STFTSpectrogram(frame_length=8)(SIGNALS[0]),
        lambda: layers.STFTSpectrogram(frame_length=64)(SIGNALS),
        lambda: layers.MelSpectrogram(fft_length=0),
        lambda: layers.MelSpectrogram(64, sequence_length=65),
        lambda: layers.MelSpectrogram(64, window="blackman"),
        lambda: layers.MelSpectrogram(64, window=[1.0]),
        lambda: layers.MelSpectrogram(min_freq=9000.0),
        lambda: layers.MelSpectrogram(sampling_rate=0),
        lambda: layers.MelSpectrogram(min_power=0.0),
        lambda: layers.MelSpectrogram(64)(SIGNALS),
    ],
)
def test_wrong_options_and_inputs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_a_length_that_is_no_power_of_two_warns():
    with pytest.warns(UserWarning, match="power of 2"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)
