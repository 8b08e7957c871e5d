"""RandAugment and AugMix: they apply the layers that they draw, with Keras's strengths."""

import collections

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError

NAMES = (
    *("shear", "translation", "rotation", "posterization", "solarization", "auto_contrast"),
    *("equalization", "brightness", "color_degeneration", "contrast", "sharpness"),
)
KEYS = jax.random.split(jax.random.key(3), 2)


def test_the_layers_have_the_strengths_of_keras():
    for name, options in (("RandAugment", {}), ("AugMix", {}), ("RandAugment", {"factor": 0.7})):
        ours, theirs = (getattr(one, name)((0, 1), **options) for one in (layers, keras.layers))
        for layer, own in zip(ours._choices.layers, NAMES, strict=True):
            other = getattr(theirs, own, None) or getattr(theirs, f"random_{own}")
            assert type(layer).__name__ == type(other).__name__
            config = other.get_config() | {"name": None, "dtype": None, "seed": None}
            config.pop("noise_shape", None)
            found = layer.get_config()
            for option in set(config) & set(found) - {"name", "dtype", "seed", "trainable"}:
                assert np.ravel(found[option]).tolist() == np.ravel(config[option]).tolist(), option


def test_a_choice_of_layers_is_those_layers(images):
    layer = layers.RandAugment(num_ops=2)
    for first in range(11):
        picked = np.array([first, 9]), KEYS
        expected = images
        for index, key in zip(*picked, strict=True):
            step = layer._choices.layers[index]
            expected = step.transform(expected, step.draw(key, expected))
        np.testing.assert_array_equal(layer.transform(images, picked), expected)


def test_chains_are_mixed(images):
    layer = layers.AugMix(num_chains=2, chain_depth=1, value_range=(30, 230))
    drawn = np.float32([0.25, 0.75]), np.float32(0.5), np.array([[5], [11]]), KEYS[:, None]
    stretched = layers.AutoContrast((30, 230))(images)
    expected = 0.5 * images + 0.5 * (0.25 * stretched + 0.75 * images)
    found = layer.transform(images, drawn)
    np.testing.assert_allclose(found, np.clip(expected, 30, 230), rtol=1e-5)


def test_programs_and_plain_calls_agree(images):
    layer = layers.AugMix(num_chains=1, chain_depth=2, all_ops=False)
    compiled = lamina.jit(layer)
    for key in range(3):
        found, plain = (run(images, training=True, rng=key) for run in (compiled, layer))
        np.testing.assert_allclose(found, plain, atol=0.01)
    np.testing.assert_array_equal(compiled(images), images)


def test_no_layers_change_nothing(images):
    layer = layers.RandAugment(num_ops=0)
    for run in (layer, lamina.jit(layer)):
        np.testing.assert_array_equal(run(images, training=True, rng=0), images)


def test_all_choices_are_drawn():
    x = np.zeros((1, 1, 1, 3), "float32")
    indices, _ = layers.RandAugment(num_ops=1000).draw(KEYS[0], x)
    shares, own, chains, _ = layers.AugMix(num_chains=100, chain_depth=10).draw(KEYS[0], x)
    for drawn, count in ((indices, 11), (chains, 12)):
        counts = collections.Counter(np.ravel(drawn).tolist())
        assert sorted(counts) == list(range(count)) and max(counts.values()) < 150
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)
    assert 0 < own < 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandAugment(factor=1.5),
        lambda: layers.RandAugment(num_ops=-1),
        lambda: layers.RandAugment(interpolation="cubic"),
        lambda: layers.RandAugment()(np.ones((4, 4, 1), "float32")),
        lambda: layers.AugMix(alpha=0),
        lambda: layers.AugMix(chain_depth=0),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
