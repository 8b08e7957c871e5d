"""Arguments of constructors: the names that a class takes, and errors for others."""

import copy
import dataclasses
import inspect
import pickle
from typing import Unpack

import jax.numpy as jnp
import pytest

from lamina import Layer, Model, Sequential, layers
from lamina.core.calling.constructor import argument_names
from lamina.errors import InputError
from lamina.options import LayerOptions


class Strict(Layer):
    def __init__(self, units, *, width=3):
        super().__init__()


class PassesOn(Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)


class Wider(layers.Dense):
    def __init__(self, *args, width=3, **kwargs):
        super().__init__(*args, **kwargs)


class GateOptions(LayerOptions, total=False):
    gate_initializer: str


class Gate(Layer):
    def __init__(self, **options: Unpack[GateOptions]):
        self.initializer = options.pop("gate_initializer", "zeros")
        super().__init__(**options)


class Pops(Layer):
    def __init__(self, **kwargs):
        self.width = kwargs.pop("width", None)
        super().__init__(**kwargs)


class Misspells(Layer):
    def __init__(self, **options):
        super().__init__(nmae="inner", **options)


@dataclasses.dataclass
class Data(Layer):
    units: int = 3


@pytest.mark.parametrize(
    ("kind", "arguments", "wrong", "nearest"),
    [
        (layers.Dense, {"units": 3, "unts": 4}, "unts", "units"),
        (layers.Dense, {"unts": 3}, "unts", "units"),
        (layers.Dense, {"units": 3, "activaton": "relu"}, "activaton", "activation"),
        (layers.Dense, {"units": 3, "trainabel": False}, "trainabel", "trainable"),
        (layers.LSTM, {"units": 3, "return_sequence": True}, "return_sequence", "return_sequences"),
        (layers.Add, {"nmae": "sum"}, "nmae", "name"),
        (Sequential, {"layer": []}, "layer", "layers"),
        (Model, {"nmae": "model"}, "nmae", "name"),
        (Strict, {"units": 3, "widht": 4}, "widht", "width"),
        (PassesOn, {"units": 3, "dtpye": "float16"}, "dtpye", "dtype"),
        (Wider, {"units": 3, "widht": 4}, "widht", "width"),
        (Wider, {"units": 3, "use_bais": False}, "use_bais", "use_bias"),
        (Gate, {"gate_initialiser": "ones"}, "gate_initialiser", "gate_initializer"),
        (Data, {"unts": 4}, "unts", "units"),
        (Layer, {"nmae": "layer"}, "nmae", "name"),
    ],
)
def test_a_misspelt_name_is_named_with_the_nearest(kind, arguments, wrong, nearest):
    line = inspect.currentframe().f_lineno + 2
    with pytest.raises(InputError) as caught:
        kind(**arguments)
    message = str(caught.value)
    assert message.startswith(f"{kind.__name__} has no argument '{wrong}'.")
    assert f"made at {__file__}:{line}" in message
    assert f"Did you mean '{nearest}'?" in message


@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_it_is_caught_as_errors_of_python_and_of_keras_are(kind):
    with pytest.raises(kind, match="unts"):
        layers.Dense(3, unts=4)


def test_all_unknown_names_are_listed():
    with pytest.raises(InputError, match="received: one, two"):
        layers.Dense(3, one=1, two=2)


def test_a_name_that_the_class_passes_on_itself_is_found_in_the_class():
    line = inspect.getsourcelines(Misspells.__init__)[1] + 1
    with pytest.raises(InputError) as caught:
        Misspells()
    assert f"{__file__}:{line}" in str(caught.value)
    assert "Did you mean 'name'?" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: layers.Dense(3, None, True, "ones", "ones", "l2"), "too many positional"),
        (lambda: Strict(3, 4), "too many positional"),
        (lambda: Layer("name"), "too many positional"),
        (lambda: layers.Dense(3, units=3), "multiple values for argument 'units'"),
        (lambda: layers.Dense(activation="relu"), "missing a required argument: 'units'"),
    ],
)
def test_arguments_that_do_not_fit_the_signature(make, problem):
    with pytest.raises(InputError, match=problem) as caught:
        make()
    assert __file__ in str(caught.value)


def test_without_arguments_python_names_the_missing_one():
    with pytest.raises(TypeError, match="'units'"):
        layers.Dense()


def test_options_that_a_class_takes_out_pass():
    assert Pops(width=3, name="pops").width == 3
    assert Gate(gate_initializer="ones").initializer == "ones"


def test_copies_and_pickles_need_no_arguments():
    layer = layers.Dense(3)
    layer(jnp.ones((2, 4)))
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.units == 3


@pytest.mark.parametrize("name", layers.__all__)
def test_every_layer_takes_a_name_and_a_dtype(name):
    kind = getattr(layers, name)
    if inspect.isclass(kind):
        assert {"name", "trainable", "dtype"} <= {*argument_names(kind)}
