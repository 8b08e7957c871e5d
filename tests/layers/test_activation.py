"""Activations as layers: Keras's numbers, options, masks, errors."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Sequential, activations, layers
from lamina.errors import BuildError, InputError
from lamina.layers import ELU, LeakyReLU, PReLU, ReLU, Softmax
from tests.close import assert_close


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_value": 1.0},
        {"negative_slope": 0.1},
        {"threshold": 0.5},
        {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.5},
        {"max_value": 0.0},
    ],
)
def test_relu_equals_keras(compare, normal, options) -> None:
    compare(ReLU(**options), keras.layers.ReLU(**options), normal(3, 4) * 2)


@pytest.mark.parametrize("arguments", [(), (0.0,), (1.5,)])
def test_leaky_relu_and_elu_equal_keras(compare, normal, arguments) -> None:
    for name in ("LeakyReLU", "ELU"):
        ours, theirs = (getattr(place, name)(*arguments) for place in (layers, keras.layers))
        compare(ours, theirs, normal(3, 4))


@pytest.mark.parametrize("shared", [None, 1, [1, 2], (2,), [1, 2, 3]])
def test_prelu_equals_keras(compare, normal, shared) -> None:
    ours, theirs = PReLU(shared_axes=shared), keras.layers.PReLU(shared_axes=shared)
    compare(ours, theirs, normal(2, 3, 4, 5))


@settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_prelu_at_any_rank(compare, normal, shape) -> None:
    compare(PReLU(), keras.layers.PReLU(), normal(*shape))


def test_axes_of_prelu_may_be_counted_from_the_back() -> None:
    layer = PReLU(shared_axes=[-2, -3])
    layer.build((None, 3, 4, 5))
    assert layer.alpha.shape == (1, 1, 5)


def test_an_unknown_axis_must_be_shared() -> None:
    layer = PReLU(shared_axes=1)
    layer.build((None, None, 3))
    assert layer.alpha.shape == (1, 3)
    with pytest.raises(BuildError, match="an unknown dim"):
        PReLU().build((None, None, 3))


@pytest.mark.parametrize("axis", [-1, 0, 1, (1, 2), [0]])
@pytest.mark.parametrize("shape", [None, (2, 3, 4), (3, 1), (4,)])
def test_softmax_equals_keras(compare, normal, axis, shape) -> None:
    options = {}
    if shape is not None:
        options["mask"] = jnp.asarray(np.random.default_rng(3).random(shape) < 0.6)
    ours = Softmax(axis)
    theirs = keras.layers.Softmax(axis)
    compare(ours, theirs, normal(2, 3, 4), **options)


def test_softmax_of_nothing_is_nothing() -> None:
    x, mask = jnp.ones((2, 3)), jnp.array([[False] * 3, [True] * 3])
    assert_close(Softmax()(x, mask=mask), [[0] * 3, [1 / 3] * 3], rtol=1e-6)


def test_a_row_of_activations_passes_a_mask_on() -> None:
    model = Sequential([layers.Masking(), ReLU(), LeakyReLU(), ELU(), layers.GRU(2)])
    x = jnp.array([[[1.0], [2.0], [0.0]]])
    assert_close(model(x), model(x[:, :2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ReLU, {"max_value": -1.0}),
        (ReLU, {"negative_slope": None}),
        (ReLU, {"negative_slope": -0.1}),
        (ReLU, {"threshold": None}),
        (ReLU, {"threshold": -0.1}),
        (LeakyReLU, {"negative_slope": -0.1}),
        (LeakyReLU, {"negative_slope": None}),
        (ELU, {"alpha": "much"}),
        (PReLU, {"shared_axes": "all"}),
        (Softmax, {"axis": "last"}),
        (Softmax, {"axis": None}),
    ],
)
def test_options_out_of_range(kind, options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        kind(**options)


@pytest.mark.parametrize("axis", [3, -4, (1, 1)])
def test_axes_that_are_not_there(axis) -> None:
    for kind in (Softmax, lambda axes: PReLU(shared_axes=axes)):
        with pytest.raises(InputError, match="axis="):
            kind(axis).build((2, 3, 4))


@pytest.mark.parametrize("axis", [0, -3])
def test_the_batch_shares_no_slope_of_its_own(axis) -> None:
    with pytest.raises(InputError, match="shared_axes"):
        PReLU(shared_axes=axis).build((2, 3, 4))


def test_prelu_needs_features() -> None:
    with pytest.raises(InputError, match="axes"):
        PReLU().build((2,))


@pytest.mark.parametrize("shape", [(2, 4), (5,), (1, 2, 3, 4)])
def test_a_mask_that_does_not_fit(shape) -> None:
    with pytest.raises(InputError, match="a mask"):
        Softmax()(jnp.ones((2, 3, 4)), mask=jnp.ones(shape, bool))


@pytest.mark.parametrize("layer", [ReLU(6.0, 0.1), LeakyReLU(), ELU(), Softmax()])
def test_half_precision(layer) -> None:
    assert layer(jnp.ones((2, 3), "bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(3, "softmax"),
        layers.EinsumDense("abc,cd->abd", (None, 3), "softmax"),
        layers.Conv1D(3, 2, activation="softmax"),
        layers.Conv1DTranspose(3, 2, activation="softmax"),
        layers.DepthwiseConv1D(2, activation="softmax"),
        layers.SeparableConv1D(3, 2, activation="softmax"),
        layers.Activation("softmax"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_an_activation_may_be_taken_off_or_changed(normal, layer) -> None:
    x = normal(2, 5, 4)
    expected = layer(x)
    layer.activation = None
    np.testing.assert_allclose(activations.softmax(layer(x)), expected, rtol=1e-5)
    layer.activation = "softmax"
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
