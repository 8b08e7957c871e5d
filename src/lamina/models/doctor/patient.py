"""What the checks of the doctor look at: a model, its plan, and what small passes computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import leaves_of
from lamina.core.base.sites import Site
from lamina.core.building.plan import Plan
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree
from lamina.layer import Layer
from lamina.layers.activation import ReLU, Softmax
from lamina.reports.diagnosis import Finding, Severity

__all__ = ["Passes", "Patient", "SeenCall", "activation_of", "arrays_of", "is_float"]


@dataclass(frozen=True)
class SeenCall:
    """One call of a layer in a pass.

    Attributes:
        path: the path of the layer.
        layer: the layer, of the copy of the model that was run.
        training: the mode of the call.
        inputs: the arrays of its inputs.
        outputs: the arrays of its outputs.
    """

    path: str
    layer: Any
    training: bool
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    @property
    def output(self) -> Any:
        """The only output, if it is an array of floats with values; None if not."""
        if len(self.outputs) != 1:
            return None
        (one,) = self.outputs
        return None if is_traced(one) or not is_float(one) or one.size == 0 else one


@dataclass(frozen=True)
class Passes:
    """What small passes of a copy of the model computed.

    Attributes:
        tree: the layers and weights of the copy.
        training: the calls of a pass in training, in the order in which they ended.
        inference: the calls of a pass outside of training.
        still: the trainable weights whose gradient is zero; None if that was not computed.
        program: the program of the pass in training, a ``ClosedJaxpr``; its first inputs are the
            weights of `tree`, its others the arrays of the model's inputs.
        given: whether the inputs are the user's, not random numbers.
        warnings: the texts of warnings.
    """

    tree: Tree
    training: list[SeenCall]
    inference: list[SeenCall]
    still: list[tuple[str, Variable]] | None
    program: Any
    given: bool
    warnings: list[str] = field(default_factory=list[str])

    @cached_property
    def producers(self) -> dict[int, SeenCall]:
        """The innermost call in training that made an array, by the array's identity."""
        found: dict[int, SeenCall] = {}
        for call in self.training:
            taken = set(map(id, call.inputs))
            for array in call.outputs:
                if id(array) not in taken:
                    found.setdefault(id(array), call)
        return found

    @cached_property
    def consumers(self) -> dict[int, list[SeenCall]]:
        """The calls in training that take an array as it is, those without layers inside."""
        found: dict[int, list[SeenCall]] = {}
        outer = {""}
        for path in {call.path for call in self.training}:
            parts = path.split(".")
            outer.update(".".join(parts[:end]) for end in range(1, len(parts)))
        for call in self.training:
            if call.path not in outer or len(self.training) == 1:
                for array in call.inputs:
                    found.setdefault(id(array), []).append(call)
        return found

    def links(self) -> Iterator[tuple[SeenCall, SeenCall]]:
        """Pairs of calls of which the second takes the output of the first as it is."""
        for key, calls in self.consumers.items():
            maker = self.producers.get(key)
            if maker is not None:
                yield from ((maker, call) for call in calls if call is not maker)

    def only_into(self, maker: SeenCall, kinds: type | tuple[type, ...]) -> bool:
        """Return whether layers of some classes alone take the outputs of a call."""
        calls = [call for array in maker.outputs for call in self.consumers.get(id(array), ())]
        return bool(calls) and all(isinstance(call.layer, kinds) for call in calls)

    def of_root(self) -> list[tuple[Any, SeenCall | None]]:
        """The arrays of the model's outputs in training, with the calls that made them."""
        return [(array, self.producers.get(id(array))) for array in self.training[-1].outputs]


@dataclass
class Patient:
    """A model that is examined.

    Attributes:
        model: the model.
        tree: its layers and weights as they are.
        plan: its plan.
        passes: what small passes computed; None without them.
        notes: what was not checked.
    """

    model: Layer
    tree: Tree
    plan: Plan
    passes: Passes | None = None
    notes: list[str] = field(default_factory=list[str])

    @cached_property
    def layers(self) -> dict[str, Tracked]:
        """The layers by path."""
        return dict(self.tree.layers.values())

    @property
    def has_own_loss(self) -> bool:
        """Whether the model defines `train_loss`, which may call it in other ways."""
        return hasattr(self.model, "train_loss")

    def finding(
        self, code: str, severity: Severity, path: str, message: str, remedy: str
    ) -> Finding:
        """Make a finding about a layer, at the line that made it."""
        layer = self.layers.get(path)
        where: Site | str = "" if layer is None else layer._lamina.made_at
        return Finding(code, severity, path, message, str(where), remedy)

    def name(self, path: str) -> str:
        """Describe a layer: its class and path."""
        layer = self.layers.get(path)
        kind = "layer" if layer is None else type(layer).__name__
        return f"{kind} ({path})" if path else kind


def is_float(array: Any) -> bool:
    """Return whether an array holds floating-point numbers."""
    return hasattr(array, "dtype") and bool(jnp.issubdtype(array.dtype, jnp.floating))


def activation_of(layer: Any) -> str | None:
    """Return the name of the activation that a layer applies to its output; None without one."""
    if isinstance(layer, Softmax):
        return "softmax"
    if isinstance(layer, ReLU):
        return "relu" if not layer.negative_slope else None
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", None) if callable(function) else None
    return None if name == "linear" else cast("str | None", name)


def arrays_of(value: Any) -> tuple[Any, ...]:
    """Return the arrays of a pytree."""
    return tuple(leaf for leaf in leaves_of(value) if isinstance(leaf, jax.Array))
