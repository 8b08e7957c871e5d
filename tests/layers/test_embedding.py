"""Embedding, and back: Keras's numbers inside the table, NaN outside, masks of zeros."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina.errors import InputError
from lamina.layers import Embedding, ReversibleEmbedding


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 2)])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
def test_equals_keras(compare, shape, dtype) -> None:
    ids = jnp.asarray(np.random.default_rng(0).integers(0, 6, shape), dtype)
    ours, theirs = Embedding(6, 3), keras.layers.Embedding(6, 3)
    if dtype == "float32":  # Keras's gradient by ids is zeros, ours too
        assert np.isfinite(ours(ids)).all()
    compare(ours, theirs, ids)


@pytest.mark.parametrize("id_", [-1, 6, 1000])
def test_an_id_outside_the_table_gives_nan(id_) -> None:
    rows = np.asarray(Embedding(6, 3)(jnp.array([[0, id_, 5]])))
    assert np.isnan(rows[0, 1]).all()
    assert np.isfinite(rows[0, [0, 2]]).all()


def test_mask_of_zeros() -> None:
    ids = jnp.array([[1, 0, 2]])
    assert Embedding(6, 3, mask_zero=True).compute_mask(ids).tolist() == [[True, False, True]]
    assert Embedding(6, 3).compute_mask(ids) is None


def test_weights_do_not_depend_on_the_input() -> None:
    layer = Embedding(6, 3)
    layer.build((None, None))
    assert {path: value.shape for path, value in layer.values().items()} == {"embeddings": (6, 3)}
    assert layer(jnp.zeros((2, 5), "int32")).shape == (2, 5, 3)


def test_half_precision() -> None:
    assert Embedding(6, 3, dtype="bfloat16")(jnp.array([1])).dtype == "bfloat16"


@pytest.mark.parametrize("sizes", [(0, 3), (6, -1), (6.5, 3), (True, 3)])
def test_sizes_must_be_counts(sizes) -> None:
    with pytest.raises(InputError, match=r"input_dim|output_dim"):
        Embedding(*sizes)


TIES = pytest.mark.parametrize("tie_weights", [True, False])


def reversible(**options):
    """The same layer here and in Keras, with the same weights."""
    ours = ReversibleEmbedding(7, 4, **options)
    theirs = keras.layers.ReversibleEmbedding(7, 4, **options)
    ours.build((None, None))
    theirs.build((None, None))
    rng = np.random.default_rng(2)
    for variable in theirs.variables:
        variable.assign(rng.normal(size=variable.shape).astype("float32"))
    names = ("embeddings", "reverse_embeddings")
    ours.set_values(dict(zip(names, [v.value for v in theirs.variables], strict=False)))
    return ours, theirs


@TIES
@pytest.mark.parametrize("cap", [None, 0.5])
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_reversed_equals_keras(tie_weights, cap, dtype) -> None:
    options = {"tie_weights": tie_weights, "logit_soft_cap": cap, "reverse_dtype": dtype}
    ours, theirs = reversible(**options)
    hidden = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 4)), "float32")
    ids = jnp.array([[1, 6, 0]])
    np.testing.assert_array_equal(ours(ids), theirs(ids))
    logits, expected = ours(hidden, reverse=True), theirs(hidden, reverse=True)
    assert logits.dtype == expected.dtype == (dtype or "float32")
    assert logits.shape == (2, 5, 7)
    tolerance = 1e-2 if dtype else 1e-5
    np.testing.assert_allclose(logits, expected, rtol=tolerance, atol=tolerance)


@TIES
def test_gradients_of_there_and_back_equal_keras(tie_weights) -> None:
    ours, theirs = reversible(tie_weights=tie_weights, logit_soft_cap=2.0)
    ids, names = jnp.array([[1, 6, 0]]), list(ours.values())

    def loss(values):
        hidden = ours.apply(values, ids)[0]
        return jnp.sin(ours.apply(values, hidden, reverse=True)[0]).sum()

    def expected(values):
        trained = [values[name] for name in names]
        hidden = theirs.stateless_call(trained, [], ids)[0]
        return jnp.sin(theirs.stateless_call(trained, [], hidden, reverse=True)[0]).sum()

    values = ours.values()
    slopes, wanted = jax.grad(loss)(values), jax.grad(expected)(values)
    for name in names:
        np.testing.assert_allclose(slopes[name], wanted[name], rtol=1e-4, atol=1e-5)


def test_it_may_go_back_first() -> None:
    layer = ReversibleEmbedding(7, 4, tie_weights=False)
    assert layer(jnp.ones((2, 4)), reverse=True).shape == (2, 7)
    assert set(layer.values()) == {"embeddings", "reverse_embeddings"}


def test_only_ids_have_a_mask() -> None:
    ids, hidden = jnp.array([[1, 0]]), jnp.ones((1, 2, 4))
    layer = ReversibleEmbedding(7, 4, mask_zero=True)
    assert layer.compute_mask(ids).tolist() == [[True, False]]
    assert layer.compute_mask(hidden, jnp.ones((1, 2), bool)) is None
    assert ReversibleEmbedding(7, 4).compute_mask(ids) is None


def test_what_cannot_go_back() -> None:
    with pytest.raises(InputError, match="output_dim"):
        ReversibleEmbedding(7, 4)(jnp.ones((2, 5)), reverse=True)


@pytest.mark.parametrize("cap", [0.0, -1.0, "high"])
def test_a_cap_must_be_above_zero(cap) -> None:
    with pytest.raises(InputError, match="logit_soft_cap"):
        ReversibleEmbedding(7, 4, logit_soft_cap=cap)


def test_weights_that_are_given_are_the_first_ones():
    matrix = np.arange(6, dtype="float32").reshape(3, 2)
    for weights in (matrix, [matrix]):
        np.testing.assert_array_equal(Embedding(3, 2, weights=weights)(np.arange(3)), matrix)
    with pytest.raises(InputError, match="input_dim, output_dim"):
        Embedding(3, 4, weights=matrix)
