"""`clone_model`: the same model with new weights."""

from __future__ import annotations

from typing import TypeVar

from lamina.core.tree.trainable import copy_flags
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.saving import made_anew

__all__ = ["clone_model"]

_L = TypeVar("_L", bound=Layer)


def clone_model(model: _L) -> _L:
    """Make a model of the same class and arguments, with new layers and weights.

    Args:
        model: the model, or any layer. If it is built, the clone is built for the same inputs.

    Returns:
        The clone, with new initial values. Each layer and weight is trainable if the original is.

    Raises:
        InputError: the class takes symbolic values, so that the clone would share layers.

    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> clone_model(model).layers[0] is model.layers[0]
    False
    """
    kind = type(model)
    clone: _L = made_anew(model)
    shared = walk(model).layers.keys() & walk(clone).layers.keys()
    if shared:
        raise InputError(
            explain(
                f"The clone of {kind.__name__} would share layers with it.",
                where=f"made at {model._lamina.made_at}",
                expected="a constructor that makes the layers, or takes them as arguments",
                received="a constructor that takes symbolic values of the layers' graph",
                remedy="Use copy.deepcopy(model), or let __init__ call the layers.",
            )
        )
    built = model._lamina.built
    if built is not None and clone._lamina.built is None:
        clone.build(*built.inputs.args, method=built.method, **built.inputs.kwargs)
    copy_flags(walk(model), walk(clone))
    return clone
