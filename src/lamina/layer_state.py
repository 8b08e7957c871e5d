"""The private state of a `Layer` that the core does not use: input spec and symbolic calls."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from lamina.core.base.sites import Site
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Node, Tracked
from lamina.errors import explain

__all__ = ["InputsAndOutputs", "LayerNode", "symbolic_input", "symbolic_output"]


class InputsAndOutputs(NamedTuple):
    """The symbolic inputs and outputs of one call, as they were passed and returned."""

    inputs: Any
    outputs: Any


class LayerNode(Node):
    """The node of a `Layer`.

    Attributes:
        added_losses: the number of the last call outside of traces in which the layer added losses,
            and these; missing before, and not copied or saved.
        generation: the programs of `lamina.generate`; missing before, and not copied or saved.
        input_spec: the input spec of the first layer of a `Sequential`, from its `input_shape`;
            None if it has none.
        symbolic_calls: the layer's calls on symbolic values. They are not copied or saved, because
            they belong to the graph of this layer.
    """

    __slots__ = ("added_losses", "generation", "input_spec", "symbolic_calls")

    def __init__(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], made_at: Site, made_in: int
    ) -> None:
        super().__init__(arguments, keywords, made_at, made_in)
        self.input_spec: Spec | None = None
        self.symbolic_calls: list[InputsAndOutputs] = []

    def __getstate__(self) -> dict[str, Any]:
        own: dict[str, Any] = {"input_spec": self.input_spec, "symbolic_calls": []}
        return super().__getstate__() | own


def symbolic_input(layer: Tracked) -> Any:
    """The symbolic inputs of the layer, if it was called once on symbolic values."""
    return _only_call(layer).inputs


def symbolic_output(layer: Tracked) -> Any:
    """The symbolic outputs of the layer, if it was called once on symbolic values."""
    return _only_call(layer).outputs


def _only_call(layer: Tracked) -> InputsAndOutputs:
    calls = cast(LayerNode, layer._lamina).symbolic_calls
    if len(calls) == 1:
        return calls[0]
    raise AttributeError(
        explain(
            f"{type(layer).__name__} has no unique input and output in a graph of layers.",
            where=f"made at {layer._lamina.made_at}",
            expected="one call on symbolic values",
            received=f"{len(calls)} calls",
            remedy="Keep the outputs of each call in a variable, and use these."
            if calls
            else "Call the layer on an Input. For a layer of a Sequential or of a model from a "
            "file, read model.inputs first.",
        )
    )
