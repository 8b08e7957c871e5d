"""Attention step by step from a cache, and rotary positions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer
from lamina.errors import InputError
from lamina.layers import GroupedQueryAttention, MultiHeadAttention, RotaryEmbedding
from tests.close import assert_close

Make = Callable[..., jax.Array]


def run(layer: Layer, *inputs: Any, **options: Any) -> Any:
    return lamina.jit(layer)(*inputs, **options)


def in_steps(layer: Layer, x: jax.Array, cache: Any, sizes: list[int], **options: Any) -> Any:
    """The outputs of parts of a sequence, one after the other, and the last cache."""
    outputs, start, step = [], 0, lamina.jit(layer)
    for size in sizes:
        part = x[:, start : start + size]
        output, cache = step(part, part, cache=cache, **options)
        outputs.append(output)
        start += size
    return jnp.concatenate(outputs, 1), cache


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiHeadAttention(2, 4, value_dim=3),
        lambda: MultiHeadAttention(2, 4, rotary=RotaryEmbedding(100.0), sliding_window=3),
        lambda: GroupedQueryAttention(4, 4, 2, rotary=RotaryEmbedding(scaling_factor=2.0)),
    ],
    ids=["values of another size", "rotary and a window", "grouped"],
)
def test_step_by_step_is_the_whole_sequence(normal: Make, make) -> None:
    layer, x = make(), normal(2, 6, 5)
    whole = run(layer, x, x, use_causal_mask=True)
    parts, cache = in_steps(
        layer, x, layer.make_cache(2, 8), [1, 1, 1, 1, 1, 1], use_causal_mask=True
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    assert int(cache["length"]) == 6
    np.testing.assert_array_equal(cache["key"][:, 6:], 0)


def test_one_compiled_step_serves_all_places(normal: Make) -> None:
    layer, x = MultiHeadAttention(1, 4), normal(1, 5, 4)
    layer.build(x, x)
    traces = []

    @jax.jit
    def step(values: Any, part: jax.Array, cache: Any) -> Any:
        traces.append(part)
        return layer.apply(values, part, part, cache=cache, use_causal_mask=True)[0]

    cache = layer.make_cache(1, 5)
    for t in range(5):
        _, cache = step(layer.values(), x[:, t : t + 1], cache)
    assert len(traces) == 1


def test_a_prompt_without_causality_sees_all_that_is_filled(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 4), normal(2, 5, 4)
    output, scores, _ = run(layer, x, x, cache=layer.make_cache(2, 9), return_attention_scores=True)
    np.testing.assert_allclose(output, run(layer, x, x), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(scores[..., 5:], 0)


def test_padding_of_a_prompt_is_masked_over_the_places_of_the_cache(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 4), normal(1, 4, 4)
    padded = jnp.concatenate([jnp.ones((1, 2, 4)), x], 1)
    mask = jnp.asarray([[False] * 2 + [True] * 6])
    cache = layer.make_cache(1, 8)
    output, _ = run(layer, padded, padded, cache=cache, value_mask=mask, use_causal_mask=True)
    whole = run(layer, x, x, use_causal_mask=True)
    np.testing.assert_allclose(output[:, 2:], whole, rtol=1e-4, atol=1e-5)


def test_what_is_remembered_is_looked_at_without_a_value(normal: Make) -> None:
    layer, x, memory = MultiHeadAttention(2, 4), normal(2, 3, 4), normal(2, 5, 6, seed=1)
    mask = jnp.asarray([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0]], bool)
    whole = run(layer, x, memory, value_mask=mask)
    held = layer.remember(memory)
    output, after = run(layer, x, None, cache=held, value_mask=mask)
    np.testing.assert_allclose(output, whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after["key"], held["key"])


def test_a_cache_of_another_dtype(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 4), normal(2, 3, 4)
    output, cache = run(layer, x, x, cache=layer.make_cache(2, 3, "bfloat16"))
    assert cache["value"].dtype == "bfloat16" and output.dtype == "float32"
    np.testing.assert_allclose(output, run(layer, x, x), atol=3e-2)


def test_a_compiled_step_past_the_end_is_nan_and_an_open_one_an_error(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 4), normal(2, 3, 4)
    _, cache = run(layer, x, x, cache=layer.make_cache(2, 3))
    with pytest.raises(InputError, match="room for 6 positions"):
        layer(x, x, cache=cache)
    output, _ = lamina.jit(layer)(x, x, cache=cache)
    assert jnp.isnan(output).all()
    with pytest.raises(InputError, match="too short"):
        lamina.jit(layer)(x, x, cache=layer.make_cache(2, 2))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda cache: cache["key"], "a dict of 'key', 'value' and 'length'"),
        (lambda cache: cache | {"key": cache["key"][:1]}, "a cache's key"),
        (lambda cache: cache | {"value": cache["value"][..., :1]}, "a cache's value"),
    ],
)
def test_caches_that_do_not_fit(normal: Make, spoil, text) -> None:
    layer, x = MultiHeadAttention(2, 4), normal(2, 3, 4)
    with pytest.raises(InputError, match=text):
        layer(x, x, cache=spoil(layer.make_cache(2, 3)))


def test_rotated_places_may_be_given(normal: Make) -> None:
    layer, x = RotaryEmbedding(), normal(2, 4, 3, 6)
    moved = layer(x, start_index=2)
    assert_close(moved, layer(x, positions=jnp.arange(2, 6)), rtol=1e-6)
    rows = jnp.stack([jnp.arange(4), jnp.arange(2, 6)])
    assert_close(layer(x, positions=rows)[1], moved[1], rtol=1e-6)
    near = RotaryEmbedding(scaling_factor=2.0)(x, positions=2 * jnp.arange(4))
    assert_close(near, layer(x), rtol=1e-6)


def test_rotation_of_odd_features() -> None:
    with pytest.raises(InputError, match="even number"):
        RotaryEmbedding()(jnp.ones((2, 4, 3)))
    with pytest.raises(InputError, match="positions"):
        RotaryEmbedding()(jnp.ones((2, 4, 2)), positions=jnp.arange(3))
