"""Grayscale, hue, saturation and their mixture: Keras's images, and the ranges of what is drawn."""

import colorsys

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError
from lamina.ops.augmentation.color import hsv_to_rgb, rgb_to_hsv

KEY = jax.random.key(0)


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


def gray(drawn, x):
    return drawn[:, None, None, None]


def factor(drawn, x):
    return {"factor": drawn}


def test_images_are_those_of_keras(images, same):
    images = images.copy()
    images[0, 0, :4] = [[9, 9, 9], [0, 0, 0], [7, 7, 3], [7, 3, 7]]  # no hue, equal channels
    pairs = [
        (*pair("RandomGrayscale"), gray),
        (*pair("RandomHue", 0.7, (-10, 300)), factor),
        (*pair("RandomSaturation", 0.7), factor),
        (*pair("RandomSaturation", (0.4, 0.9), (0, 1)), factor),
    ]
    same(pairs, images, atol=0.02)


@pytest.mark.parametrize("name", ["RandomGrayscale", "RandomHue", "RandomSaturation"])
def test_channels_first(images, name):
    layer, first = (
        getattr(layers, name)(0.9, data_format=form) for form in ("channels_last", "channels_first")
    )
    found = first(np.moveaxis(images, -1, 1), training=True, rng=KEY)
    expected = layer(images, training=True, rng=KEY)
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, rtol=1e-4)


def test_fixed_factors_give_keras_outputs(images, whole):
    whole([pair("RandomGrayscale", 1.0), pair("RandomSaturation", (0.3, 0.3))], images)


def test_a_mixture_is_its_parts(images):
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
    expected = images
    for part in parts:
        expected = part(expected, training=True, rng=KEY)
    found = layer(images, training=True, rng=KEY)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(layer(images), images)
    nothing = layers.RandomColorJitter()
    np.testing.assert_array_equal(nothing(images, training=True), images)


def test_the_parts_of_a_mixture_draw_for_themselves(images):
    layer = layers.RandomColorJitter(brightness_factor=0.5, contrast_factor=0.5)
    bright = layers.RandomColorJitter(brightness_factor=0.5)
    assert (layer(images, training=True, rng=1) != bright(images, training=True, rng=1)).any()
    assert (layer(images, training=True, rng=1) != layer(images, training=True, rng=2)).any()


def test_hsv_is_that_of_the_standard_library(images):
    colors = images.reshape(-1, 3)[:40] / 255
    found = np.stack(jax.jit(rgb_to_hsv)(colors), -1)
    expected = [colorsys.rgb_to_hsv(*color) for color in colors.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(hsv_to_rgb(*found.T), colors, atol=1e-5)


def test_integers(images):
    x = images.astype("uint8")
    for kind, options in ((layers.RandomGrayscale, (1.0,)), (layers.RandomHue, (0.1,))):
        made = kind(*options)(x, training=True, rng=KEY)
        assert made.dtype == ("uint8" if kind is layers.RandomGrayscale else "float32")
        assert kind(*options)(x).dtype == "uint8"
    theirs = keras.layers.RandomGrayscale(1.0)(x, training=True)
    np.testing.assert_array_equal(
        layers.RandomGrayscale(1.0)(x, training=True, rng=KEY), np.broadcast_to(theirs, x.shape)
    )


def test_parameters_fill_their_ranges():
    x = jnp.zeros((400, 1, 1, 3))
    assert 80 < layers.RandomGrayscale(0.25).draw(KEY, x).sum() < 120
    turns = np.asarray(layers.RandomHue((0.2, 0.6)).draw(KEY, x))
    assert 150 < (turns > 0).sum() < 250
    shares = np.asarray(layers.RandomSaturation((0.2, 0.5)).draw(KEY, x))
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
