"""Arrays as images, read by another library."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from lamina.training.dashboard.images import LARGEST, as_images, png


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_image_as_another_library_reads_it(channels):
    image = np.random.default_rng(0).integers(0, 256, (7, 5, channels), dtype=np.uint8)
    read = (imread(io.BytesIO(png(image)), format="png") * 255).round()
    assert (read.reshape(7, 5, channels) == image).all()


def test_ranges_of_values():
    (one,) = as_images(np.array([[0.0, 0.5, 1.0]]))
    assert one[0, :, 0].tolist() == [0, 128, 255]
    (one,) = as_images(np.array([[-1.0, np.nan, 1.0]]))
    assert one[0, :, 0].tolist() == [0, 128, 255]
    (one,) = as_images(np.array([[0, 300, -2]]))
    assert one[0, :, 0].tolist() == [0, 255, 0]
    (one,) = as_images(np.array([[True, False]]))
    assert one[0, :, 0].tolist() == [255, 0]


def test_what_is_no_image():
    for shape in [(3,), (2, 3, 5), (0, 4), (1, 2, 3, 2), (1, 1, 1, 1, 1)]:
        assert as_images(np.zeros(shape)) is None
    assert as_images(np.array([["a"]])) is None
    assert as_images(np.zeros((2, 2), complex)) is None


def test_large_images_are_thinned_out():
    (one,) = as_images(np.zeros((1000, 10)))
    assert max(one.shape) <= LARGEST
