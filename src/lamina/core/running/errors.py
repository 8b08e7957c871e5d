"""The errors of running layers: which layer, where it was made, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from lamina.core.base.sites import site
from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError, explain

__all__ = ["layer_name", "note", "stale", "weight_in_call"]

_NOTED = "_lamina_noted"


class _Paths(Protocol):
    def path_of(self, item: Any) -> str: ...


def layer_name(paths: _Paths, layer: Tracked) -> str:
    """The layer's path and class, as errors name it."""
    kind = type(layer).__name__
    path = paths.path_of(layer)
    return kind if not path or path == kind else f"{path} ({kind})"


def note(error: BaseException, text: str) -> None:
    """Add the layer to an error that is not Lamina's, once."""
    if isinstance(error, LaminaError) or getattr(error, _NOTED, False):
        return
    error.add_note(text)
    if isinstance(error, RecursionError):
        error.add_note(
            "layers that call one another are nested too deep for Python's stack: keep them in a "
            "list and call them in a loop, or raise sys.setrecursionlimit"
        )
    setattr(error, _NOTED, True)


def weight_in_call(label: str) -> str:
    return explain(
        f"{label} calls add_weight inside call.",
        where=f"called at {site()}",
        expected="weights declared in build or __init__",
        received="add_weight while call ran",
        remedy="Move it to build(self, input_shape), which runs once, when the shapes are known.",
    )


def stale(path: str, variables: Iterable[str]) -> str:
    listing = ", ".join(variables)
    return explain(
        f"{path} did not read all of its weights in this call ({listing}): a function kept "
        "between calls holds old weights.",
        where=f"called at {site()}",
        expected="every weight read anew in every call",
        received="a function (self.step = ..., or a module-level def) that JAX remembered "
        "from an earlier call, with the weights of then",
        remedy="Define the function given to scan, jit, checkpoint or cond inside call, or "
        "pass the weights to it as arguments.",
    )
