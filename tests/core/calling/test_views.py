"""Reading a tree: lists of weights, and shapes of outputs."""

from dataclasses import dataclass

import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from lamina.errors import BuildError, InputError


def test_weights_as_a_list_are_copies_in_the_order_of_variables():
    layer = layers.BatchNormalization()
    assert layer.get_weights() == []
    layer.build((None, 3))
    given = layer.get_weights()
    assert [array.shape for array in given] == [variable.shape for variable in layer.variables]
    given[0][:] = 7
    assert float(layer.gamma.value[0]) == 1
    layer.set_weights(given)
    assert layer.gamma.value.tolist() == [7, 7, 7]


@pytest.mark.parametrize("built", [True, False])
def test_another_number_of_weights_is_told_and_nothing_set(built):
    layer = layers.Dense(2)
    if built:
        layer.build((None, 3))
    before = layer.get_weights()
    with pytest.raises(InputError, match="The number of weights passed to"):
        layer.set_weights([np.zeros((3, 2))])
    assert [array.tolist() for array in layer.get_weights()] == [a.tolist() for a in before]
    if built:
        with pytest.raises(InputError):
            layer.set_weights([np.zeros((3, 2)), np.zeros(5)])
        assert layer.get_weights()[0].tolist() == before[0].tolist()


@pytest.mark.parametrize(
    ("layer", "given", "expected"),
    [
        (layers.Dense(3), ((None, 4),), (None, 3)),
        (layers.LSTM(3, return_state=True), ((2, 5, 4),), ((2, 3), (2, 3), (2, 3))),
        (layers.Concatenate(), ([(None, 3), (None, 4)],), (None, 7)),
        (layers.Embedding(9, 4), (lamina.Spec((None, None), "int32"),), (None, None, 4)),
    ],
    ids=["one", "several", "of a list", "open"],
)
def test_the_shape_of_outputs_is_told_without_a_build(layer, given, expected):
    assert layer.compute_output_shape(*given) == expected
    assert not layer.built


def test_a_build_that_depends_on_no_input_needs_no_shape():
    layer = layers.Embedding(9, 4)
    assert [one.path for one in layer.plan().variables] == ["embeddings"]
    layer.build()
    assert layer.built and layer(np.array([[1, 2]])).shape == (1, 2, 4)
    tied = layers.ReversibleEmbedding(9, 4, tie_weights=False)
    tied.build()
    assert [array.shape for array in tied.get_weights()] == [(9, 4), (4, 9)]
    with pytest.raises((InputError, BuildError), match="inputs"):
        layers.Dense(3).build()


@dataclass(eq=False)
class Field(Layer):
    """A layer that says by a field whether it trains."""

    units: int
    trainable: bool = True

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units))

    def call(self, x):
        return x @ self.kernel


class Still(Field):
    """A class whose layers do not train unless told to."""

    trainable = False

    def __init__(self, units):
        Layer.__init__(self)
        self.units = units


def test_a_class_may_say_whether_its_layers_train():
    frozen, still = Field(3, trainable=False), Still(3)
    for layer in (frozen, still, Field(3), Still(2)):
        layer.build((None, 2))
    for layer in (frozen, still):
        assert not layer.trainable and not layer.trainable_variables
        layer.trainable = True
        assert layer.trainable and len(layer.trainable_variables) == 1
    assert Field(3).trainable and not Still(3).trainable
