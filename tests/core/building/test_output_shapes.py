"""A layer's own `compute_output_shape` gives the sizes of its outputs for unknown dims."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, layers
from lamina.errors import InputError

STEPS = (None, None, 4)


class Last(Layer):
    def call(self, inputs):
        return inputs[:, -16:]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 16, input_shape[2])


class Bias(Layer):
    def build(self, input_shape):
        self.bias = self.add_weight(input_shape[1:], "ones")

    def call(self, inputs):
        return inputs + self.bias


def in_graph(*made):
    inputs = outputs = Input((None, 4))
    for layer in made:
        outputs = layer(outputs)
    return Model(inputs, outputs)


WAYS = {
    "graph": in_graph,
    "Sequential": lambda *made: Sequential([Input((None, 4)), *made]),
    "nested": lambda *made: Sequential([Input((None, 4)), in_graph(*made)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_weights_are_built_for_the_given_size(way):
    model = WAYS[way](Last(), layers.Flatten(), layers.Dense(2))
    assert [v.shape for v in model.variables] == [(64, 2), (2,)]
    assert model(np.ones((3, 20, 4), "float32")).shape == (3, 2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [1, 3])  # one step would broadcast
def test_inputs_of_another_size_are_refused(way, steps):
    model, x = WAYS[way](Last(), Bias()), np.ones((2, steps, 4), "float32")
    model(np.ones((2, 20, 4), "float32"))
    calls = (
        lambda: model(x),
        lambda: lamina.jit(model)(x),
        lambda: model.apply(model.values(), x),
        lambda: model.predict(x, verbose=0),
    )
    for call in calls:
        with pytest.raises(InputError, match=f"was built for size 16 on axis -2.*got {steps}"):
            call()


class Several(Layer):
    def call(self, inputs):
        return {"a": inputs[:, :16], "b": (inputs[:, :1], inputs.sum(1))}

    def compute_output_shape(self, input_shape):
        batch, _, features = input_shape
        return {"a": (batch, 16, features), "b": (input_shape, [batch, features])}


def test_several_outputs():
    outputs = Several()(Input((None, 4)))
    assert outputs["a"].shape == (None, 16, 4)
    assert [one.shape for one in outputs["b"]] == [(None, None, 4), (None, 4)]


class Pair(Layer):
    def call(self, query, value):
        return query[:, :8] * value.sum()

    def compute_output_shape(self, query_shape, value_shape):
        return (query_shape[0], 8, query_shape[2])


def test_several_inputs():
    query, value = Input((None, 4)), Input((None, 3))
    assert Pair()(query, value).shape == Pair()(value=value, query=query).shape == (None, 8, 4)


class Unknown(Layer):
    def call(self, inputs):
        return inputs[:, :1]

    def compute_output_shape(self, input_shape):
        return (None, None, input_shape[-1])


def test_a_size_may_be_left_unknown():
    assert Unknown()(Input((None, 4))).shape == STEPS


class Wider(Layer):
    def __init__(self):
        self.dense = layers.Dense(5)

    def call(self, inputs):
        return self.dense(inputs)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(input_shape)


class Failing(Wider):
    def compute_output_shape(self, input_shape):
        raise NotImplementedError


class OtherRank(Wider):
    def compute_output_shape(self, input_shape):
        return (5,)


@pytest.mark.parametrize("kind", [Wider, Failing, OtherRank])
def test_the_trace_gives_the_shape_where_the_method_does_not(kind):
    assert kind()(Input((None, 4))).shape == (None, None, 5)
    model = Sequential([Input((None, 4)), kind(), layers.Dense(2)])
    assert model(jnp.ones((2, 3, 4))).shape == (2, 3, 2)
