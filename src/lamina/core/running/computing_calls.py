"""The interpreters of calls that compute: live, observed, and on explicit values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.core.running.interpreter import Effects, Interpreter, Runner, Step
from lamina.core.tree.build_state import unbuilt
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import SURROUNDING, Reader, reading
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, walk
from lamina.errors import InputError, TraceError, explain

__all__ = ["GivenCall", "LiveCall", "WatchedCall"]


class _ComputingCall(Interpreter):
    """A call that computes; its children are calls on explicit values."""

    def child(
        self, values: Mapping[int, Any], indices: Mapping[str, Any] | None = None
    ) -> Interpreter:
        return GivenCall(self.root, values, tree=self._tree, parent=self, indices=indices)

    def run_copies(self, layer: Tracked, runner: Runner, step: Step) -> Any:
        if unbuilt(walk(layer)):  # their weights must be there before the values are taken apart
            self.grow()
            self._tree = None
        prefix = self.path_of(layer)
        found = walk(layer).variables.values()
        own = [v for _, v in found if prefix in self.tree.copies_of(self.path_of(v))]
        children: list[Interpreter] = []

        def one(values: Any, index: Any, inputs: Any) -> tuple[Any, Effects]:
            given = {id(v): value for v, value in zip(own, values, strict=True)}
            child = self.child(given, {prefix: index})
            children.append(child)
            outputs = step(child, inputs)
            return outputs, child.effects()

        outputs, effects = runner.run(one, [self.peek(variable) for variable in own])
        shared = children[-1].writers.keys() - {id(variable) for variable in own}
        if shared:
            raise TraceError(_assigned_by_all(children[-1].writers[shared.pop()]))
        losses = [loss.sum() for loss in effects.losses]
        self.absorb(children[-1], effects._replace(losses=losses))
        return outputs


class LiveCall(_ComputingCall):
    """A call on the stored values of the variables.

    Args:
        root: the layer that was called.
        grow: builds the layers that were added to the tree since it was built.
    """

    def __init__(self, root: Tracked, grow: Callable[[], None]) -> None:
        super().__init__(root)
        self.stored = Reader()
        self._grow = grow

    def around(self, function: Callable[[], Any]) -> Any:
        with reading(self.stored):
            outputs = function()
        return outputs  # noqa: RET504 - not from within, which an interrupt could pass by

    def _unwritten(self, variable: Variable) -> Any:
        if not variable.built:
            self.grow()
        if SURROUNDING.get() is not None:
            return variable.surrounded()
        return self.stored.read(variable)

    def grow(self) -> None:
        self._grow()


class WatchedCall(LiveCall):
    """A live call that reports the call of each layer when it ends.

    Args:
        root: the layer that was called.
        grow: builds the layers that were added to the tree since it was built.
        watch: called with the layer's path, class name, inputs ``(args, kwargs)`` and outputs.
    """

    def __init__(
        self,
        root: Tracked,
        grow: Callable[[], None],
        watch: Callable[[str, str, Any, Any], None],
    ) -> None:
        super().__init__(root, grow)
        self._watch = watch

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        outputs = super().run(layer, method, args, kwargs, options)
        self._watch(self.path_of(layer), type(layer).__name__, (args, kwargs), outputs)
        return outputs


class GivenCall(_ComputingCall):
    """A call on explicit values: by `apply`, in compiled programs and in training.

    Args:
        root: the layer that was called.
        values: the values of the variables, by identity.
        tree: the layers and variables of the root; None (default) to walk over them when needed.
        parent: the call from which other variables are read; None (default) for no such call.
        grow: builds the layers that were added to the tree; None (default) for that of the parent.
        indices: the indices of the running copies, by the path of the layer that stands for them;
            None (default) for those of the parent.
        watch: called after each layer's call, as in :class:`WatchedCall`; None (default) for no
            function.
    """

    def __init__(
        self,
        root: Tracked,
        values: Mapping[int, Any],
        *,
        tree: Tree | None = None,
        parent: Interpreter | None = None,
        grow: Callable[[], None] | None = None,
        indices: Mapping[str, Any] | None = None,
        watch: Callable[[str, str, Any, Any], None] | None = None,
    ) -> None:
        super().__init__(root, tree=tree, parent=parent)
        self._watch = watch
        self._values = values
        self._indices = indices or {}
        self._grow = grow

    def _unwritten(self, variable: Variable) -> Any:
        if id(variable) in self._values:
            return self._values[id(variable)]
        if self.parent is not None:
            return self.parent.peek(variable)
        if id(variable) in walk(self.root).variables:
            raise InputError(
                explain(
                    f"The values passed to {type(self.root).__name__} do not contain "
                    f"{self.path_of(variable)}, which was built after values() was called.",
                    where=f"declared at {variable.declared_at}",
                    expected="a value for each path of values()",
                    received="values without this path",
                    remedy="Call values() again.",
                )
            )
        return variable.stored()  # of a frozen model outside of the tree

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        # In the same trace, layers run as in the outer call.
        if self.parent is not None and self.parent.state == self.state:
            return self.parent.run(layer, method, args, kwargs, options)
        outputs = super().run(layer, method, args, kwargs, options)
        if self._watch is not None:
            self._watch(self.path_of(layer), type(layer).__name__, (args, kwargs), outputs)
        return outputs

    def index_of(self, path: str) -> Any:
        return self._indices[path] if path in self._indices else super().index_of(path)

    def trains(self, layer: Tracked) -> bool:
        return super().trains(layer) if self.parent is None else self.parent.trains(layer)

    def grow(self) -> None:
        if self._grow is not None:
            self._grow()
        elif self.parent is not None:
            self.parent.grow()


def _assigned_by_all(variable: Variable) -> str:
    return explain(
        f"{variable.path or variable.describe()} is shared by the copies of a layer, and assigned "
        "by each of them.",
        where=f"declared at {variable.declared_at}",
        expected="copies that only assign variables within the copied layer",
        received="a layer with state that was made outside of the copied layer",
        remedy="Create that layer in the copied layer, or keep the copies in a list.",
    )
