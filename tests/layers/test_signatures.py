"""Every option that Keras has, by its name, in its order and with its default."""

import inspect

import keras
import numpy as np
import pytest

from lamina import Layer, layers
from lamina.core.calling.constructor import argument_names
from lamina.options import LayerOptions

LEFT_OUT = {"EinsumDense": {"gptq_unpacked_column_size"}}
"""What Keras's layers take and these do not: weights are not calibrated on data."""

OPTIONAL = {f"{name}{rank}D" for name in ("AveragePooling", "AvgPool") for rank in (1, 2, 3)}
"""Layers whose first argument has a default here, as its counterpart for maxima has in Keras."""

SHARED = sorted(
    name
    for name in layers.__all__
    if inspect.isclass(getattr(keras.layers, name, None)) and name != "Layer"
)


BY_NAME_ALONE = inspect.Parameter.KEYWORD_ONLY
DEFAULTS = {"trainable": True}
"""Of the options in a `TypedDict`, which has no defaults; that of all others is None."""


def parameters(kind):
    """The parameters of a constructor, and the options that it passes on."""
    inits = [owner.__init__ for owner in kind.__mro__ if "__init__" in vars(owner)]
    known = [inspect.signature(init).parameters for init in inits]
    found = {}
    for name in argument_names(kind):
        option = inspect.Parameter(name, BY_NAME_ALONE, default=DEFAULTS.get(name))
        found[name] = next((own[name] for own in known if name in own), option)
    return found


def same(ours, theirs):
    """Defaults that mean the same: one number for each axis, or one for all; names in any case."""
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.lower() == theirs.lower()
    if isinstance(theirs, tuple) and not isinstance(ours, tuple):
        return bool(np.all(np.array(theirs) == ours))
    return ours == theirs


@pytest.mark.parametrize("name", SHARED)
def test_it_takes_what_keras_takes(name):
    ours = parameters(getattr(layers, name))
    theirs = dict(inspect.signature(getattr(keras.layers, name)).parameters)
    theirs = {n: p for n, p in theirs.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    assert set(theirs) - set(ours) == LEFT_OUT.get(name, set())
    shared = {option: parameter for option, parameter in theirs.items() if option in ours}
    for option, parameter in shared.items():
        if not (name in OPTIONAL and option == "pool_size"):
            assert same(ours[option].default, parameter.default), option


@pytest.mark.parametrize("name", SHARED)
def test_positions_are_those_of_keras(name):
    kind = getattr(layers, name)
    own = inspect.signature(kind.__init__).parameters.values()
    ours = [p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    theirs = list(inspect.signature(getattr(keras.layers, name)).parameters)
    positions = [option for option in theirs if option in ours]
    assert ours[: len(positions)] == positions == theirs[: len(positions)]


def test_every_layer_is_a_layer():
    kinds = [getattr(layers, name) for name in layers.__all__]
    assert all(issubclass(kind, Layer) for kind in kinds if inspect.isclass(kind))


def test_the_defaults_of_the_options_of_every_layer():
    names = "name", "trainable", "dtype", "penalty", "autocast", "input_spec"
    given = Layer(
        name=None,
        trainable=True,
        dtype=None,
        activity_regularizer=None,
        autocast=True,
        input_shape=None,
        input_dim=None,
    )
    assert LayerOptions.__optional_keys__ == given._lamina.keywords.keys()
    assert all(getattr(given._lamina, n) == getattr(Layer()._lamina, n) for n in names)
