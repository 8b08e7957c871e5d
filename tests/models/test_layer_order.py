"""The order of layers and of the arrays of `get_weights`: that of Keras."""

import keras
import numpy as np
import pytest

import lamina
from lamina import layers

OURS, THEIRS = (lamina, layers), (keras, keras.layers)
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def branches(kit, parts):
    x = kit.Input((4,))
    left, right = parts.Dense(4, name="left")(x), parts.Dense(4, name="right")(x)
    return x, parts.Subtract(name="out")([right, left])


def lengths(kit, parts):
    x = kit.Input((4,))
    short = parts.Dense(4, name="short")(x)
    long = parts.Dense(4, "tanh", name="first")(x)
    long = parts.Dense(4, name="third")(parts.Dense(4, name="second")(long))
    return x, parts.Concatenate(name="out")([short, long])


def shared(kit, parts):
    x = kit.Input((4,))
    twice = parts.Dense(4, name="twice")
    other = parts.Dense(4, name="other")(x)
    return x, parts.Concatenate(name="out")([other, twice(parts.Dense(4, name="last")(twice(x)))])


def outputs(kit, parts):
    x = kit.Input((4,))
    hidden = parts.Dense(4, name="hidden")(x)
    ends = [parts.Dense(4, name=name)(hidden) for name in ("b", "a")]
    return x, [parts.Dense(4, name="deep")(ends[0]), ends[1]]


def inputs(kit, parts):
    x, late = kit.Input((4,), name="x"), kit.Input((4,), name="late")
    unused = kit.Input((4,), name="unused")
    hidden = parts.Dense(4, name="hidden")(parts.Dense(4, name="first")(x))
    summed = parts.Add(name="sum")([parts.Dense(4, name="side")(late), hidden])
    return [late, unused, x], parts.Dense(4, name="out")(summed)


def named(kit, parts):
    x = kit.Input((4,))
    steps = parts.Reshape((2, 2), name="steps")(x)
    value, query = parts.Dense(4, name="value")(steps), parts.Dense(4, name="query")(steps)
    heads = parts.MultiHeadAttention(1, 2, name="heads")
    return x, parts.Flatten(name="out")(heads(value=value, query=query))


GRAPHS = [branches, lengths, shared, outputs, inputs, named]


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_graphs_list_their_layers_and_weights_as_keras_does(make) -> None:
    ours, theirs = (kit.Model(*make(kit, parts)) for kit, parts in (OURS, THEIRS))
    names = [layer.name for layer in theirs.layers]
    start = 0 if make is inputs else 1  # an Input without a name has another one in Keras
    assert [layer.name for layer in ours.layers][start:] == names[start:]
    ours.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    given = [X * n for n in range(len(ours.inputs))] if isinstance(ours.inputs, list) else X
    found, expected = ours.predict(given, verbose=0), theirs.predict(given, verbose=0)
    np.testing.assert_allclose(np.stack(found), np.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_copies_of_a_graph_keep_the_order(make) -> None:
    model = lamina.Model(*make(*OURS))
    names = [layer.name for layer in model.layers]
    again = lamina.Model.from_config(model.get_config())
    assert [layer.name for layer in again.layers] == names
    assert [layer.name for layer in lamina.models.clone_model(model).layers] == names


def own_layer(kit):
    class Own(kit.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = kit.layers.Dense(4)
            self.rest = [kit.layers.Dense(4), kit.layers.BatchNormalization()]

        def build(self, input_shape) -> None:
            self.count = self.add_weight(shape=(4,), trainable=False, name="count")
            self.scale = self.add_weight(shape=(4,), name="scale")
            for layer in (self.inner, *self.rest):
                layer.build(input_shape)

        def call(self, inputs):
            hidden = self.inner(inputs) * self.scale + self.count
            return self.rest[1](self.rest[0](hidden))

    return Own()


def test_weights_of_a_layer_are_in_the_order_of_keras() -> None:
    """Its trainable weights, its other ones, and those of its layers."""
    ours, theirs = own_layer(lamina), own_layer(keras)
    for layer in (ours, theirs):
        layer.build((None, 4))
    random = np.random.default_rng(0)
    ours.set_weights([random.uniform(1, 2, weight.shape) for weight in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours.scale.numpy(), np.asarray(theirs.scale))
    np.testing.assert_allclose(ours(X), theirs(X), rtol=1e-4)
    for kind in ("trainable_weights", "non_trainable_weights"):
        pairs = zip(getattr(ours, kind), getattr(theirs, kind), strict=True)
        assert all((one.numpy() == np.asarray(other)).all() for one, other in pairs)
    ours.trainable = theirs.trainable = False
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
