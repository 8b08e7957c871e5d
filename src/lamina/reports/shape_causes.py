"""The causes of a weight's shape: `build` is run again with one size doubled at a time.

A size of the weight that changes with an axis of an input, or with an integer attribute of the
layer, follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import evaluate_abstractly
from lamina.core.base.pytrees import unflatten
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key
from lamina.core.running.scope import Scope, run_in
from lamina.core.specs.build_arguments import build_arguments
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Spec, shapes_of
from lamina.core.tree.build_state import own_build
from lamina.core.tree.memento import Memento
from lamina.core.tree.node import Built, Tracked, attributes
from lamina.core.tree.variable import Variable
from lamina.hidden_output import hidden_output

__all__ = ["COPIES", "FIXED", "FOLLOWS", "UNKNOWN", "reasons"]

Shapes = list[tuple[int, ...]]
FIXED, FOLLOWS, UNKNOWN = "fixed", "follows", "not known"
COPIES = "copies"


@dataclass(frozen=True)
class _Cause:
    """A size that can be doubled: its name, its value, and what to double."""

    name: str
    size: int
    inputs: dict[str, Any]
    attribute: tuple[str, Any] | None = None


class _Probe(Interpreter):
    """Records the shapes that a `build` declares, without any other effect."""

    def __init__(self, layer: Tracked) -> None:
        super().__init__(layer)
        self._asked: Shapes = []

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        variable = make()
        if layer is self.root:
            self._asked.append(variable.shape)
        return variable

    def _unwritten(self, variable: Variable) -> Any:
        return jnp.zeros(variable.copy_shape, variable.weight_dtype)

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        return None

    def build(
        self,
        layer: Tracked,
        written: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        transaction: Callable[[Tracked, tuple[Any, ...], dict[str, Any]], None],
    ) -> None:
        if layer is self.root:
            written(layer, *args, **kwargs)

    def is_visible(self, variable: Variable) -> bool:
        return True

    def shapes(self, cause: _Cause) -> Shapes | None:
        """The shapes that `build` declares; None if it fails. The layer is unchanged afterwards."""
        before = Memento()
        before.add(self.root)
        self._asked = []
        try:
            if cause.attribute is not None:
                object.__setattr__(self.root, *cause.attribute)
            written = cast("Callable[..., Any]", own_build(self.root))
            args, kwargs = build_arguments(written, cause.inputs, shapes_of)
            with hidden_output():
                written(self.root, *args, **kwargs)
            return self._asked
        except Exception:
            return None
        finally:
            before.restore()


def reasons(layer: Tracked, record: Built | None) -> dict[int, tuple[str, ...]]:
    """Find what each axis of each weight of a layer follows from.

    Args:
        layer: the layer.
        record: how it was built, or would be; None if it is not called.

    Returns:
        By the id of each variable that the layer's `build` declares, the cause of each axis.
    """
    node = layer._lamina
    declared = [variable.copy_shape for variable in node.declared]
    if record is None or not declared or own_build(layer) is None:
        return {}
    unknown = {id(v): (UNKNOWN,) * v.ndim for v in node.declared}
    try:
        method = method_of(type(layer), record.method)
        named = method.bind(record.inputs.args, record.inputs.kwargs)
    except Exception:
        return unknown
    asked: list[tuple[_Cause, Shapes | None]] = []
    plain = _Cause("", 0, named)

    def ask() -> None:
        probe = _Probe(layer)
        causes = (plain, *_causes(layer, named))
        scope = Scope(probe, layer, False, Key(jax.random.key(0)))
        asked.extend(run_in(scope, lambda: [(cause, probe.shapes(cause)) for cause in causes]))

    evaluate_abstractly(ask, [])
    if asked[0][1] != declared:
        return unknown
    return {
        id(variable): (COPIES,) * len(variable.copies)
        + tuple(_reason(place, axis, shape, asked[1:]) for axis in range(len(shape)))
        for place, (variable, shape) in enumerate(zip(node.declared, declared, strict=True))
    }


def _causes(layer: Tracked, named: dict[str, Any]) -> Iterator[_Cause]:
    """Every known axis of the inputs, and every integer attribute."""
    for name, value in named.items():
        yield from _axes(name, value, named)
    for name, value in attributes(layer).items():
        if _is_size(value):
            yield _Cause(name, value, named, (name, 2 * value))
        elif type(value) is tuple and all(map(_is_size, cast("tuple[Any, ...]", value))):
            for index, (size, sizes) in enumerate(_doublings(cast("tuple[int, ...]", value))):
                yield _Cause(f"{name}[{index}]", size, named, (name, sizes))


def _axes(name: str, value: Any, named: dict[str, Any]) -> Iterator[_Cause]:
    """Every known axis of one input."""
    paths, structure = _flatten_with_path(value)
    leaves = [leaf for _, leaf in paths]
    for index, (path, spec) in enumerate(paths):
        if not isinstance(spec, Spec):
            continue
        place = f"{name}{jax.tree_util.keystr(path)}"
        for axis, (dim, shape) in enumerate(_doublings(spec.shape)):
            if not _is_size(dim):
                continue
            others = [*leaves[:index], Spec(shape, spec.dtype), *leaves[index + 1 :]]
            inputs = named | {name: unflatten(structure, others)}
            yield _Cause(f"axis {axis - spec.ndim} of {place}", dim, inputs)


def _flatten_with_path(value: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return cast(Any, jax.tree_util.tree_flatten_with_path)(value, is_leaf=_is_spec)


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, Spec)


def _doublings(sizes: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each size, with the sizes in which it is doubled."""
    for index, size in enumerate(sizes):
        doubled = 2 * size if _is_size(size) else size
        yield size, (*sizes[:index], doubled, *sizes[index + 1 :])


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _reason(
    place: int, axis: int, shape: tuple[int, ...], asked: list[tuple[_Cause, Shapes | None]]
) -> str:
    """The cause of one axis of one weight."""
    size = shape[axis]
    moving: list[_Cause] = []
    doubles = True
    sure = True
    for cause, shapes in asked:
        if shapes is None or place >= len(shapes) or len(shapes[place]) != len(shape):
            sure = False
        elif shapes[place][axis] != size:
            moving.append(cause)
            doubles = doubles and shapes[place][axis] == 2 * size
    names = [cause.name for cause in moving]
    if not moving:
        return FIXED if sure else UNKNOWN
    product = math.prod(cause.size for cause in moving)
    if not doubles or size % product:
        return f"{FOLLOWS} {' and '.join(names)}"
    factor = [] if size == product else [str(size // product)]
    return " * ".join([*factor, *names])
