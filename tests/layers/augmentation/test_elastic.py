"""Elastic deformations: Keras's images for the same noise, and the ranges of what is drawn."""

from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError
from lamina.ops.augmentation.elastic import elastic_transform

OF_SEED_5 = jnp.array([5, 0], "uint32")  # as in Keras
NOISE = jax.random.normal(OF_SEED_5, (2, 6, 8))


def test_images_are_those_of_keras(images):
    for mode, alpha, sigma in (("mirror", 1.5, 0.7), ("mirror", 9.0, 2.4), ("reflect", 3.0, 1.6)):
        expected = keras.ops.image.elastic_transform(
            images, alpha, sigma, "bilinear", mode, 3.0, seed=5
        )
        found = elastic_transform(images, NOISE, alpha, sigma, 2.4, fill_mode=mode, fill_value=3.0)
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_layer_deforms_by_a_part_of_its_size(images, in_training):
    layer = layers.RandomElasticTransform((1.0, 1.0), (0.8, 0.8), value_range=(30, 200))
    _, scale, noise = layer.draw(jax.random.key(0), images)
    made = elastic_transform(images, noise, 0.1 * 8 * scale, 0.05 * 6 * scale, 0.24)
    found = layer.transform(images, layer.draw(jax.random.key(0), images))
    np.testing.assert_allclose(found, np.clip(made, 30, 200), rtol=1e-5)
    never, still = in_training(
        [layers.RandomElasticTransform((0, 0)), layers.RandomElasticTransform(scale=0)], images
    )
    np.testing.assert_array_equal(never, images)
    np.testing.assert_allclose(still, images, rtol=1e-6)


def test_channels_first(images, same_first):
    same_first([partial(layers.RandomElasticTransform, (1.0, 1.0))], images)


def test_parameters_fill_their_ranges(drawn):
    moved, scale, noise = drawn([layers.RandomElasticTransform(0.5)], (400, 3, 3, 1))[0]
    assert 60 < moved.sum() < 140  # the probability is random, too
    assert scale.shape == () and 0 <= scale < 1
    assert abs(noise.std() - 1) < 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomElasticTransform(1.1),
        lambda: layers.RandomElasticTransform(scale=-0.1),
        lambda: layers.RandomElasticTransform(interpolation="cubic"),
        lambda: layers.RandomElasticTransform(fill_mode="zero"),
        lambda: layers.RandomElasticTransform()(jnp.ones((4, 4))),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
