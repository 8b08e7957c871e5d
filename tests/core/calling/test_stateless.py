import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Layer, layers
from lamina.errors import BuildError, InputError

X = jnp.arange(12.0).reshape(3, 4)


class Shift(Layer):
    def __init__(self):
        super().__init__()
        self.total = self.add_weight((), "zeros", trainable=False)
        self.shift = self.add_weight((), "ones", regularizer="l1")

    def call(self, inputs):
        self.add_loss(inputs.sum())
        self.total.assign_add(inputs.sum())
        return inputs + self.shift


def test_it_returns_outputs_state_and_losses_without_changing_the_layer():
    layer = Shift()
    layer.build((3, 4))
    outputs, state, losses = layer.stateless_call([2.0], [3.0], X, return_losses=True)
    np.testing.assert_array_equal(outputs, X + 2)
    assert [float(one) for one in state] == [69.0]
    np.testing.assert_allclose(losses, [66.0, 0.02])
    assert (layer.total.value, layer.shift.value) == (0, 1)
    assert len(layer.stateless_call([2.0], [3.0], X)) == 2


def test_it_is_differentiable_and_equals_the_call():
    layer = layers.BatchNormalization()
    layer.build((None, 4))
    trained, rest = [v.value for v in layer.trainable_variables], layer.non_trainable_variables

    @jax.jit
    def loss(trained, rest):
        outputs, rest = layer.stateless_call(trained, rest, X, training=True)
        return (outputs**2).sum(), rest

    gradients, new = jax.grad(loss, has_aux=True)(trained, [v.value for v in rest])
    assert all(np.isfinite(g).all() for g in gradients)
    outputs = layer.stateless_call(trained, rest, X, training=True)[0]
    np.testing.assert_allclose(outputs, layer(X, training=True), atol=1e-6)
    for variable, value in zip(rest, new, strict=True):
        np.testing.assert_allclose(variable.value, value, atol=1e-6)


def test_a_layer_whose_parts_are_built_needs_no_build():
    class Wrapped(Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs) + 1

    inner = layers.Dense(2)
    inner.build((None, 4))
    trained = [v.value for v in inner.trainable_variables]
    outputs = jax.jit(lambda trained: Wrapped(inner).stateless_call(trained, [], X)[0])(trained)
    np.testing.assert_allclose(outputs, inner(X) + 1, atol=1e-6)
    with pytest.raises(BuildError, match="before the build"):
        Wrapped(layers.Dense(2)).stateless_call([], [], X)


def test_a_layer_that_is_not_built_and_wrong_values_are_errors():
    layer = layers.Dense(2)
    with pytest.raises(BuildError, match="before the build"):
        layer.stateless_call([], [], X)
    layer.build((None, 4))
    for trained, rest in (([], []), ([jnp.ones((4, 2)), jnp.ones(3)], []), ([], [1.0])):
        with pytest.raises(InputError, match="do not match the"):
            layer.stateless_call(trained, rest, X)
