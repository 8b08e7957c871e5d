"""The private state of a `Model`: what `compile` and `predict` keep, and its symbolic ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from lamina.core.sites import Site
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layer_state import LayerNode
from lamina.training.loop.trainer import Trainer

__all__ = ["ModelNode", "SymbolicEnds", "state_of", "trainer_of"]


class SymbolicEnds(NamedTuple):
    """The symbolic inputs and outputs of a model, and the layers between them, in call order."""

    inputs: Any
    outputs: Any
    layers: Sequence[Tracked]

    def belong_to(self, layers: Sequence[Tracked]) -> bool:
        """Whether they go through these layers: the same objects in the same order."""
        return list(map(id, self.layers)) == list(map(id, layers))


class ModelNode(LayerNode):
    """The node of a `Model`. Copies and files leave its attributes out.

    Attributes:
        trainer: what `compile` makes; None before.
        predictor: the compiled call, made by the first `predict`.
        ends: the symbolic inputs and outputs, as far as they are known.
    """

    __slots__ = ("ends", "predictor", "trainer")

    def __init__(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], made_at: Site, made_in: int
    ) -> None:
        super().__init__(arguments, keywords, made_at, made_in)
        self.trainer: Trainer | None = None
        self.predictor: Callable[[Any], Any] | None = None
        self.ends: SymbolicEnds | None = None

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"trainer": None, "predictor": None, "ends": None}


def state_of(model: Layer) -> ModelNode:
    """The private state of a model."""
    return cast(ModelNode, model._lamina)


def trainer_of(model: Layer) -> Trainer:
    """The trainer that `compile` made.

    Raises:
        InputError: the model is not compiled.
    """
    trainer = state_of(model).trainer
    if trainer is None:
        raise InputError(
            explain(
                f"{type(model).__name__} is not compiled.",
                where=f"made at {model._lamina.made_at}",
                expected="compile(optimizer, loss) before fit and evaluate",
                received="neither loss nor optimizer",
                remedy="Call model.compile('adam', 'mse') first, for example.",
            )
        )
    return trainer
