"""Sharpness and blur: Keras's images, and the ranges of what is drawn."""

from functools import partial

import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError


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


def test_channels_first(images, same_first):
    always = {"factor": (1.0, 1.0), "sigma": (0.3, 2.0), "kernel_size": (5, 3)}
    blur = partial(layers.RandomGaussianBlur, **always)
    same_first([partial(layers.RandomSharpness, 0.4), blur], images)


def test_fixed_factors_give_keras_outputs(images, whole):
    whole([pair("RandomSharpness", (0.9, 0.9))], images)


def test_each_image_has_its_own_blur(images, in_training):
    x = np.tile(images[:1], (4, 1, 1, 1))
    layer = layers.RandomGaussianBlur((1.0, 1.0), sigma=(0.2, 3.0))
    (made,) = in_training([layer], x)
    assert len(np.unique(made[:, 2, 2, 0])) == 4


def test_integers_become_floats(images, in_training):
    x = images.astype("uint8")
    both = layers.RandomSharpness(0.1), layers.RandomGaussianBlur()
    for layer, made in zip(both, in_training(both, x), strict=True):
        assert layer(x).dtype == made.dtype == "float32"
        np.testing.assert_array_equal(layer(x), x)


def test_parameters_fill_their_ranges(drawn):
    made = layers.RandomGaussianBlur(0.5, sigma=0.4), layers.RandomSharpness((0.2, 0.6))
    (chosen, sigmas), shares = drawn(made, (400, 1, 1, 3))
    assert 70 < chosen.sum() < 130
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
