"""The entries of a `Sequential`: its input, and the layers that it accepts."""

from __future__ import annotations

from typing import Any

from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.input_layer import InputLayer
from lamina.models.model import Model
from lamina.models.model_state import state_of
from lamina.models.symbol import Symbol

__all__ = ["checked", "start_of"]


def start_of(model: Model, first: Any) -> Spec | None:
    """The spec of the input of a `Sequential`, as far as its first entry gives it."""
    if isinstance(first, InputLayer):
        first = first.symbol
    if isinstance(first, Symbol):
        state_of(model).first = first
        return first.spec
    if isinstance(first, Spec):
        return first
    if isinstance(first, Model):
        known = first._known_input()
        return known if isinstance(known, Spec) else None
    return first._lamina.input_spec if isinstance(first, Layer) else None


def checked(model: Model, layer: Any) -> Layer:
    """Return the next layer of a `Sequential`.

    Args:
        model: the `Sequential`.
        layer: the entry.

    Raises:
        InputError: it is no layer, or an input.
    """
    if not isinstance(layer, Layer) or isinstance(layer, InputLayer):
        is_input = isinstance(layer, Symbol | InputLayer)
        raise InputError(
            explain(
                "A Sequential holds layers only, after its Input.",
                where=f"made at {model._lamina.made_at}",
                expected="layers, such as layers.Dense(10)",
                received=repr(layer),
                remedy="Begin the Sequential with its only Input."
                if is_input
                else "Wrap a function in layers.Activation(function).",
            )
        )
    return layer
