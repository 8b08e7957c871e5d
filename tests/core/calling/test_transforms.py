"""Layers reached for the first time inside JAX's transforms, and called inside them later."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from tests.close import assert_close


class Affine(Layer):
    def __init__(self, units):
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units))
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


class InScan(Layer):
    def __init__(self):
        self.cell = Affine(4)

    def call(self, inputs):
        def step(carry, x):
            carry = jnp.tanh(self.cell(jnp.concatenate([carry, x], -1)))
            return carry, carry

        return jax.lax.scan(step, jnp.zeros((inputs.shape[0], 4)), inputs.swapaxes(0, 1))[1]


class InWhile(Layer):
    def __init__(self):
        self.cell = Affine(3)

    def call(self, inputs):
        def body(carry):
            return carry[0] + 1, jnp.tanh(self.cell(carry[1]))

        return jax.lax.while_loop(lambda carry: carry[0] < 3, body, (0, inputs))[1]


class InCond(Layer):
    def __init__(self):
        self.left = Affine(3)
        self.right = Affine(3)

    def call(self, inputs):
        return jax.lax.cond(inputs.sum() > 0, self.left, self.right, inputs)


class InVmap(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        return jax.vmap(self.inner)(inputs)


class InGrad(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        return jax.grad(lambda x: jnp.sum(jnp.tanh(self.inner(x))))(inputs)


class InCheckpoint(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        return jax.checkpoint(lambda x: jnp.tanh(self.inner(x)))(inputs)


class InJit(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        return jax.jit(lambda x: jnp.tanh(self.inner(x)))(inputs)


class InCustomVjp(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        @jax.custom_vjp
        def double(x):
            return 2 * x

        double.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))
        return double(self.inner(inputs))


class InEvalShape(Layer):
    def __init__(self):
        self.inner = Affine(3)

    def call(self, inputs):
        shape = jax.eval_shape(self.inner, inputs).shape
        return jnp.zeros(shape) + self.inner(inputs)


ALL = [
    (InScan, (2, 5, 3)),
    (InWhile, (2, 3)),
    (InCond, (2, 3)),
    (InVmap, (2, 3)),
    (InGrad, (2, 3)),
    (InCheckpoint, (2, 3)),
    (InJit, (2, 3)),
    (InCustomVjp, (2, 3)),
    (InEvalShape, (2, 3)),
]


def inputs_of(shape):
    return jax.random.normal(jax.random.key(1), shape)


@pytest.mark.parametrize(("kind", "shape"), ALL)
def test_first_reach_inside_a_transform(kind, shape):
    lamina.set_seed(3)
    called = kind()
    x = inputs_of(shape)
    first = called(x)
    lamina.set_seed(3)
    built = kind()
    built.build((None, *shape[1:]))
    for path, value in called.values().items():
        np.testing.assert_array_equal(value, built.values()[path])
    np.testing.assert_allclose(first, called(x), atol=1e-6)
    np.testing.assert_allclose(first, built(x), atol=1e-6)
    np.testing.assert_allclose(first, lamina.jit(called)(x), atol=1e-5)
    np.testing.assert_allclose(first, called.apply(called.values(), x)[0], atol=1e-6)


@pytest.mark.parametrize(("kind", "shape"), [case for case in ALL if case[0] is not InWhile])
def test_gradients_reach_weights_inside_a_transform(kind, shape):
    layer, x = kind(), inputs_of(shape)
    layer.build(x)
    gradients = jax.grad(lambda v: jnp.sum(layer.apply(v, x)[0] ** 2))(layer.values())
    assert all(bool(jnp.all(jnp.isfinite(g))) for g in gradients.values())
    assert any(bool(jnp.any(g != 0)) for g in gradients.values())


OUTER = {
    "jit": lambda layer, x: jax.jit(lambda y: layer(y))(x),
    "vmap": lambda layer, x: jax.vmap(lambda y: layer(y))(x),
    "grad": lambda layer, x: jax.grad(lambda y: jnp.sum(layer(y)))(x),
    "scan": lambda layer, x: jax.lax.scan(lambda c, y: (c, layer(y)), 0, x)[1],
    "while": lambda layer, x: jax.lax.fori_loop(0, 2, lambda i, y: y + layer(y), x),
    "cond": lambda layer, x: jax.lax.cond(True, layer, lambda y: y * 0, x),
    "checkpoint": lambda layer, x: jax.checkpoint(lambda y: layer(y))(x),
    "eval_shape": lambda layer, x: jax.eval_shape(lambda y: layer(y), x),
    "linearize": lambda layer, x: jax.linearize(lambda y: layer(y), x)[0],
    "jvp": lambda layer, x: jax.jvp(lambda y: layer(y), (x,), (x,))[0],
    "jit of grad of vmap": lambda layer, x: jax.jit(
        jax.grad(lambda y: jnp.sum(jax.vmap(lambda z: layer(z))(y)))
    )(x),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OUTER)
def test_first_call_inside_a_users_transform(name):
    lamina.set_seed(7)
    layer = Affine(3)
    x = inputs_of((4, 3))
    first = OUTER[name](layer, x)
    assert all(not isinstance(v, jax.core.Tracer) for v in layer.values().values())
    lamina.set_seed(7)
    other = Affine(3)
    other(x)
    for path, value in other.values().items():
        np.testing.assert_array_equal(value, layer.values()[path])
    if name != "eval_shape":
        np.testing.assert_allclose(first, OUTER[name](layer, x), atol=1e-5)


def test_vmap_over_examples_is_the_batch():
    layer, x = Affine(3), inputs_of((4, 3))
    np.testing.assert_allclose(jax.vmap(layer)(x), layer(x), atol=1e-6)


def test_ensembles_by_vmap_over_values():
    layer, x = Affine(3), inputs_of((4, 3))
    layer.build(x)
    stacked = jax.tree.map(lambda v: jnp.stack([v, 2 * v]), layer.values())
    outputs = jax.vmap(lambda v: layer.apply(v, x)[0])(stacked)
    np.testing.assert_allclose(outputs[1], 2 * outputs[0], atol=1e-5)


def test_closure_in_a_staged_trace_warns_and_apply_does_not(recwarn):
    layer, x = Affine(3), inputs_of((4, 3))
    layer(x)
    with pytest.warns(UserWarning, match=r"apply.*lamina\.jit"):
        jax.jit(lambda y: layer(y))(x)
    recwarn.clear()
    jax.jit(lambda v, y: layer.apply(v, y)[0])(layer.values(), x)
    lamina.jit(layer)(x)
    jax.grad(lambda y: jnp.sum(layer(y)))(x)
    jax.vmap(layer)(x)
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


class KeptFunction(Layer):
    def __init__(self):
        self.cell = Affine(3)
        self.step = lambda carry, x: (jnp.tanh(self.cell(carry + x)), carry)

    def call(self, inputs):
        return jax.lax.scan(self.step, jnp.zeros(3), inputs)[1]


def by_hand(values, inputs):
    carry, expected = jnp.zeros(3), []
    for row in inputs:
        expected.append(carry)
        carry = jnp.tanh((carry + row) @ values["cell.kernel"] + values["cell.bias"])
    return jnp.stack(expected)


class Unrolled(Layer):
    def __init__(self):
        self.inner = lamina.layers.Dense(3)

    def call(self, inputs):
        def step(carry, row):
            return self.inner(self.inner(carry[None]))[0], row @ self.inner.kernel

        return jax.lax.scan(step, inputs[0], inputs)[1] + self.inner(inputs)


def test_no_tracer_is_left_over():
    with jax.checking_leaks():
        model, x = Unrolled(), jnp.ones((4, 3))
        expected = model(x)
        np.testing.assert_allclose(lamina.jit(model)(x), expected, rtol=1e-5)
        Unrolled().build((None, 3))


class Ensemble(Layer):
    """One layer applied on several sets of values, of which one is its own."""

    def __init__(self):
        self.inner = lamina.layers.Dense(2)

    def call(self, inputs):
        def member(scale):
            values = {path: value * scale for path, value in self.inner.values().items()}
            return self.inner.apply(values, inputs)[0]

        return jax.vmap(member)(jnp.array([1.0, 2.0]))


def test_a_layer_applied_inside_a_call_is_built_with_it():
    model, x = Ensemble(), jnp.ones((4, 3))
    assert [v.path for v in model.plan((None, 3)).variables] == ["inner.kernel", "inner.bias"]
    assert not model.inner.built
    one, two = model(x)
    assert_close(one * 2, two, rtol=1e-6)
    assert_close(lamina.jit(model)(x)[0], model.inner(x), rtol=1e-6)
    slopes = jax.grad(lambda values: model.apply(values, x)[0].sum())(model.values())
    assert float(slopes["inner.kernel"][0, 0]) == 12.0


def test_a_function_kept_between_calls_never_brings_back_old_weights():
    layer, x = KeptFunction(), inputs_of((5, 3))
    compiled = lamina.jit(layer)
    for shift in (0.0, 1.0, -0.5):
        layer.build(x)
        layer.set_values(jax.tree.map(lambda v, by=shift: v + by, layer.values()))
        expected = by_hand(layer.values(), x)
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        np.testing.assert_allclose(compiled(x), expected, atol=1e-5)
        np.testing.assert_allclose(layer.apply(layer.values(), x)[0], expected, atol=1e-5)


def test_gradients_through_a_kept_function():
    layer, x = KeptFunction(), inputs_of((5, 3))
    layer(x)
    layer(x)
    wanted = jax.grad(lambda v: jnp.sum(by_hand(v, x) ** 2))(layer.values())
    given = jax.grad(lambda v: jnp.sum(layer.apply(v, x)[0] ** 2))(layer.values())
    for path, gradient in wanted.items():
        np.testing.assert_allclose(given[path], gradient, atol=1e-4)


def test_weights_that_become_constants_are_warned_of_and_only_those():
    x = jnp.ones((2, 3))
    dense, scaled = layers.Dense(2), layers.Rescaling(2.0)
    dense(x), scaled(x)
    with pytest.warns(UserWarning, match="Dense is called while JAX traces"):
        jax.jit(lambda x: dense(x))(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.jit(lambda x: scaled(x))(x)
