"""Brightness, contrast and histograms: Keras's images, and the ranges of what is drawn."""

import jax
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


def brightened(drawn, x):
    return {"rgb_delta": drawn[:, None, None, None]}


def contrasted(drawn, x):
    return {"contrast_factor": drawn[:, None, None, None]}


def test_images_are_those_of_keras(images, same):
    pairs = [
        (*pair("RandomBrightness", 0.8), brightened),
        (*pair("RandomBrightness", (-0.5, 0.2), (100, 20)), brightened),
        (*pair("RandomContrast", (0.9, 1.0)), contrasted),
        (*pair("RandomContrast", 0.5, (-1, 200)), contrasted),
    ]
    same(pairs, images)
    first = {"data_format": "channels_first"}
    same([(*pair("RandomContrast", 0.5, **first), contrasted)], np.moveaxis(images, -1, 1))


def test_fixed_factors_give_keras_outputs(images, whole):
    pairs = [pair("RandomBrightness", (0.25, 0.25)), pair("RandomContrast", (-0.5, 0.5))]
    whole(pairs, images)


def test_integers_stay_integers_as_in_keras(images, by_numpy, in_training):
    x = images.astype("int32")
    ours, theirs = pair("RandomBrightness", (0.33, 0.33))
    contrast = layers.RandomContrast(0.3)
    found, contrasted = in_training([ours, contrast], x)
    assert found.dtype == contrast(x).dtype == "int32" and contrasted.dtype == "float32"
    expected = by_numpy(theirs).transform_images(x.copy(), {"rgb_delta": np.float32(0.33 * 255)})
    np.testing.assert_array_equal(found, expected)
    (brightest,) = in_training([ours], np.full((1, 2, 2, 1), 250, "uint8"))
    np.testing.assert_array_equal(brightest, np.full((1, 2, 2, 1), 255, "uint8"))


def test_parameters_fill_their_ranges(drawn):
    ranges = {
        (-51, 51): layers.RandomBrightness(0.2),
        (1, 1.2): layers.RandomContrast(0.2),
        (0.7, 1.4): layers.RandomContrast((0.3, 0.4)),
    }
    many = drawn(ranges.values(), (400, 1, 1, 3))
    for (low, high), values in zip(ranges, many, strict=True):
        assert values.shape == (400,)
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize("first", [False, True])
def test_contrast_is_stretched_as_in_keras(images, by_numpy, first):
    ours, theirs = pair("AutoContrast")
    images = images.copy()
    images[0, :, :, 1] = 7.0  # a constant channel
    with np.errstate(all="ignore"):
        expected = by_numpy(theirs).transform_images(images.copy())
    if first:
        ours = layers.AutoContrast(data_format="channels_first")
        images, expected = np.moveaxis(images, -1, 1), np.moveaxis(expected, -1, 1)
    found = ours(images)
    assert found.dtype == ours(images.astype("uint8")).dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(ours(images, training=True), found)


def test_histograms_are_those_of_keras(images, by_numpy):
    images = np.round(images[:1, :, :, :1])  # Keras's histogram of a batch is that of all images
    ours, theirs = pair("Equalization", bins=3)
    expected = by_numpy(theirs).transform_images(images, None, training=True)
    found = ours(images, training=True)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def equalized(channel):
    """256 bins: the definition."""
    ranks = np.array([(channel <= pixel).sum() for pixel in channel.ravel()])
    most, least = ranks.max(), ranks.min()
    return np.round((ranks - least) / (most - least) * 255).reshape(channel.shape)


def test_histograms_of_many_bins(images):
    images = np.round(images)
    expected = np.stack(
        [[equalized(image[..., channel]) for channel in range(3)] for image in images]
    )
    first = layers.Equalization(data_format="channels_first")
    found = first(np.moveaxis(images, -1, 1), training=True)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    scaled = layers.Equalization((0, 512))(images * 2 + 0.5, training=True)
    np.testing.assert_allclose(np.moveaxis(scaled, -1, 1) / 512 * 255, expected, atol=1e-3)
    constant = np.full((1, 2, 3, 1), 9.0, "float32")
    np.testing.assert_array_equal(layers.Equalization()(constant, training=True), constant)
    np.testing.assert_array_equal(layers.Equalization()(images), images)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomBrightness(1.1),
        lambda: layers.RandomBrightness(0.1, 255),
        lambda: layers.RandomBrightness(0.1, (1, 1)),
        lambda: layers.RandomContrast(-0.1),
        lambda: layers.RandomContrast((0.1,)),
        lambda: layers.RandomContrast(0.1, (0, "much")),
        lambda: layers.AutoContrast((0, 1, 2)),
        lambda: layers.Equalization(bins=0),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
