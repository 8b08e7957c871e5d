"""Attention layers: Keras's numbers over their options, masks, precision, errors."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import Layer
from lamina.errors import InputError, LaminaError
from lamina.layers import (
    AdditiveAttention,
    Attention,
    GroupedQueryAttention,
    MultiHeadAttention,
)

few = settings(
    deadline=None, max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Make = Callable[..., jax.Array]


def draws(*shape: int, share: float = 0.7, seed: int = 3) -> jax.Array:
    """A random mask that keeps the first place of each row."""
    kept = np.random.default_rng(seed).random(shape) < share
    kept[..., 0] = True
    return jax.device_put(kept)


def compare(ours: Layer, theirs: Any, *inputs: Any, **options: Any) -> None:
    """Outputs and gradients by weights and inputs agree, from the same weights by path."""
    theirs.build(*jax.tree.map(jnp.shape, inputs))
    rng = np.random.default_rng(5)
    named = {
        variable.path.partition("/")[2].replace("/", "."): variable
        for variable in theirs.trainable_variables
    }
    values = {path: rng.normal(size=v.shape).astype("float32") for path, v in named.items()}
    ours.build(*inputs, **options)
    ours.set_values(values)
    kept = [variable.value for variable in theirs.non_trainable_variables]

    def loss(outputs: Any) -> jax.Array:
        return sum((jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(outputs)), jnp.zeros(()))

    def run_ours(values: Any, inputs: Any) -> Any:
        outputs, _ = ours.apply(values, *inputs, **options)
        return loss(outputs), outputs

    def run_theirs(values: Any, inputs: Any) -> Any:
        ordered = [values[path] for path in named]
        outputs, _ = theirs.stateless_call(ordered, kept, *inputs, **options)
        return loss(outputs), outputs

    grads = [jax.grad(run, (0, 1), has_aux=True) for run in (run_ours, run_theirs)]
    found, expected = jax.jit(lambda *given: [grad(*given) for grad in grads])(values, inputs)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-4, atol=2e-5)


def run(layer: Layer, *inputs: Any, **options: Any) -> Any:
    return lamina.jit(layer)(*inputs, **options)


# Attention and AdditiveAttention.

PLAIN = [
    ({}, {}),
    ({"use_scale": True}, {"use_causal_mask": True}),
    ({"score_mode": "concat"}, {"return_attention_scores": True}),
    ({"score_mode": "concat", "use_scale": True}, {"use_causal_mask": True}),
]


@pytest.mark.parametrize(("options", "call"), PLAIN)
def test_attention_equals_keras(normal: Make, options, call) -> None:
    inputs = [normal(2, 4, 3), normal(2, 5, 6, seed=1), normal(2, 5, 3, seed=2)]
    compare(Attention(**options), keras.layers.Attention(**options), inputs, **call)


@pytest.mark.parametrize("use_scale", [True, False])
def test_additive_attention_equals_keras(normal: Make, use_scale) -> None:
    ours, theirs = AdditiveAttention(use_scale), keras.layers.AdditiveAttention(use_scale)
    compare(ours, theirs, [normal(2, 4, 3), normal(2, 5, 3)], return_attention_scores=True)


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("causal", [True, False])
def test_masks_of_query_and_value_equal_keras(normal: Make, kind, causal) -> None:
    ours, theirs = getattr(lamina.layers, kind)(), getattr(keras.layers, kind)()
    inputs, mask = [normal(2, 4, 3), normal(2, 5, 3)], [draws(2, 4, seed=1), draws(2, 5)]
    compare(ours, theirs, inputs, mask=mask, use_causal_mask=causal)
    assert ours.compute_mask(inputs, mask) is mask[0] and ours.compute_mask(inputs) is None


@few
@given(st.tuples(*[st.integers(1, 4)] * 5))
def test_attention_at_any_size(normal: Make, sizes) -> None:
    batch, target, source, features, channels = sizes
    query, value = normal(batch, target, features), normal(batch, source, channels)
    compare(Attention(), keras.layers.Attention(), [query, value, normal(batch, source, features)])


def test_attention_over_more_leading_axes(normal: Make) -> None:
    query, value = normal(2, 3, 4, 5), normal(2, 3, 6, 5, seed=1)
    mask = [None, draws(2, 3, 6)]
    both = Attention(use_scale=True)([query, value], mask=mask)
    query, value, kept = map(np.asarray, (query, value, mask[1]))
    one = Attention(use_scale=True)([query[:, 1], value[:, 1]], mask=[None, kept[:, 1]])
    np.testing.assert_allclose(np.asarray(both)[:, 1], one, rtol=1e-5, atol=1e-6)


def test_weights_are_dropped_while_training(normal: Make) -> None:
    layer = Attention(dropout=0.5, seed=1)
    inputs = [normal(2, 30, 3), normal(2, 40, 3)]
    whole = np.asarray(layer(inputs, return_attention_scores=True)[1])
    made = layer(inputs, return_attention_scores=True, training=True, rng=0)
    output, weights = map(np.asarray, made)
    assert 0.4 < (weights == 0).mean() < 0.6
    np.testing.assert_allclose(weights, np.where(weights == 0, 0, whole * 2), rtol=1e-5)
    np.testing.assert_allclose(output, weights @ np.asarray(inputs[1]), rtol=1e-4, atol=1e-5)
    with pytest.raises(LaminaError, match="key"):
        layer(inputs, training=True)


@pytest.mark.parametrize(
    ("inputs", "mask", "text"),
    [
        ([(2, 4, 3)], None, "takes a list as its input"),
        ([(2, 4, 3)] * 4, None, "takes a list as its input"),
        ([(2, 4, 3), (2, 5, 4)], None, "a key"),
        ([(4,), (5,)], None, "time, features"),
        ([(2, 4, 3), (2, 5, 3)], [None, (2, 4)], "a value mask"),
        ([(2, 4, 3), (2, 5, 3)], [(2, 5), None], "a query mask"),
        ([(2, 4, 3), (2, 5, 3)], [(2, 4)], "takes a list as its mask"),
    ],
)
def test_inputs_that_do_not_fit(inputs, mask, text) -> None:
    masks = mask and [one and np.ones(one, bool) for one in mask]
    with pytest.raises(InputError, match=text):
        Attention()([np.ones(shape, "float32") for shape in inputs], mask=masks)


def test_an_array_is_no_list() -> None:
    with pytest.raises(InputError, match=r"\[query, value\]"):
        AdditiveAttention()(jnp.ones((2, 4, 3)))


@pytest.mark.parametrize("options", [{"score_mode": "cosine"}, {"dropout": 2.0}])
def test_options_of_attention_out_of_range(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Attention(**options)


# MultiHeadAttention and GroupedQueryAttention.

HEADS = [
    ({}, {}),
    ({"use_bias": False, "sliding_window": 2}, {"use_causal_mask": True}),
    ({"value_dim": 5}, {"return_attention_scores": True}),
    ({"output_shape": 7, "dropout": 0.1}, {"use_causal_mask": True}),
    ({"output_shape": (2, 3), "use_gate": True}, {"return_attention_scores": True}),
]


@pytest.mark.parametrize(("options", "call"), HEADS)
def test_multi_head_attention_equals_keras(normal: Make, options, call) -> None:
    ours, theirs = (
        MultiHeadAttention(2, 3, **options),
        keras.layers.MultiHeadAttention(2, 3, **options),
    )
    query, value, key = normal(2, 4, 6), normal(2, 5, 7, seed=1), normal(2, 5, 8, seed=2)
    compare(ours, theirs, query, value, key, **call)


@pytest.mark.parametrize(
    "masks",
    [
        {"value_mask": draws(2, 5), "key_mask": draws(2, 5, seed=4)},
        {"attention_mask": draws(2, 4, 5), "use_causal_mask": True},
        {"attention_mask": draws(2, 2, 4, 5)},
        {"attention_mask": draws(1, 5), "return_attention_scores": True},
    ],
    ids=lambda masks: ", ".join(masks),
)
def test_masks_equal_keras(normal: Make, masks) -> None:
    ours, theirs = MultiHeadAttention(2, 3), keras.layers.MultiHeadAttention(2, 3)
    compare(ours, theirs, normal(2, 4, 6), normal(2, 5, 6, seed=1), **masks)


@pytest.mark.parametrize(
    ("axes", "target", "source", "mask"),
    [
        ((2,), (3, 4), (3, 2), (2, 3, 4, 2)),
        ((-2,), (3, 4), (3, 2), (4, 2)),
        ((1,), (3, 2), (4, 2), None),
        (None, (3, 4), (2, 3), (2, 3, 4, 2, 3)),
    ],
)
def test_attention_axes_equal_keras(normal: Make, axes, target, source, mask) -> None:
    options = {"attention_axes": axes}
    ours = MultiHeadAttention(2, 3, **options)
    theirs = keras.layers.MultiHeadAttention(2, 3, **options)
    masks = {} if mask is None else {"attention_mask": draws(*mask)}
    query, value = normal(2, *target, 5), normal(2, *source, 5, seed=1)
    compare(ours, theirs, query, value, return_attention_scores=True, **masks)


@few
@given(st.tuples(*[st.integers(1, 4)] * 5), st.integers(1, 3), st.booleans())
def test_multi_head_attention_at_any_size(normal: Make, sizes, heads, causal) -> None:
    batch, target, source, features, key_dim = sizes
    ours = MultiHeadAttention(heads, key_dim)
    theirs = keras.layers.MultiHeadAttention(heads, key_dim)
    query, value = normal(batch, target, features), normal(batch, source, features, seed=1)
    compare(ours, theirs, query, value, use_causal_mask=causal)


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, {"use_causal_mask": True}),
        ({"use_gate": True}, {"return_attention_scores": True}),
        ({"sliding_window": 3, "use_bias": False}, {"attention_mask": draws(2, 4, 4, 5)}),
    ],
)
def test_grouped_query_attention_equals_keras(normal: Make, options, call) -> None:
    ours = GroupedQueryAttention(3, 4, 2, **options)
    theirs = keras.layers.GroupQueryAttention(3, 4, 2, **options)
    compare(ours, theirs, normal(2, 4, 6), normal(2, 5, 6, seed=1), **call)


def test_masked_queries_change_no_other_row(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 3), normal(2, 4, 6)
    mask = np.asarray([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    whole, masked = map(np.asarray, (run(layer, x, x), run(layer, x, x, query_mask=mask)))
    np.testing.assert_allclose(masked[mask], whole[mask], rtol=1e-5, atol=1e-6)
    assert np.isfinite(masked).all()


@pytest.mark.parametrize("scored", [True, False])
def test_a_row_that_sees_nothing_is_finite(normal: Make, scored) -> None:
    layer, x = MultiHeadAttention(2, 3), normal(2, 4, 6)
    layer.build(x, x)

    def total(values: Any) -> jax.Array:
        mask = jnp.zeros((4, 4), bool).at[1].set(True)
        outputs, _ = layer.apply(values, x, x, attention_mask=mask, return_attention_scores=scored)
        return sum((out**2).sum() for out in jax.tree.leaves(outputs))

    value, slopes = jax.jit(jax.value_and_grad(total))(layer.values())
    assert np.isfinite(value)
    assert all(np.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


def test_with_and_without_scores_is_the_same(normal: Make) -> None:
    layer, x = MultiHeadAttention(2, 3, seed=4, dropout=0.5), normal(2, 4, 6)
    mask = np.array(draws(2, 4, 4, share=0.3))
    mask[0, 1] = False
    output, scores = run(layer, x, x, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(run(layer, x, x, attention_mask=mask), output, rtol=1e-5, atol=1e-6)
    noisy, kept = run(layer, x, x, return_attention_scores=True, training=True, rng=1)
    np.testing.assert_allclose(np.asarray(kept).sum(-1), 1, rtol=1e-5)
    assert not np.allclose(noisy, run(layer, x, x))
    assert scores.shape == (2, 2, 4, 4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(normal: Make, dtype) -> None:
    x = normal(2, 4, 6)
    exact, half = MultiHeadAttention(2, 3), MultiHeadAttention(2, 3, dtype=dtype)
    half.build(x, x, seed=1)
    exact.build(x, x, seed=1)
    exact.set_values({path: np.asarray(v, "float32") for path, v in half.values().items()})
    low = np.asarray(x, dtype)
    y = run(half, low, low, use_causal_mask=True)
    assert y.dtype == dtype
    expected = run(exact, x, x, use_causal_mask=True)
    np.testing.assert_allclose(np.asarray(y, "float32"), expected, atol=5e-2)


# Bad input.


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_heads": 0}, "num_heads"),
        ({"key_dim": 2.5}, "key_dim"),
        ({"value_dim": 0}, "value_dim"),
        ({"dropout": -0.1}, "dropout"),
        ({"output_shape": (3, 0)}, "output_shape"),
        ({"attention_axes": "time"}, "attention_axes"),
        ({"sliding_window": 0}, "sliding_window"),
        ({"flash_attention": "yes"}, "flash_attention"),
        ({"flash_attention": True, "dropout": 0.1}, "dropout"),
    ],
)
def test_options_out_of_range(options, text) -> None:
    with pytest.raises(InputError, match=text):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **options})


def test_heads_that_do_not_part_evenly() -> None:
    with pytest.raises(InputError, match="num_key_value_heads"):
        GroupedQueryAttention(4, 5, 2)


@pytest.mark.parametrize(
    ("shapes", "masks", "text"),
    [
        (((2, 4), (2, 4)), {}, "batch, time, features"),
        (((2, 4, 6), (2, 3, 4, 6)), {}, "number of axes"),
        (((2, 4, 6), (3, 4, 6)), {}, "a value"),
        (((2, 4, 6), (2, 5, 6), (2, 4, 6)), {}, "a key"),
        (((2, 4, 6), (2, 5, 6)), {"query_mask": (2, 5)}, "a query mask"),
        (((2, 4, 6), (2, 5, 6)), {"value_mask": (2, 4)}, "a value mask"),
        (((2, 4, 6), (2, 5, 6)), {"key_mask": (5,)}, "a key mask"),
        (((2, 4, 6), (2, 5, 6)), {"attention_mask": (5, 4)}, "an attention mask"),
        (((2, 4, 6), (2, 5, 6)), {"attention_mask": (5,)}, "an attention mask"),
        (((2, 4, 6), (2, 5, 6)), {"attention_mask": (2, 3, 4, 5)}, "an attention mask"),
        (((2, 4, 6), (2, 5, 6)), {"attention_mask": (1, 2, 2, 4, 5)}, "an attention mask"),
    ],
)
def test_shapes_that_do_not_fit(shapes, masks, text) -> None:
    arrays = [np.ones(shape, "float32") for shape in shapes]
    with pytest.raises(InputError, match=text):
        MultiHeadAttention(2, 3)(*arrays, **{k: np.ones(s, bool) for k, s in masks.items()})


@pytest.mark.parametrize("axes", [3, (1, 1), (1, 4)])
def test_axes_that_are_not_there(axes) -> None:
    with pytest.raises(InputError, match="axis"):
        MultiHeadAttention(2, 3, attention_axes=axes)(
            jnp.ones((2, 4, 4, 6)), jnp.ones((2, 4, 4, 6))
        )


def test_nothing_to_look_at() -> None:
    with pytest.raises(InputError, match="no value to attend to"):
        MultiHeadAttention(2, 3)(jnp.ones((2, 4, 6)), None)


def test_grouped_attention_has_one_axis_of_time() -> None:
    with pytest.raises(InputError, match="number of axes"):
        GroupedQueryAttention(4, 4, 2)(jnp.ones((2, 4, 4, 6)), jnp.ones((2, 4, 4, 6)))


def test_a_fused_kernel_that_is_not_there_or_shows_no_scores(normal: Make) -> None:
    x = normal(2, 4, 6)
    layer = MultiHeadAttention(2, 3, flash_attention=True)
    with pytest.raises(InputError, match="flash_attention"):
        layer(x, x, return_attention_scores=True)
    if jax.default_backend() == "cpu":
        with pytest.raises(InputError, match="flash_attention"):
            layer(x, x)
    plain = MultiHeadAttention(2, 3, flash_attention=False)
    assert plain(x, x).shape == x.shape


def test_the_projections_have_their_names_in_keras_too():
    layer = MultiHeadAttention(2, 3)
    layer.build((1, 4, 5), (1, 4, 5))
    kernels = [layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense]
    assert [one.kernel for one in kernels] == [
        one.kernel for one in (layer.query, layer.key, layer.value, layer.attention_output)
    ]
    assert len(layer.variables) == 8
