"""Sharpness and blur: Keras's images, and the ranges of what is drawn."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


def sharpened(drawn, x):
    return {"factor": drawn}


def blurred(drawn, x):
    """The standard deviations of Keras are those of the width and the height, for all images."""
    chosen, sigmas = drawn
    return {"should_apply_blur": chosen, "blur_factor": sigmas[0, ::-1]}


def test_images_are_those_of_keras(images, same):
    pairs = [
        (*pair("RandomSharpness", (0.1, 0.4)), sharpened),
        (*pair("RandomSharpness", (0.6, 1.0), (10, 200)), sharpened),
    ]
    same(pairs, images)
    always = {"factor": (1.0, 1.0), "sigma": (0.3, 2.0)}
    same([(*pair("RandomGaussianBlur", kernel_size=(5, 3), **always), blurred)], images[:1])


def test_channels_first(images):
    always = {"factor": (1.0, 1.0), "sigma": (0.3, 2.0), "kernel_size": (5, 3)}
    for name, options in (("RandomSharpness", {"factor": 0.4}), ("RandomGaussianBlur", always)):
        layer, first = (
            getattr(layers, name)(**options, data_format=form)
            for form in ("channels_last", "channels_first")
        )
        found = first(np.moveaxis(images, -1, 1), training=True, rng=KEY)
        expected = layer(images, training=True, rng=KEY)
        np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, rtol=1e-5)


def test_fixed_factors_give_keras_outputs(images, whole):
    whole([pair("RandomSharpness", (0.9, 0.9))], images)


def test_each_image_has_its_own_blur(images):
    x = np.tile(images[:1], (6, 1, 1, 1))
    layer = layers.RandomGaussianBlur((1.0, 1.0), sigma=(0.2, 3.0))
    made = layer(x, training=True, rng=KEY)
    assert len(np.unique(np.asarray(made)[:, 2, 2, 0])) == 6


def test_integers_become_floats(images):
    x = images.astype("uint8")
    for layer in (layers.RandomSharpness(0.1), layers.RandomGaussianBlur()):
        assert layer(x).dtype == layer(x, training=True, rng=KEY).dtype == "float32"
        np.testing.assert_array_equal(layer(x), x)


def test_parameters_fill_their_ranges():
    x = jnp.zeros((400, 1, 1, 3))
    chosen, sigmas = layers.RandomGaussianBlur(0.5, sigma=0.4).draw(KEY, x)
    assert 70 < chosen.sum() < 130
    shares = layers.RandomSharpness((0.2, 0.6)).draw(KEY, x)
    for (low, high), values in {(0, 0.4): sigmas, (0.2, 0.6): shares}.items():
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high + 1e-5 >= values.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomSharpness(1.1),
        lambda: layers.RandomGaussianBlur(kernel_size=4),
        lambda: layers.RandomGaussianBlur(kernel_size=(3, 3, 3)),
        lambda: layers.RandomGaussianBlur(sigma=-1.0),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
