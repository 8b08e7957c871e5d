"""Segmentation masks: moved as the pixels of the images are, and otherwise as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(4)
MOVING = [
    lambda **o: layers.RandomFlip(**o),
    lambda **o: layers.RandomRotation((0.1, 0.2), interpolation="nearest", **o),
    lambda **o: layers.RandomZoom(0.4, interpolation="nearest", **o),
    lambda **o: layers.RandomTranslation(0.4, 0.4, "constant", "nearest", **o),
    lambda **o: layers.RandomShear(0.4, 0.4, "nearest", **o),
    lambda **o: layers.RandomPerspective((1.0, 1.0), 0.6, "nearest", **o),
    lambda **o: layers.RandomElasticTransform((1.0, 1.0), (1.0, 1.0), "nearest", **o),
    lambda **o: layers.RandomCrop(4, 4, **o),
    lambda **o: layers.CutMix(**o),
]
STAYING = [layers.RandomErasing, layers.RandomInvert, layers.Equalization, layers.RandomGrayscale]


@pytest.fixture(scope="module")
def masks():
    return np.random.default_rng(1).integers(0, 200, (2, 6, 8, 1))


@pytest.mark.parametrize("make", MOVING)
def test_masks_move_as_images_without_interpolation(masks, make):
    data = {"images": np.repeat(masks, 3, -1).astype("float32"), "segmentation_masks": masks}
    made = make()(data, training=True, rng=KEY)
    assert made["segmentation_masks"].dtype == jnp.asarray(masks).dtype
    np.testing.assert_array_equal(made["segmentation_masks"], made["images"][..., :1])
    single = {name: jnp.moveaxis(array[0], -1, 0) for name, array in data.items()}
    first = make(data_format="channels_first")(single, training=True, rng=KEY)
    np.testing.assert_array_equal(first["segmentation_masks"], first["images"][:1])


def test_masks_stay_where_pixels_do(masks, images):
    data = {"images": images, "segmentation_masks": masks}
    for make in STAYING:
        made = make()(data, training=True, rng=KEY)
        np.testing.assert_array_equal(made["segmentation_masks"], masks)
    for make in MOVING[:2]:
        np.testing.assert_array_equal(make()(data)["segmentation_masks"], masks)
    assert layers.RandomCrop(3, 4)(data)["segmentation_masks"].shape == (2, 3, 4, 1)


def test_policies(masks):
    layer = layers.RandAugment((0, 200))
    data = {"images": np.repeat(masks, 3, -1).astype("float32"), "segmentation_masks": masks}
    picked = np.array([1, 9]), jax.random.split(KEY, 2)
    moves = layer._choices.layers[1].draw(picked[1][0], data["images"])
    expected = layer._choices.layers[1].transform_masks(masks, moves)
    np.testing.assert_array_equal(layer.transform_masks(masks, picked), expected)
    compiled = jax.jit(lambda drawn: layer.transform_masks(masks, drawn))
    np.testing.assert_array_equal(compiled(picked), expected)
    for mixing in (layers.AugMix(num_chains=1, chain_depth=1), layers.MixUp()):
        with pytest.raises(InputError, match="mixed"):
            mixing(data, training=True, rng=KEY)


def test_masks_of_other_sizes_are_told(masks, images):
    for wrong in (masks[:, :5], masks[..., 0]):
        with pytest.raises(InputError, match="fit the images"):
            layers.RandomFlip()({"images": images, "segmentation_masks": wrong})
    with pytest.raises(InputError, match="bounding boxes"):
        layers.RandomFlip()({"images": images, "bounding_boxes": {}})
