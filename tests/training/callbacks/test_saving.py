"""Files of ModelCheckpoint, from which training continues."""

import numpy as np
import optax
import pytest

import lamina
from lamina import layers
from lamina.compat import tf
from lamina.training import callbacks

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 3)).astype("float32"), RNG.normal(size=(24, 2)).astype("float32")


def compiled(optimizer="adam"):
    lamina.set_seed(0)
    model = lamina.Sequential([layers.Dense(2)])
    model.build((None, 3))
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def fit(model, epochs, *given, rows=slice(None)):
    options = {"verbose": 0, "shuffle": False, "callbacks": list(given)}
    return model.fit(X[rows], Y[rows], 8, epochs=epochs, **options).history["loss"]


@pytest.mark.parametrize("suffix", [".keras", ".lamina"])
def test_training_continues_from_the_file_of_an_epoch(suffix, tmp_path):
    expected = fit(compiled(), 4)
    fit(compiled(), 2, callbacks.ModelCheckpoint(tmp_path / f"{{epoch}}{suffix}"))
    loaded = lamina.load(tmp_path / f"2{suffix}")
    assert fit(loaded, 2) == expected[2:]


def test_training_continues_from_the_file_of_a_batch(tmp_path):
    whole, saved = compiled(), compiled()
    fit(whole, 1)
    fit(saved, 1, callbacks.ModelCheckpoint(tmp_path / "{batch}.keras", save_freq=2))
    loaded = lamina.load(tmp_path / "2.keras")
    fit(loaded, 1, rows=slice(16, 24))
    for ours, theirs in zip(whole.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_has_the_averages_of_the_weights(tmp_path):
    model = compiled(tf.keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
    swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, 2, swap, callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"))
    loaded = lamina.load(tmp_path / "2.keras")
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_an_optimizer_that_no_file_can_hold_is_left_out_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="leaves out how the model was compiled"):
        fit(compiled(optax.adam(0.1)), 1, callbacks.ModelCheckpoint(tmp_path / "model.keras"))
    lamina.load(tmp_path / "model.keras").predict(X, verbose=0)


def test_a_save_method_of_ones_own_is_called(tmp_path):
    class Own(lamina.Sequential):
        def save(self, filepath, overwrite=True):
            paths.append(filepath)

    paths = []
    model = Own([layers.Dense(2)])
    model.compile("sgd", "mse")
    fit(model, 2, callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"))
    assert paths == [str(tmp_path / "1.keras"), str(tmp_path / "2.keras")]
