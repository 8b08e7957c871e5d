"""Mixed images and labels: Keras's, from the same weights, boxes and order."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

KEY = jax.random.key(0)
LABELS = np.eye(4, dtype="float32")


@pytest.fixture
def many(images):
    return np.concatenate([images, images[:, ::-1] + 1])


def mixed(drawn, x):
    order, weights = drawn
    return {"permutation_order": order, "mix_weight": weights}


def cut(drawn, x):
    order, boxes, _ = drawn
    masks, weights = keras.layers.CutMix()._generate_batch_mask(x.shape, tuple(boxes))
    return {"permutation_order": order, "batch_masks": masks, "mix_weight": weights}


KINDS = {"MixUp": (0.9, mixed), "CutMix": ((0.7, 1.0), cut)}


@pytest.mark.parametrize("name", KINDS)
def test_images_and_labels_are_those_of_keras(many, same, name):
    option, given = KINDS[name]
    ours, theirs = (getattr(one, name)(option) for one in (layers, keras.layers))
    same([(ours, theirs, given)], many)
    drawn = ours.draw(KEY, many)
    found = ours.transform_labels(LABELS, drawn)
    np.testing.assert_allclose(
        found, theirs.transform_labels(LABELS, given(drawn, many)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # by Keras
@pytest.mark.parametrize("name", KINDS)
def test_dicts_single_images_and_integers(many, name):
    layer = getattr(layers, name)()
    data = {"images": many.astype("uint8"), "labels": LABELS.astype("int32")}
    made = jax.jit(lambda data: layer(data, training=True, rng=KEY))(data)
    assert made["images"].dtype == made["labels"].dtype == "float32"
    np.testing.assert_allclose(made["labels"].sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(layer(data)["labels"], data["labels"])
    theirs = getattr(keras.layers, name)()
    assert layer(data)["images"].dtype == theirs(dict(data), training=False)["images"].dtype
    one = layer({"images": many[0], "labels": LABELS[0]}, training=True, rng=KEY)
    np.testing.assert_allclose(one["images"], many[0], rtol=1e-5)
    np.testing.assert_allclose(one["labels"], LABELS[0], rtol=1e-5)


def test_boxes_move_with_channels_first(many):
    made = layers.CutMix()(many, training=True, rng=KEY)
    first = layers.CutMix(data_format="channels_first")
    other = first(np.moveaxis(many, -1, 1), training=True, rng=KEY)
    np.testing.assert_array_equal(np.moveaxis(other, 1, -1), made)


def test_weights_have_the_beta_distribution():
    x = jnp.zeros((2000, 2, 2, 1))
    for alpha in (0.2, 2.0):
        order, weights = jax.jit(layers.MixUp(alpha).draw)(KEY, x)
        assert sorted(order.tolist()) == list(range(2000))
        assert abs(weights.mean() - 0.5) < 0.03
        np.testing.assert_allclose(weights.var(), 1 / (8 * alpha + 4), rtol=0.1)
    _, boxes, weights = jax.jit(layers.CutMix((1.0, 1.0)).draw)(KEY, x)
    assert abs(weights.mean() - 0.5) < 0.03
    np.testing.assert_allclose(weights.var(), 1 / 12, rtol=0.1)
    assert boxes.left.min() >= 0 and boxes.right.max() <= 2


@pytest.mark.parametrize(
    "wrong", [lambda: layers.MixUp(0.0), lambda: layers.MixUp("much"), lambda: layers.CutMix(1.5)]
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
