"""Inversion, posterization and solarization: Keras's images, and the ranges of what is drawn."""

import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


def inverted(drawn, x):
    return {"apply_inversion": drawn}


def posterized(drawn, x):
    return {"shift_factor": (8 - drawn).astype("uint8")}


def solarized(drawn, x):
    additions, thresholds = (part[:, None, None, None] for part in drawn)
    return {"additions": additions, "thresholds": thresholds}


def test_images_are_those_of_keras(images, same):
    x = np.concatenate([images, images[::-1]])
    pairs = [
        (*pair("RandomInvert"), inverted),
        (*pair("RandomInvert", 0.9, (0, 240)), inverted),
        (*pair("RandomPosterization", 8), posterized),
        (*pair("RandomPosterization", (2, 5), (10, 300)), posterized),
        (*pair("Solarization", 0.3, 0.7), solarized),
        (*pair("Solarization", 0.3, (0.2, 0.7), (10, 300)), solarized),
    ]
    same(pairs, x)


def test_fixed_factors_give_keras_outputs(images, whole):
    whole([pair("RandomPosterization", (3, 3)), pair("Solarization")], images)


def test_integers(images, in_training):
    x = images.astype("uint8")
    unchanged = {
        layers.RandomInvert(): "uint8",
        layers.RandomPosterization(3): "uint8",
        layers.Solarization(): "float32",
    }
    outputs = in_training(unchanged, x)
    for (layer, dtype), made in zip(unchanged.items(), outputs, strict=True):  # as in Keras
        assert made.dtype == "float32"
        assert layer(x).dtype == dtype
        np.testing.assert_array_equal(layer(x), x)


def test_parameters_fill_their_ranges(drawn):
    made = [
        layers.RandomInvert(),
        layers.RandomInvert((0.25, 0.25)),
        layers.RandomPosterization(5),
        layers.RandomPosterization((3, 3)),
        layers.Solarization(0.2, (0.4, 0.8)),
    ]
    inverted, rarely, bits, same_bits, tones = drawn(made, (400, 1, 1, 3))
    assert 160 < inverted.sum() < 240  # the probability is random, too
    assert 80 < rarely.sum() < 120
    assert set(bits.tolist()) == {1, 2, 3, 4}
    assert set(same_bits.tolist()) == {3}
    additions, thresholds = tones
    for (low, high), values in {(0, 51): additions, (102, 204): thresholds}.items():
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomInvert(-0.1),
        lambda: layers.RandomInvert(value_range=255),
        lambda: layers.RandomPosterization(0),
        lambda: layers.RandomPosterization(2.5),
        lambda: layers.RandomPosterization((1, 9)),
        lambda: layers.Solarization(1.1),
        lambda: layers.Solarization(threshold_factor=(0.1, 0.2, 0.3)),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
