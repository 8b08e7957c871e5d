"""Flips: both sides, along the axes of the mode, with equal probability."""

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError, LaminaError

KEY = jax.random.key(0)
MODES = ("horizontal", "vertical", "horizontal_and_vertical")


def test_images_are_those_of_keras(images, same):
    def given(drawn, x):
        return {"flips": drawn[:, None, None, None], "input_shape": x.shape}

    x = np.concatenate([images, images])
    same([(layers.RandomFlip(m), keras.layers.RandomFlip(m), given) for m in MODES], x, atol=0)
    x = np.moveaxis(x, -1, 1)
    first = {"data_format": "channels_first"}
    pair = layers.RandomFlip(MODES[0], **first), keras.layers.RandomFlip(MODES[0], **first)
    same([(*pair, given)], x, atol=0)


def test_each_image_is_flipped_for_itself(images):
    x = np.tile(images[:1], (400, 1, 1, 1))
    made = np.asarray(layers.RandomFlip("vertical")(x, training=True, rng=KEY))
    flipped = (made == x[:, ::-1]).all((1, 2, 3))
    assert ((made == x).all((1, 2, 3)) != flipped).all()
    assert 160 < flipped.sum() < 240


def test_a_key_and_a_seed_decide(images):
    x = np.tile(images[:1], (50, 1, 1, 1))
    layer = layers.RandomFlip()
    first = layer(x, training=True, rng=KEY)
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), first)
    assert (layer(x, training=True, rng=1) != first).any()
    assert (layers.RandomFlip(seed=5)(x, training=True, rng=KEY) != first).any()


def test_data_are_prepared_without_a_key(images):
    x = np.tile(images[:1], (50, 1, 1, 1))
    model = lamina.Sequential([layers.RandomFlip(), layers.RandomFlip()])
    made = []
    for _ in range(2):
        lamina.set_seed(3)
        made.append([model(x, training=True) for _ in range(2)])
    np.testing.assert_array_equal(*made)
    assert (made[0][0] != made[0][1]).any()
    with pytest.raises(LaminaError, match="no random key"):
        jax.jit(lambda x: layers.RandomFlip()(x, training=True))(x)


def test_nothing_happens_outside_of_training(images):
    np.testing.assert_array_equal(layers.RandomFlip()(images), images)
    found = layers.RandomFlip()(images.astype("uint8"))
    assert found.dtype == keras.layers.RandomFlip()(images.astype("uint8"), training=False).dtype


def test_labels_and_other_arrays_stay(images):
    given = {"images": images, "labels": np.arange(2), "weights": np.ones(2)}
    made = layers.RandomFlip()(given, training=True, rng=KEY)
    assert given["images"] is images
    assert made.keys() == given.keys()
    np.testing.assert_array_equal(made["labels"], given["labels"])
    assert made["images"].shape == images.shape
    one = layers.RandomFlip()({"images": images[0], "labels": np.int32(3)}, training=True, rng=KEY)
    assert one["images"].shape == images.shape[1:] and one["labels"] == 3


def test_an_unknown_mode():
    with pytest.raises(InputError, match="mode"):
        layers.RandomFlip("diagonal")
