"""Crops: every place in training, the largest window of the output's proportions else."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)


def test_crops_at_a_place_are_those_of_keras(images, by_numpy):
    found = layers.RandomCrop(3, 4).transform(images, (1, 2))
    expected = by_numpy(keras.layers.RandomCrop(3, 4)).transform_images(images, (1, 2))
    np.testing.assert_array_equal(found, expected)


def test_crops_are_windows_at_every_place(images):
    layer = layers.RandomCrop(4, 7)
    run = jax.jit(jax.vmap(lambda key: layer(images, training=True, rng=key)))
    windows = {
        images[:, i : i + 4, j : j + 7].tobytes(): (i, j) for i in range(3) for j in range(2)
    }
    crops = np.asarray(run(jax.random.split(KEY, 60)))
    found = [windows[crop.tobytes()] for crop in crops]
    assert set(found) == set(windows.values())


def test_channels_first_and_one_image(images):
    x = np.moveaxis(images, -1, 1)
    made = layers.RandomCrop(4, 7, data_format="channels_first")(x[0], training=True, rng=KEY)
    expected = layers.RandomCrop(4, 7)(images[0], training=True, rng=KEY)
    np.testing.assert_array_equal(made, np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize("size", [(3, 4), (6, 4), (9, 12), (6, 8)])
def test_outside_of_training_images_are_resized(images, by_numpy, size):
    layer = layers.RandomCrop(*size)
    found = layer(images)
    theirs = by_numpy(keras.layers.Resizing(*size, crop_to_aspect_ratio=True))
    expected = theirs.transform_images(images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if size != (3, 4):  # too large to be placed at random
        np.testing.assert_array_equal(layer(images, training=True, rng=KEY), found)
    assert layer(images.astype("uint8")).dtype == "float32"


def test_sizes_need_not_be_known():
    plan = layers.RandomCrop(4, 5).plan((None, None, None, 3), training=True)
    assert plan.calls[0].outputs.shape == (None, 4, 5, 3)


def test_what_makes_no_sense_is_told():
    with pytest.raises(InputError, match="height"):
        layers.RandomCrop(0, 3)
    with pytest.raises(InputError, match="axes"):
        layers.RandomCrop(2, 2)(jnp.ones((1, 1, 3, 3, 3)))
