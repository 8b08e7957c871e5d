"""Queries that may attend to no position: the same numbers in every path of attention."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina.layers import (
    AdditiveAttention,
    Attention,
    GroupedQueryAttention,
    MultiHeadAttention,
    Softmax,
)

HEADS = {
    "multi": (lambda **o: MultiHeadAttention(2, 4, **o), keras.layers.MultiHeadAttention, (2, 4)),
    "grouped": (
        lambda **o: GroupedQueryAttention(4, 2, 1, **o),
        keras.layers.GroupQueryAttention,
        (4, 2, 1),
    ),
}
CALLS = [{}, {"return_attention_scores": True}, {"training": True, "rng": 0}]
MASK = np.ones((2, 3, 3), bool)
MASK[0, 1] = False


def first(outputs):
    return np.asarray(outputs[0] if isinstance(outputs, tuple) else outputs)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("call", CALLS, ids=["plain", "scores", "training"])
def test_a_query_that_sees_nothing_gets_zeros(normal, kind, dropout, call) -> None:
    make, _, _ = HEADS[kind]
    layer, x = make(dropout=dropout, use_bias=False), normal(2, 3, 8)
    for run in (layer, lamina.jit(layer)):
        outputs = first(run(x, x, attention_mask=MASK, **call))
        np.testing.assert_array_equal(outputs[0, 1], 0)
        assert (outputs[1] != 0).any() and (outputs[0, 0] != 0).any()


@pytest.mark.parametrize("kind", HEADS)
def test_a_source_that_is_all_padding_and_a_causal_mask(normal, kind) -> None:
    make, _, _ = HEADS[kind]
    layer, x = make(use_bias=False), normal(2, 3, 8)
    valid = np.array([[False, True, True], [False, False, False]])
    for call in CALLS[:2]:
        outputs = first(layer(x, x, value_mask=valid, use_causal_mask=True, **call))
        np.testing.assert_array_equal(outputs[0, 0], 0)
        np.testing.assert_array_equal(outputs[1], 0)
        assert (outputs[0, 1:] != 0).any(-1).all()


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize(("dropout", "scored"), [(0.0, True), (0.5, True), (0.5, False)])
def test_they_equal_keras_with_scores_or_dropout(normal, kind, dropout, scored) -> None:
    make, other, sizes = HEADS[kind]
    x = normal(2, 3, 8)
    ours, theirs = make(dropout=dropout), other(*sizes, dropout=dropout)
    ours.build(x, x), theirs.build(x.shape, x.shape)
    theirs.set_weights(ours.get_weights())
    call = {"attention_mask": MASK, "return_attention_scores": scored}
    both = jax.jit(lambda v, x: [ours.apply(v, x, x, **call)[0], theirs(x, x, **call)])
    np.testing.assert_allclose(*map(first, both(ours.values(), x)), atol=1e-5)


@pytest.mark.parametrize("kind", [Attention, AdditiveAttention])
@pytest.mark.parametrize("call", [{}, {"return_attention_scores": True}, {"use_causal_mask": True}])
def test_attention_without_projections_equals_keras(normal, kind, call) -> None:
    x, valid = normal(2, 3, 8), np.array([[False, True, True], [False, False, False]])
    ours, theirs = kind(), getattr(keras.layers, kind.__name__)()
    ours.build([x, x]), theirs.build([x.shape, x.shape])
    theirs.set_weights(ours.get_weights())
    call = call | {"mask": [None, jnp.asarray(valid)]}
    both = jax.jit(lambda v, x: [ours.apply(v, [x, x], **call)[0], theirs([x, x], **call)])
    np.testing.assert_allclose(*map(first, both(ours.values(), x)), atol=1e-5)


def test_softmax_of_a_row_that_is_all_masked_is_zero() -> None:
    x = np.ones((2, 3), "float32")
    mask = np.array([[False] * 3, [True] * 3])
    expected = keras.layers.Softmax()(x, mask=mask)
    np.testing.assert_allclose(Softmax()(x, mask=mask), expected, rtol=1e-6)
