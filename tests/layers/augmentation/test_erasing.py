"""Erased boxes: Keras's images, and the sizes and values of the boxes."""

from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)


def test_images_are_those_of_keras(images, by_numpy, same):
    def erased(drawn, x):
        chosen, boxes, fill = drawn
        masks = maker._generate_batch_mask(x.shape, tuple(boxes))
        return {"apply_erasing": chosen, "batch_masks": masks, "fill_value": fill}

    options = [((1.0, 1.0), 0.9), ((1.0, 1.0), 0.5, (1.0, 2.0, 3.0))]
    maker = by_numpy(keras.layers.RandomErasing())
    kinds = layers.RandomErasing, keras.layers.RandomErasing
    same([[kind(*args) for kind in kinds] + [erased] for args in options], images)


def test_channels_first(images, same_first):
    same_first([partial(layers.RandomErasing, (1.0, 1.0), 0.5, (1.0, 2.0, 3.0))], images, rtol=0)


def test_a_box_of_a_value_for_each_channel(images, in_training):
    layer = layers.RandomErasing((1.0, 1.0), (0.25, 0.25), [300, 7, 8])
    (made,) = in_training([layer], images)
    changed = made != images
    assert (changed == changed[..., :1]).all()
    np.testing.assert_array_equal(made[changed].reshape(-1, 3)[0], [255, 7, 8])
    assert (changed[..., 0].sum((1, 2)) == 3 * 4).all()


def test_noise_is_clipped_and_each_pixel_has_its_own(images, in_training):
    layer = layers.RandomErasing((1.0, 1.0), (1.0, 1.0), value_range=(0, 1))
    (made,) = in_training([layer], images)
    assert made.min() == 0 and made.max() == 1
    inner = made[(made > 0) & (made < 1)]
    assert len(np.unique(inner)) > 0.99 * inner.size
    assert abs((made == 0).mean() - 0.5) < 0.1


def test_parameters_fill_their_ranges(drawn):
    layer = layers.RandomErasing(0.5, (0.25, 0.64), 0)
    ((chosen, boxes, _),) = drawn([layer], (400, 20, 10, 1))
    assert 70 < chosen.sum() < 130
    left, right, top, bottom = boxes
    assert left.min() >= 0 and top.min() >= 0 and right.max() <= 10 and bottom.max() <= 20
    for (low, high), values in {(5, 8): right - left, (10, 16): bottom - top}.items():
        assert low - 1e-4 <= values.min() < low + 0.05 * (high - low)
        assert high + 1e-4 >= values.max() > high - 0.05 * (high - low)


def test_integers_become_floats(images):
    layer = layers.RandomErasing()
    x = images.astype("uint8")
    assert layer(x).dtype == layer(x, training=True, rng=KEY).dtype == "float32"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomErasing(1.1),
        lambda: layers.RandomErasing(scale=1.1),
        lambda: layers.RandomErasing(fill_value="black"),
        lambda: layers.RandomErasing(fill_value=(1, 2)),
        lambda: layers.RandomErasing(fill_value=(1, 2, 3))(jnp.ones((4, 4, 1))),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
