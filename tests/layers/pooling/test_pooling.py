"""Pooling of every kind and rank: Keras's numbers, masks, unknown sizes, errors."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError

few = settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RANKS = (1, 2, 3)
FORMATS = ["channels_last", "channels_first"]
WINDOWS = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in RANKS]
GLOBAL = [f"Global{name}" for name in WINDOWS]
ADAPTIVE = [f"Adaptive{name}" for name in WINDOWS]


def both(name, *args, **options):
    return getattr(layers, name)(*args, **options), getattr(keras.layers, name)(*args, **options)


def rank_of(name):
    return int(name[-2])


def shaped(sizes, data_format):
    return (2, *sizes, 3) if data_format == "channels_last" else (2, 3, *sizes)


@few
@given(st.sampled_from(WINDOWS), st.sampled_from(FORMATS), st.data())
def test_equals_keras(compare, normal, name, data_format, data) -> None:
    per_axis = st.tuples(*[st.integers(1, 3)] * rank_of(name))
    pool_size, room = data.draw(per_axis), data.draw(per_axis)
    strides = data.draw(st.none() | per_axis)
    padding = data.draw(st.sampled_from(["valid", "same"]))
    sizes = [span + more for span, more in zip(pool_size, room, strict=True)]
    layer = both(name, pool_size, strides, padding, data_format)
    compare(*layer, normal(*shaped(sizes, data_format)))


@pytest.mark.parametrize("rank", RANKS)
def test_the_defaults_are_those_of_keras(compare, normal, rank) -> None:
    x = normal(2, *[5] * rank, 3)
    compare(*both(f"MaxPooling{rank}D"), x)
    compare(*both(f"AveragePooling{rank}D", 2), x)


@few
@given(st.sampled_from(GLOBAL), st.sampled_from(FORMATS), st.booleans(), st.data())
def test_global_equals_keras(compare, normal, name, data_format, keepdims, data) -> None:
    sizes = data.draw(st.tuples(*[st.integers(1, 4)] * rank_of(name)))
    compare(*both(name, data_format, keepdims), normal(*shaped(sizes, data_format)))


@few
@given(st.sampled_from(ADAPTIVE), st.sampled_from(FORMATS), st.data())
def test_adaptive_equals_keras(compare, normal, name, data_format, data) -> None:
    per_axis = st.tuples(*[st.integers(1, 5)] * rank_of(name))
    sizes, counts = data.draw(per_axis), data.draw(per_axis)
    compare(*both(name, counts, data_format), normal(*shaped(sizes, data_format)))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_masked_mean_equals_keras(compare, normal, data_format, keepdims) -> None:
    mask = jnp.asarray(np.random.default_rng(1).random((2, 5)) < 0.6).at[:, 0].set(True)
    pair = both("GlobalAveragePooling1D", data_format, keepdims)
    compare(*pair, normal(*shaped([5], data_format)), mask=mask)


def test_a_mask_reaches_the_mean_and_ends_there(normal) -> None:
    row = [layers.Embedding(7, 4, mask_zero=True), layers.GlobalAveragePooling1D()]
    model = Sequential(row)
    tokens = jnp.array([[3, 5, 0, 0]])
    expected = row[0](tokens)[:, :2].mean(1)
    np.testing.assert_allclose(model(tokens), expected, rtol=1e-5, atol=1e-6)
    for name in (*WINDOWS, *GLOBAL):
        assert getattr(layers, name)().compute_mask(None, tokens != 0) is None


def test_a_mask_that_does_not_fit(normal) -> None:
    layer = layers.GlobalAveragePooling1D("channels_first")
    with pytest.raises(InputError, match="mask"):
        layer(normal(2, 5, 3), mask=jnp.ones((2, 5), bool))


def test_other_names() -> None:
    for rank in RANKS:
        for short, long in (("Max", "Max"), ("Avg", "Average")):
            for kind in ("", "Global"):
                alias = getattr(layers, f"{kind}{short}Pool{rank}D")
                assert alias is getattr(layers, f"{kind}{long}Pooling{rank}D")


@pytest.mark.parametrize("name", [*WINDOWS, *GLOBAL, *ADAPTIVE])
def test_unknown_sizes_of_space_are_planned(normal, name) -> None:
    kind = getattr(layers, name)
    layer = kind(2) if name in ADAPTIVE else kind()
    outputs = layer.plan((None, *[None] * rank_of(name), 3)).calls[0].outputs
    assert outputs.shape[0] is None and outputs.shape[-1] == 3
    layer.build((None, *[None] * rank_of(name), 3))
    assert layer(normal(2, *[4] * rank_of(name), 3)).shape[0] == 2


def test_one_made_inside_a_call(normal) -> None:
    class Halved(lamina.Layer):
        def call(self, inputs):
            return layers.MaxPooling1D()(inputs)

    layer, x = Halved(), normal(2, 6, 3)
    for run in (layer, lamina.jit(layer), layer):
        assert run(x).shape == (2, 3, 3)


@pytest.mark.parametrize("name", [*WINDOWS, *GLOBAL, *ADAPTIVE])
def test_half_precision(name) -> None:
    kind = getattr(layers, name)
    layer = kind(2) if name in ADAPTIVE else kind()
    x = np.ones((1, *[3] * rank_of(name), 2), jnp.bfloat16)
    assert lamina.jit(layer)(x).dtype == "bfloat16"


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize(
    "options",
    [{"pool_size": 0}, {"strides": (1, 2, 3, 4)}, {"padding": "causal"}, {"data_format": "last"}],
)
def test_options_that_are_none(name, options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        getattr(layers, name)(**options)


@pytest.mark.parametrize("output_size", [0, (2, 3), (2, None, 2), 1.5, None])
def test_output_sizes_that_are_none(output_size) -> None:
    with pytest.raises(InputError, match="output_size"):
        layers.AdaptiveMaxPooling3D(output_size)


@pytest.mark.parametrize("name", [*WINDOWS, *GLOBAL, *ADAPTIVE])
def test_another_rank_is_refused(name) -> None:
    kind = getattr(layers, name)
    layer = kind(2) if name in ADAPTIVE else kind()
    with pytest.raises(InputError, match="channels"):
        layer.build((None, *[8] * (rank_of(name) - 1), 4))


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("batch", [2, None])
def test_a_window_larger_than_its_input_is_refused(normal, name, batch) -> None:
    layer = getattr(layers, name)(4)
    with pytest.raises(InputError, match="too small"):
        layer.build((batch, *[3] * rank_of(name), 2))
    layer.build((None, *[None] * rank_of(name), 2))
    with pytest.raises(InputError, match="too small"):
        layer(normal(1, *[3] * rank_of(name), 2))


@pytest.mark.parametrize("name", [*GLOBAL, *ADAPTIVE])
def test_no_points_are_refused(name) -> None:
    kind = getattr(layers, name)
    layer = kind(2) if name in ADAPTIVE else kind()
    with pytest.raises(InputError, match="too small"):
        layer(jnp.ones((1, *[0] * rank_of(name), 2)))
