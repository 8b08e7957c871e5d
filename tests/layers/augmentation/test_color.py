"""Grayscale, hue, saturation and their mixture: Keras's images, and the ranges of what is drawn."""

import colorsys
from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.ops.augmentation.color import hsv_to_rgb, rgb_to_hsv


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


def gray(drawn, x):
    return drawn[:, None, None, None]


def factor(drawn, x):
    return {"factor": drawn}


def gray_part(drawn, x):
    return {"factor": gray(drawn, x)}


def test_images_are_those_of_keras(images, same):
    images = images.copy()
    images[0, 0, :4] = [[9, 9, 9], [0, 0, 0], [7, 7, 3], [7, 3, 7]]  # no hue, equal channels
    pairs = [
        (*pair("RandomGrayscale"), gray),
        (*pair("RandomHue", 0.7, (-10, 300)), factor),
        (*pair("RandomColorDegeneration", 0.7, (30, 220)), gray_part),
        (*pair("RandomSaturation", 0.7), factor),
        (*pair("RandomSaturation", (0.4, 0.9), (0, 1)), factor),
    ]
    same(pairs, images, atol=0.02)


def test_channels_first(images, same_first):
    names = "Grayscale", "Hue", "Saturation", "ColorDegeneration"
    kinds = [getattr(layers, f"Random{name}") for name in names]
    same_first([partial(kind, 0.9) for kind in kinds], images, rtol=1e-4)


def test_fixed_factors_give_keras_outputs(images, whole):
    whole([pair("RandomGrayscale", 1.0), pair("RandomSaturation", (0.3, 0.3))], images)


def test_a_mixture_is_its_parts(images, in_training):
    layer = layers.RandomColorJitter(
        brightness_factor=(0.1, 0.1),
        contrast_factor=(-0.2, 0.2),
        saturation_factor=(0.4, 0.4),
        hue_factor=(1.0, 1.0),
    )
    parts = [
        layers.RandomBrightness((0.1, 0.1)),
        layers.RandomContrast((-0.2, 0.2)),
        layers.RandomSaturation((0.4, 0.4)),
        layers.RandomHue((1.0, 1.0)),
    ]
    found, expected = in_training([layer, lamina.Sequential(parts)], images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(layer(images), images)
    nothing = layers.RandomColorJitter()
    np.testing.assert_array_equal(nothing(images, training=True), images)


def test_the_parts_of_a_mixture_draw_for_themselves(images, in_training):
    layer = layers.RandomColorJitter(brightness_factor=0.5, contrast_factor=0.5)
    bright = layers.RandomColorJitter(brightness_factor=0.5)
    one, other = in_training([layer, bright], images, jax.random.key(1))
    assert (one != other).any()
    assert (one != in_training([layer, bright], images, jax.random.key(2))[0]).any()


def test_hsv_is_that_of_the_standard_library(images):
    colors = images.reshape(-1, 3)[:40] / 255
    parts = jax.jit(rgb_to_hsv)(colors)
    found, back = np.stack(parts, -1), jax.jit(hsv_to_rgb)(*parts)
    expected = [colorsys.rgb_to_hsv(*color) for color in colors.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(back, colors, atol=1e-5)


def test_integers(images, by_numpy, in_training):
    x = images.astype("uint8")
    gray, hue = layers.RandomGrayscale(1.0), layers.RandomHue(0.1)
    made, hues = in_training([gray, hue], x)
    assert made.dtype == gray(x).dtype == hue(x).dtype == "uint8" and hues.dtype == "float32"
    theirs = by_numpy(keras.layers.RandomGrayscale(1.0)).transform_images(x, np.full(1, True))
    np.testing.assert_array_equal(made, np.broadcast_to(theirs, x.shape))


def test_parameters_fill_their_ranges(drawn):
    kinds = {
        layers.RandomGrayscale: 0.25,
        layers.RandomHue: (0.2, 0.6),
        layers.RandomSaturation: (0.2, 0.5),
    }
    made = [kind(factor) for kind, factor in kinds.items()]
    chosen, turns, shares = drawn(made, (400, 1, 1, 3))
    assert 80 < chosen.sum() < 120
    assert 150 < (turns > 0).sum() < 250
    for (low, high), values in {(0.1, 0.3): abs(turns), (0.25, 1): shares}.items():
        assert low - 1e-6 <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomGrayscale(1.1),
        lambda: layers.RandomHue(-0.1),
        lambda: layers.RandomHue(0.1, (3,)),
        lambda: layers.RandomSaturation(2),
        lambda: layers.RandomColorJitter(hue_factor="much"),
        lambda: layers.RandomHue(0.1)(jnp.ones((2, 2, 1))),
        lambda: layers.RandomGrayscale()(jnp.ones((2, 2, 4))),
        lambda: layers.RandomHue(0.1, data_format="channels_first")(jnp.ones((2, 2, 3))),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
