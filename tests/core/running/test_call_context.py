import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, layers
from lamina.errors import InputError, StateError

X = jnp.zeros((2, 3, 4))


class Inner(Layer):
    def __init__(self):
        super().__init__()
        self._register_call_context_args("foo_mode")

    def build(self, input_shape):
        self.scale = self.add_weight(input_shape[-1:], "ones")

    def call(self, x, foo_mode=False):
        return self.scale * x + jnp.where(foo_mode, 1.0, 0.0)


class Outer(Layer):
    def __init__(self, inner):
        super().__init__()
        self._register_call_context_args("foo_mode")
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def graph():
    inputs = Input((3, 4))
    return Model(inputs, Inner()(layers.Identity()(inputs)))


@pytest.mark.parametrize(
    ("make", "sum_of"),
    [
        (Inner, 1),
        (lambda: Sequential([Inner(), Inner()]), 2),
        (graph, 1),
        (lambda: layers.Remat(Inner()), 1),
        (lambda: layers.Stack(Inner, 2), 2),
        (lambda: layers.TimeDistributed(Inner()), 1),
    ],
)
def test_an_argument_is_passed_down_in_every_model_and_way_to_run(make, sum_of):
    layer = Outer(make())
    runs = [layer, lamina.jit(layer), lambda x, **o: layer.apply(layer.values(), x, **o)[0]]
    for run in runs:
        for options, expected in (({}, 0), ({"foo_mode": True}, sum_of), ({"foo_mode": False}, 0)):
            np.testing.assert_array_equal(run(X, **options), X + expected)


def test_models_pass_an_argument_that_their_call_does_not_have():
    model = Sequential([layers.Identity(), Inner()])
    model._register_call_context_args("foo_mode")
    assert model(X, foo_mode=True).max() == 1
    model = graph()
    model._register_call_context_args("foo_mode")
    assert model(X, foo_mode=True).max() == 1
    assert model(X).max() == 0


def test_an_argument_of_an_inner_call_goes_first():
    class Explicit(Outer):
        def call(self, x):
            return self.inner(x, foo_mode=False) + 2 * self.inner(x)

    assert Explicit(Inner())(X, foo_mode=True).max() == 2


def test_it_ends_with_the_call_and_reaches_registered_layers_only():
    class Plain(Layer):
        def call(self, x, foo_mode=False):
            return x + (1 if foo_mode else 0)

    class Failing(Outer):
        def call(self, x):
            raise RuntimeError("stop")

    assert Outer(Plain())(X, foo_mode=True).max() == 0
    with pytest.raises(RuntimeError, match="stop"):
        Failing(Inner())(X, foo_mode=True)
    assert Inner()(X).max() == 0


def test_an_array_is_passed_down_and_traced():
    layer = lamina.jit(Outer(Inner()))
    assert layer(X, foo_mode=jnp.array(True)).max() == 1
    assert layer(X, foo_mode=jnp.array(False)).max() == 0


def test_plans_and_builds_take_the_argument():
    layer = Outer(Inner())
    layer.build((None, 3, 4), foo_mode=True)
    inner = layer.plan((None, 3, 4), foo_mode=True).calls[1]
    assert (inner.path, inner.inputs.kwargs) == ("inner", {"foo_mode": True})
    assert layer(X, foo_mode=True).max() == 1


def test_registration_comes_first_and_has_no_reserved_name():
    layer = Inner()
    assert layer._call_context_args == ("training", "foo_mode")
    layer._register_call_context_args("training", "other")
    assert layer._call_context_args == ("training", "foo_mode", "other")
    with pytest.raises(InputError, match="reserved name 'rng'"):
        layer._register_call_context_args("rng")
    layer(X)
    with pytest.raises(StateError, match="after the layer was called"):
        layer._register_call_context_args("late")
    assert issubclass(StateError, RuntimeError)


def test_an_unregistered_argument_is_an_error():
    with pytest.raises(InputError, match="foo_mode"):
        Sequential([Inner()])(X, foo_mode=True)
