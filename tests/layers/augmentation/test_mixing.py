"""Mixed images and labels: Keras's, from the same weights, boxes and order."""

import jax
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)
LABELS = np.tile(np.eye(4, dtype="float32"), (100, 1))


@pytest.fixture
def many():
    """Small images, many for all tests: what draws from a beta distribution is slow to compile."""
    return np.random.default_rng(0).uniform(0, 255, (400, 2, 3, 1)).astype("float32")


def mixed(theirs, drawn, x):
    order, weights = drawn
    return {"permutation_order": order, "mix_weight": weights}


def cut(theirs, drawn, x):
    order, boxes, _ = drawn
    masks, weights = theirs._generate_batch_mask(x.shape, tuple(boxes))
    return {"permutation_order": order, "batch_masks": masks, "mix_weight": weights}


KINDS = {"MixUp": (0.9, mixed), "CutMix": ((0.7, 1.0), cut)}


@pytest.mark.parametrize("name", KINDS)
def test_images_and_labels_are_those_of_keras(many, by_numpy, name):
    option, given = KINDS[name]
    ours, theirs = (getattr(one, name)(option) for one in (layers, keras.layers))
    drawn = jax.device_get(ours.draw(KEY, many))
    transformation = given(by_numpy(theirs), drawn, many)
    found = ours.transform(many, drawn), ours.transform_labels(LABELS, drawn)
    expected = (
        theirs.transform_images(many, transformation),
        theirs.transform_labels(LABELS, transformation),
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_dicts_and_integers(many, name):
    layer = getattr(layers, name)()
    data = {"images": many.astype("uint8"), "labels": LABELS.astype("int32")}
    made = layer(data, training=True, rng=KEY)
    assert made["images"].dtype == made["labels"].dtype == "float32"
    np.testing.assert_allclose(made["labels"].sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(layer(data)["labels"], data["labels"])
    assert layer(data)["images"].dtype == ("uint8" if name == "MixUp" else "float32")  # as in Keras


def test_boxes_move_with_channels_first(many):
    made = layers.CutMix()(many, training=True, rng=KEY)
    first = layers.CutMix(data_format="channels_first")
    other = first(np.moveaxis(many, -1, 1), training=True, rng=KEY)
    np.testing.assert_array_equal(np.moveaxis(other, 1, -1), made)


def test_weights_have_the_beta_distribution(many):
    for alpha in (0.2, 2.0):
        order, weights = layers.MixUp(alpha).draw(KEY, many)
        assert sorted(order.tolist()) == list(range(400))
        assert abs(weights.mean() - 0.5) < 0.07
        np.testing.assert_allclose(weights.var(), 1 / (8 * alpha + 4), rtol=0.2)
    _, boxes, weights = layers.CutMix((1.0, 1.0)).draw(KEY, many)
    assert abs(weights.mean() - 0.5) < 0.07
    np.testing.assert_allclose(weights.var(), 1 / 12, rtol=0.2)
    assert boxes.left.min() >= 0 and boxes.right.max() <= 3


@pytest.mark.parametrize(
    "wrong", [lambda: layers.MixUp(0.0), lambda: layers.MixUp("much"), lambda: layers.CutMix(1.5)]
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
