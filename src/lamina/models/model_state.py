"""The private state of a `Model`: what `compile` and `predict` keep, and its symbolic ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lamina.core.base.sites import Site
from lamina.core.calling.key_states import KeyState
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layer_state import LayerNode
from lamina.models.compiled import Compiled, compiled_with

if TYPE_CHECKING:
    from lamina.training.callbacks import History
    from lamina.training.loop.trainer import Trainer

__all__ = ["ModelNode", "SymbolicEnds", "record_as_data", "state_of"]


class SymbolicEnds(NamedTuple):
    """The symbolic inputs and outputs of a model, and the layers between them, in call order."""

    inputs: Any
    outputs: Any
    layers: Sequence[Tracked]

    def belong_to(self, layers: Sequence[Tracked]) -> bool:
        """Whether they go through these layers: the same objects in the same order."""
        return list(map(id, self.layers)) == list(map(id, layers))


class ModelNode(LayerNode):
    """The node of a `Model`.

    Attributes:
        trainer: what `compile` makes; None before.
        arguments_of_compile: the arguments of `compile` by name; None before.
        pending: how the original of a copy was compiled, until the copy is compiled so.
        predictor: the compiled call, made by the first `predict`.
        ends: the symbolic inputs and outputs, as far as they are known.
        first: the `Input` that a `Sequential` began with; None without one, and in copies.
        key_state: the variable of the random key of `stateless_call`; None without one.
        input_layers: the inputs of a graph as layers, made when they are first read.
        stages: the graph of the model, and its stages if it takes or gives text; None if unknown.
        history: the logs of the last `fit`; None before.
        warned: whether a call with inputs of another structure has warned.
    """

    __slots__ = (
        "arguments_of_compile",
        "ends",
        "first",
        "history",
        "input_layers",
        "key_state",
        "pending",
        "predictor",
        "stages",
        "trainer",
        "warned",
    )

    def __init__(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], made_at: Site, made_in: int
    ) -> None:
        super().__init__(arguments, keywords, made_at, made_in)
        self.trainer: Trainer | None = None
        self.arguments_of_compile: dict[str, Any] | None = None
        self.pending: Compiled | None = None
        self.predictor: Callable[[Any], Any] | None = None
        self.ends: SymbolicEnds | None = None
        self.first: Any = None
        self.input_layers: list[Any] | None = None
        self.key_state: KeyState | None = None
        self.stages: tuple[Any, Any] | None = None
        self.history: History | None = None
        self.warned = False

    def __getstate__(self) -> dict[str, Any]:
        names = (
            "trainer",
            "predictor",
            "ends",
            "first",
            "input_layers",
            "arguments_of_compile",
            "history",
            "stages",
        )
        own = {"pending": self.compiled(), "warned": False}
        return super().__getstate__() | dict.fromkeys(names) | own

    def is_compiled(self) -> bool:
        """Return whether the model, or the one that it is a copy of, was compiled."""
        return self.trainer is not None or self.pending is not None

    def trainer_checked(self) -> Trainer:
        """Return what `compile` made.

        Raises:
            InputError: the model is not compiled.
        """
        if self.trainer is None:
            raise InputError(
                explain(
                    "A model that is not compiled has no loss and no metrics.",
                    where=f"made at {self.made_at}",
                    expected="compile(optimizer, loss) first",
                    received="a model that is not compiled",
                    remedy="Call model.compile('adam', 'mse') first, for example.",
                )
            )
        return self.trainer

    def compiled(self) -> Compiled | None:
        """Return how the model is compiled; None if it is not."""
        return self.pending or compiled_with(self.arguments_of_compile, self.trainer)


def state_of(model: Layer) -> ModelNode:
    """The private state of a model."""
    return cast(ModelNode, model._lamina)


def record_as_data(model: Layer, data: Mapping[str, tuple[Any, Any]]) -> None:
    """Replace symbolic arguments of the constructor, in what files and configs record, by data.

    A constructor that has the arguments of `Model`, and passes them on, can then make the model
    again. Others keep the arguments that they were called with.

    Args:
        model: the model, in its constructor.
        data: for the name of an argument, the symbolic value and the data in its place.
    """
    node = model._lamina
    parameters = list(inspect.signature(type(model).__init__).parameters.values())[1:]
    kinds = {parameter.kind for parameter in parameters}
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if kinds >= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        names += [name for name in data if name not in names]  # passed on in **kwargs
    named = dict(zip(names, node.arguments, strict=False)) | node.keywords
    found = {name: new for name, (old, new) in data.items() if named.get(name) is old}
    if found and len(node.arguments) <= len(names):
        node.arguments, node.keywords = (), named | found
