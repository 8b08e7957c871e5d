"""Attention's arithmetic: weights under masks, means of values, positions, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.attention import (
    additive_scores,
    attend,
    attention_weights,
    dot_scores,
    masked_softmax,
    rotate,
    weighted_heads,
    weighted_values,
    write_rows,
)
from lamina.ops.attention_masks import (
    causal_mask,
    fold_axes,
    fold_mask,
    fold_places,
    joint_mask,
    unfold_axes,
    unfold_weights,
    window_mask,
)
from lamina.training.step.working_memory import largest
from tests.close import assert_close

few = settings(deadline=None, max_examples=3)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def kept(*shape: int, seed: int) -> np.ndarray:
    """A random mask that keeps the first place of each row."""
    return (np.random.default_rng(seed).random(shape) < 0.6) | (np.arange(shape[-1]) == 0)


def test_weights_sum_to_one_and_skip_what_is_masked() -> None:
    scores = normal(3, 5)
    mask = np.asarray([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    weights = np.asarray(masked_softmax(scores, mask))
    assert_close(weights.sum(-1), 1, rtol=1e-6)
    assert (weights[~mask] == 0).all()
    assert_close(weights[0], jax.nn.softmax(scores[0]), rtol=1e-6)
    seen = np.exp(scores[1, [0, 2]])
    np.testing.assert_allclose(weights[1, [0, 2]], seen / seen.sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_row_that_is_all_masked_is_no_nan(dtype) -> None:
    def total(scores: jax.Array) -> jax.Array:
        return (masked_softmax(scores, jnp.zeros((1, 4), bool)) ** 2).sum()

    scores = jnp.arange(4, dtype=dtype)[None]
    weights = masked_softmax(scores, jnp.zeros((1, 4), bool))
    np.testing.assert_array_equal(weights, jnp.full((1, 4), 0.25, dtype))
    assert jnp.isfinite(jax.grad(total)(scores)).all()


def test_the_softmax_of_half_precision_is_taken_in_float32() -> None:
    scores = normal(1, 300).astype("bfloat16")
    exact = jax.nn.softmax(scores.astype("float32"))
    np.testing.assert_array_equal(masked_softmax(scores), exact.astype("bfloat16"))


def test_the_mean_of_values() -> None:
    rng = np.random.default_rng(1)
    weights, values = rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 4))
    found = weighted_values(jnp.asarray(weights), jnp.asarray(values))
    np.testing.assert_allclose(found, np.einsum("bs,bsf->bf", weights, values), rtol=1e-5)


def test_scores_are_those_of_their_equations() -> None:
    query, key, outer = normal(2, 3, 4), normal(2, 5, 4, seed=1), normal(4, seed=2)
    inner = jnp.float32(0.7)
    pairs = query[:, :, None] * key[:, None]
    np.testing.assert_allclose(dot_scores(query, key, inner), 0.7 * pairs.sum(-1), rtol=1e-4)
    sums = np.tanh(0.7 * (query[:, :, None] + key[:, None])) * outer
    np.testing.assert_allclose(
        additive_scores(query, key, inner, outer), sums.sum(-1), rtol=1e-4, atol=1e-6
    )


def by_the_equation(query, key, value, mask, scale):
    """One query at a time: the softmax of its products over what it may see."""
    batch, target, heads, _ = query.shape
    shared = heads // key.shape[2]
    output = np.zeros((batch, target, heads, value.shape[-1]))
    for b, t, n in np.ndindex(batch, target, heads):
        seen = np.flatnonzero(mask[b, n, t])
        products = np.exp(scale * np.asarray(key[b, seen, n // shared] @ query[b, t, n]))
        output[b, t, n] = products @ np.asarray(value[b, seen, n // shared]) / products.sum()
    return output


@few
@given(
    st.tuples(*[st.integers(1, 3)] * 6),
    st.sampled_from(["masked", "causal", "both", "neither"]),
    st.booleans(),
)
def test_attention_is_that_of_its_equation(sizes, kind, alike) -> None:
    batch, target, source, groups, shared, size = sizes
    query = normal(batch, target, groups * shared, size)
    key = normal(batch, source, groups, size, seed=1)
    value = normal(batch, source, groups, size if alike else size + 1, seed=2)
    shape = (batch, groups * shared, target, source)
    mask = None
    if kind in ("masked", "both"):
        mask = kept(*shape, seed=3)
    causal = kind in ("causal", "both")
    full = joint_mask(mask, causal_mask(target, source) if causal else None)
    every = np.broadcast_to(True if full is None else np.asarray(full), shape)
    expected = by_the_equation(query, key, value, every, 0.3)

    @jax.jit
    def run(query, key, value):
        weights = attention_weights(query, key, full, scale=0.3)
        fused = attend(query, key, value, mask, scale=0.3, causal=causal)
        return fused, weighted_heads(weights, value), weights.sum(-1)

    fused, plain, sums = run(query, key, value)
    np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("size", [4, 5])
def test_a_query_that_may_see_nothing_gets_the_mean(dtype, size) -> None:
    query, key, value = normal(1, 2, 1, 4), normal(1, 3, 1, 4), normal(1, 3, 1, size)
    mask = np.asarray([[False] * 3, [True] * 3])

    def run(*arrays):
        return attend(*[x.astype(dtype) for x in arrays], mask[None, None], scale=0.5)

    found = jax.jit(run)(query, key, value)
    assert found.dtype == dtype
    np.testing.assert_allclose(np.asarray(found)[:, 0], value.mean(1), rtol=1e-2, atol=2e-2)
    slopes = jax.jit(jax.grad(lambda *x: (run(*x).astype("float32") ** 2).sum(), (0, 1, 2)))
    assert all(np.isfinite(slope).all() for slope in slopes(query, key, value))


def test_what_jax_has_gives_the_same(monkeypatch) -> None:
    query, key = normal(2, 3, 4, 8), normal(2, 5, 2, 8, seed=1)
    mask = kept(2, 1, 3, 5, seed=2)

    def run(*arrays):
        return attend(*arrays, mask, scale=0.3, causal=True).sum(), attend(*arrays, scale=0.3)

    ours = jax.jit(jax.grad(run, (0, 1, 2), has_aux=True))(query, key, key)
    monkeypatch.setattr("lamina.ops.attention._serves", lambda key, value: True)
    theirs = jax.jit(jax.grad(lambda *x: run(*x), (0, 1, 2), has_aux=True))(query, key, key)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_half_precision_is_near_the_whole() -> None:
    query, key, value = (normal(2, 9, 3, 8, seed=seed) * 3 for seed in range(3))
    exact = attend(query, key, value, scale=0.5, causal=True)
    halves = [x.astype("bfloat16") for x in (query, key, value)]

    @jax.jit
    def run(query, key, value):
        weights = attention_weights(query, key, causal_mask(9, 9), scale=0.5)
        return attend(query, key, value, scale=0.5, causal=True), weighted_heads(weights, value)

    for found in run(*halves):
        assert found.dtype == "bfloat16"
        assert np.abs(np.asarray(found, "float32") - exact).mean() < 0.05


@few
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_rotation_is_a_product_of_complex_numbers(batch, time, half, own) -> None:
    x = np.asarray(normal(batch, time, 3, 2 * half))
    places = np.arange(batch * time).reshape(batch, time) if own else np.arange(time) + 7
    turns = places[..., None] * 100.0 ** (-np.arange(half) / half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * turns)[..., None, :]
    found = jax.jit(lambda *x: rotate(*x, max_wavelength=100.0))(x, places)
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_products_of_the_rotated_depend_on_their_distance() -> None:
    query, key = normal(1, 1, 8), normal(1, 1, 8, seed=1)

    def product(here: int, there: int) -> float:
        turned = rotate(query, jnp.array([here])), rotate(key, jnp.array([there]))
        return float(jnp.vdot(*turned))

    assert product(3, 1) == pytest.approx(product(43, 41), abs=1e-4)
    assert product(3, 1) != pytest.approx(product(3, 2), abs=1e-3)


def test_rotation_in_half_precision_counts_places_exactly() -> None:
    x = normal(1, 1, 4).astype("bfloat16")
    found = rotate(x, jnp.array([1001]))
    exact = rotate(x.astype("float32"), jnp.array([1001])).astype("bfloat16")
    np.testing.assert_array_equal(found, exact)


def test_rows_are_written_or_nothing_is_kept() -> None:
    buffer, rows = np.zeros((2, 5, 3), "float32"), np.ones((2, 2, 3), "float32")
    written = jax.jit(write_rows)(buffer, rows, 3)
    np.testing.assert_array_equal(np.asarray(written)[0, :, 0], [0, 0, 0, 1, 1])
    assert np.isnan(jax.jit(write_rows)(buffer, rows, 4)).any()
    assert write_rows(buffer.astype("bfloat16"), rows, 0).dtype == "bfloat16"


def test_masks_by_distance_start_where_they_are_told() -> None:
    rows, columns = np.indices((2, 5)) + np.array([2, 0])[:, None, None]
    np.testing.assert_array_equal(causal_mask(2, 5, 2), columns <= rows)
    np.testing.assert_array_equal(window_mask(2, 5, 2, 2), abs(rows - columns) < 2)
    np.testing.assert_array_equal(jax.jit(lambda s: causal_mask(2, 5, s))(2), columns <= rows)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (2, 1), (1, 2, 3), (3, 1)])
def test_what_was_folded_unfolds(axes) -> None:
    x = normal(2, 3, 4, 5, 6, 7)
    folded = fold_axes(x, axes)
    assert folded.shape[1] == np.prod([x.shape[axis] for axis in axes])
    np.testing.assert_array_equal(unfold_axes(folded, axes, x.shape[:4]), x)


def test_folded_masks_and_weights_stand_where_the_heads_do() -> None:
    axes, target, source = (1,), (2, 3, 4), (2, 5, 4)
    pairs = np.random.default_rng(0).random((2, 4, 3, 5)) < 0.5  # without heads
    folded = np.asarray(fold_mask(jnp.asarray(pairs), (2, 4), (3,), (5,)))
    np.testing.assert_array_equal(folded[:, 0].reshape(2, 4, 3, 5), pairs)
    assert fold_mask(jnp.ones((3, 5)), (2, 4), (3,), (5,)).shape == (1, 1, 3, 5)
    places = np.random.default_rng(1).random(source) < 0.5
    kept = np.asarray(fold_places(jnp.asarray(places), axes, of="source"))
    np.testing.assert_array_equal(kept.reshape(2, 4, 5), np.moveaxis(places, 1, 2))
    assert fold_places(jnp.ones(target), axes, of="target").shape == (8, 1, 3, 1)
    assert unfold_weights(jnp.ones((8, 6, 3, 5)), axes, target, source).shape == (2, 4, 6, 3, 5)


@pytest.mark.parametrize(
    ("length", "shape"),
    [
        (2, None),
        (7, None),
        (9, (8,)),
        (8, (1, 1, 8)),
        (7, (2, 1, 1, 8)),
        (8, (2, 1, 8, 1)),
        (7, (2, 4, 8, 8)),
    ],
)
def test_blocks_of_queries_give_what_all_queries_give(monkeypatch, length, shape) -> None:
    query, key = normal(2, length, 4, 3), normal(2, length, 2, 3, seed=1)
    value = normal(2, length, 2, 5, seed=2)
    mask = None
    if shape is not None:
        shape = tuple(length if size == 8 else size for size in shape)
        mask = np.random.default_rng(3).random(shape) < 0.5
        mask[(0,) * (mask.ndim - 1)] = False  # queries that see nothing

    def run():
        def total(*arrays):
            heads = attend(*arrays, mask, scale=0.3, causal=True)
            return (heads**2).sum(), heads

        # A new function: JAX keeps traces by function, and the sizes of blocks are no argument.
        return jax.jit(jax.value_and_grad(total, (0, 1, 2), has_aux=True))(query, key, value)

    expected = run()
    monkeypatch.setattr("lamina.ops.attention.LEAST_POSITIONS", 2)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), run(), expected
    )


def test_long_causal_attention_computes_no_square_of_scores() -> None:
    query = normal(1, 512, 1, 2)
    program = jax.jit(lambda x: attend(x, x, x, scale=0.3, causal=True)).trace(query)
    assert largest(program.jaxpr) == 4 * 128 * 512


def test_long_causal_attention_takes_heads_that_are_sharded_explicitly() -> None:
    mesh = jax.make_mesh((1,), ("heads",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        place = jax.sharding.PartitionSpec(None, None, "heads")
        x = jax.device_put(normal(1, 256, 2, 4), place)
        mask = np.ones((256, 256), bool)
        heads = jax.jit(lambda x: attend(x, x, x, mask, scale=0.5, causal=True))(x)
    assert heads.shape == (1, 256, 2, 4)
