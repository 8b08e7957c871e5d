"""Where a model begins and ends, as a graph of layers."""

from __future__ import annotations

from typing import Any

from lamina.core.reading import View
from lamina.core.trees import leaves_of

__all__ = ["ENDS", "Ended"]

ENDS = ("input", "inputs", "output", "outputs")
"""What a layer in a graph may be called all the same."""


class Ended:
    """A model with symbolic inputs and outputs: what is called on them goes on with its graph."""

    def _ends(self) -> tuple[Any, Any]:
        """The symbolic inputs and outputs."""
        raise NotImplementedError

    input = View(lambda model: model._ends()[0])
    """The symbolic inputs, as they were given."""
    output = View(lambda model: model._ends()[1])
    """The symbolic outputs, as they were given."""
    inputs = View(lambda model: leaves_of(model._ends()[0]))
    outputs = View(lambda model: leaves_of(model._ends()[1]))
