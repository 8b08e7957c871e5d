"""Perspective: Keras's images, and the ranges of what is drawn."""

from functools import partial

import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError
from lamina.ops.augmentation.perspective import corners_of


def pair(*args, **options):
    return [one.RandomPerspective(*args, **options) for one in (layers, keras.layers)]


def test_images_are_those_of_keras(images, same):
    def moved(drawn, x):
        chosen, corners = drawn
        start = np.broadcast_to(corners_of(6, 8), corners.shape)
        points = {"start_points": start, "end_points": corners}
        return points | {"apply_perspective": chosen, "input_shape": x.shape}

    pairs = [
        (*pair((1.0, 1.0)), moved),
        (*pair(0.9, 0.4, "nearest", 7.0), moved),
    ]
    same(pairs, images, atol=0.02)


def test_channels_first(images, same_first):
    same_first([partial(layers.RandomPerspective, (1.0, 1.0))], images)


def test_no_moves_leave_images_as_they_are(images, in_training):
    layer = layers.RandomPerspective((1.0, 1.0), scale=0.0)
    x = images.astype("uint8")
    np.testing.assert_allclose(*in_training([layer], x), x, atol=1e-2)
    assert layer(x).dtype == "float32"


def test_parameters_fill_their_ranges(drawn):
    layer = layers.RandomPerspective(0.5, 0.5)
    ((chosen, corners),) = drawn([layer], (400, 11, 21, 1))
    assert 70 < chosen.sum() < 130
    np.testing.assert_array_equal(corners[:, 0], 0)
    for (low, high), values in {(15, 25): corners[:, 3, 0], (7.5, 12.5): corners[:, 2, 1]}.items():
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomPerspective(1.1),
        lambda: layers.RandomPerspective(scale=1.1),
        lambda: layers.RandomPerspective(interpolation="cubic"),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
