"""Messages of errors while layers run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from lamina.core.base.sites import site
from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError, explain

__all__ = ["add_layer_note", "layer_name", "stale", "weight_in_call"]

_NOTED = "_lamina_noted"


class _Paths(Protocol):
    def path_of(self, item: Any) -> str: ...


def layer_name(paths: _Paths, layer: Tracked) -> str:
    """Return the path and class of a layer, as its name in errors."""
    kind = type(layer).__name__
    path = paths.path_of(layer)
    return kind if not path or path == kind else f"{path} ({kind})"


def add_layer_note(error: BaseException, text: str) -> None:
    """Add a note with the layer to an exception that is not Lamina's, once."""
    if isinstance(error, LaminaError) or getattr(error, _NOTED, False):
        return
    error.add_note(text)
    if isinstance(error, RecursionError):
        error.add_note(
            "the calls of layers are nested too deeply for Python's stack: keep the layers in a "
            "list and call them in a loop, or increase sys.setrecursionlimit"
        )
    setattr(error, _NOTED, True)


def weight_in_call(label: str) -> str:
    """Compose the message about a layer that declares a weight in `call`."""
    return explain(
        f"{label} calls add_weight inside call.",
        where=f"called at {site()}",
        expected="weights declared in build or __init__",
        received="add_weight while call runs",
        remedy="Move it to build(self, input_shape), which runs once, when the shapes are known.",
    )


def stale(path: str, variables: Iterable[str]) -> str:
    """Compose the message about variables that a call did not read although its plan did."""
    listing = ", ".join(variables)
    return explain(
        f"{path} did not read all of its weights in this call ({listing}): a function kept "
        "between calls holds old weights.",
        where=f"called at {site()}",
        expected="all weights to be read in each call",
        received="a function (self.step = ..., or a module-level def) whose trace JAX has cached "
        "from an earlier call, with the weights of that call",
        remedy="Define the function for scan, jit, checkpoint or cond inside call, or pass the "
        "weights to it as arguments.",
    )
