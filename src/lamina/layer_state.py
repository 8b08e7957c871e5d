"""The private state of a `Layer` that the core does not use: input spec and symbolic calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from lamina.core.base.sites import Site
from lamina.core.calling.build import build
from lamina.core.running.scope import current
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Node, Tracked
from lamina.errors import explain

__all__ = [
    "InputsAndOutputs",
    "LayerNode",
    "build_for_symbols",
    "built_for_symbols",
    "symbolic_input",
    "symbolic_output",
]

T = TypeVar("T")


class InputsAndOutputs(NamedTuple):
    """One symbolic call: inputs and outputs as they were passed and returned, and the input specs.

    The specs are None for layers of text, which have no weights.
    """

    inputs: Any
    outputs: Any
    specs: Arguments | None


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

    @property
    def is_built(self) -> bool:
        """Whether the layer has its weights, or draws them once they are read."""
        return self.built is not None or bool(self.symbolic_calls)

    def __getstate__(self) -> dict[str, Any]:
        own: dict[str, Any] = {"input_spec": self.input_spec, "symbolic_calls": []}
        return super().__getstate__() | own


def build_for_symbols(layer: Tracked) -> None:
    """Build a layer that was called on symbolic values only, for those of the first call.

    A model that contains the layer builds it otherwise, so this is for reading weights before.
    """
    node = cast(LayerNode, layer._lamina)
    if node.built is None and node.symbolic_calls and current() is None:
        specs = node.symbolic_calls[0].specs
        if specs is not None:
            build(layer, specs.args, specs.kwargs)


def built_for_symbols(read: Callable[[Tracked], T]) -> Callable[[Tracked], T]:
    """Return the function, with :func:`build_for_symbols` before it."""

    def read_built(layer: Tracked) -> T:
        build_for_symbols(layer)
        return read(layer)

    read_built.__doc__ = read.__doc__
    return read_built


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
