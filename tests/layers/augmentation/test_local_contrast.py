"""Equalization of tiles: Keras's images."""

import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

NAME = "ContrastLimitedAdaptiveHistogramEqualization"


@pytest.mark.parametrize("options", [(), ((-1, 1), 0.0, (2, 3))])
def test_images_are_those_of_keras(images, options):
    ours, theirs = (getattr(one, NAME)(*options) for one in (layers, keras.layers))
    low, high = ours.value_range
    x = images / 255 * (high - low) + low
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-4 * (high - low))
    np.testing.assert_allclose(ours(x[0]), np.asarray(ours(x))[0], rtol=1e-6)


def test_integers_and_channels_first(images, same_first):
    x = images.astype("uint8")
    layer = getattr(layers, NAME)(tile_grid_size=2)
    found = layer(x)
    assert found.dtype == "uint8"
    np.testing.assert_array_equal(found, getattr(keras.layers, NAME)(tile_grid_size=(2, 2))(x))
    same_first([getattr(layers, NAME)], images)


@pytest.mark.parametrize(
    "options", [{"clip_limit": -1}, {"tile_grid_size": 0}, {"value_range": (0,)}]
)
def test_what_makes_no_sense_is_told(options):
    with pytest.raises(InputError):
        getattr(layers, NAME)(**options)
