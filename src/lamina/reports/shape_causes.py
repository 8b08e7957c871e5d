"""The causes of a weight's shape: `build` is run again with one size doubled at a time.

A size of the weight that changes with an axis of an input, or with an integer in an attribute of
the layer, follows from it.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

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
_MOST = 100  # the number of sizes of a layer that are doubled
_DEEPEST, _LONGEST = 2, 32  # of the containers in an attribute


@dataclass(frozen=True)
class _Cause:
    """A size that can be doubled: its name, its value, and what to double."""

    name: str
    size: int
    inputs: dict[str, Any]
    attribute: tuple[Tracked, str, Any] | None = None

    @property
    def is_choice(self) -> bool:
        """Whether it is an attribute; the number of an axis, for example, is no size."""
        return self.attribute is not None


class _Probe(Interpreter):
    """Records the shapes that a `build` declares, without any other effect."""

    def __init__(self, layer: Tracked) -> None:
        super().__init__(layer)
        self._asked: Shapes = []
        self.builds_others = False

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
        else:
            self.builds_others = True

    def is_visible(self, variable: Variable) -> bool:
        return True

    def shapes(self, cause: _Cause) -> Shapes | None:
        """The shapes that `build` declares; None if it fails. The layer is unchanged afterwards."""
        before = Memento()
        before.add(self.root)
        self._asked = []
        try:
            if cause.attribute is not None:
                owner, name, value = cause.attribute
                before.add(owner)
                object.__setattr__(owner, name, value)
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

    def answer(probe: _Probe, cause: _Cause) -> Shapes | None:
        return probe.shapes(cause) if cause.size or cause is plain else None

    def ask() -> None:
        probe = _Probe(layer)
        causes = [plain, *itertools.islice(_causes(layer, named), _MOST + 1)]
        scope = Scope(probe, layer, False, Key(jax.random.key(0)))
        tried = causes[: _MOST + 1]
        asked.extend(run_in(scope, lambda: [(cause, answer(probe, cause)) for cause in tried]))
        asked.extend((cause, None) for cause in causes[len(tried) :])
        if probe.builds_others:  # sizes of their weights do not move
            asked.append((plain, None))

    evaluate_abstractly(ask, [])
    if asked[0][1] != declared:
        return unknown
    return {
        id(variable): (COPIES,) * len(variable.copies)
        + tuple(_reason(place, axis, shape, asked[1:]) for axis in range(len(shape)))
        for place, (variable, shape) in enumerate(zip(node.declared, declared, strict=True))
    }


def _causes(layer: Tracked, named: dict[str, Any]) -> Iterator[_Cause]:
    """Every known axis of the inputs, and every integer in an attribute, also of a child."""
    for name, value in named.items():
        yield from _axes(name, value, named)
    for name, value in attributes(layer).items():
        for place, size, doubled in _sizes_in(name, value):
            yield _Cause(place, size, named, (layer, name, doubled))
        if isinstance(value, Tracked) and value is not layer:
            for inner, held in attributes(value).items():
                for place, size, doubled in _sizes_in(f"{name}.{inner}", held):
                    yield _Cause(place, size, named, (value, inner, doubled))


def _sizes_in(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, int, Any]]:
    """Every integer in a value: its name, itself, and the value with it doubled."""
    if _is_size(value):
        yield name, int(value), 2 * value
    if depth == _DEEPEST:
        return
    if type(value) in (tuple, list, dict) and len(value) > _LONGEST:
        held: Any = cast("dict[Any, Any]", value).values() if type(value) is dict else value
        if any(map(_is_size, held)):
            yield name, 0, value  # not tried
        return
    if type(value) in (tuple, list):
        items = cast("Sequence[Any]", value)
        for index, item in enumerate(items):
            for place, size, doubled in _sizes_in(f"{name}[{index}]", item, depth + 1):
                yield place, size, type(items)([*items[:index], doubled, *items[index + 1 :]])  # pyright: ignore[reportCallIssue]
    elif type(value) is dict:
        fields = cast("dict[Any, Any]", value)
        for key, item in fields.items():
            for place, size, doubled in _sizes_in(f"{name}[{key!r}]", item, depth + 1):
                yield place, size, fields | {key: doubled}
    elif _is_record(value):
        for field in _fields(value):
            item = getattr(value, field, None)
            for place, size, doubled in _sizes_in(f"{name}.{field}", item, depth + 1):
                yield place, size, _changed(value, field, doubled)


def _changed(value: Any, field: str, item: Any) -> Any:
    """A copy of an object with another value of one attribute; itself if it cannot be copied."""
    try:
        changed = copy.copy(value)
        object.__setattr__(changed, field, item)
    except Exception:
        return value
    return changed


_CODE = ("lamina", "jax", "jaxlib", "numpy", "builtins")


def _is_record(value: Any) -> bool:
    """Whether a value is an object of the user, such as one of options."""
    foreign = type(value).__module__.partition(".")[0] not in _CODE
    return foreign and not isinstance(value, Tracked | Callable | type)


def _fields(value: Any) -> list[str]:
    if dataclasses.is_dataclass(value):
        return [one.name for one in dataclasses.fields(value)]
    return [*getattr(value, "__dict__", ())]


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
    return (type(value) is int or isinstance(value, np.integer)) and bool(value > 0)


def _reason(
    place: int, axis: int, shape: tuple[int, ...], asked: list[tuple[_Cause, Shapes | None]]
) -> str:
    """The cause of one axis of one weight."""
    size = shape[axis]
    factors: list[_Cause] = []
    divisors: list[_Cause] = []
    others: list[_Cause] = []
    sure = True
    for cause, shapes in asked:
        if shapes is None or place >= len(shapes) or len(shapes[place]) != len(shape):
            sure = False
        elif (moved := shapes[place][axis]) != size:
            kind = factors if moved == 2 * size else divisors if 2 * moved == size else others
            kind.append(cause)
    moving = [cause for cause, _ in asked if cause in (*factors, *divisors, *others)]
    if not moving:
        return FIXED if sure else UNKNOWN
    named = [cause for cause in divisors if cause.size > 1]
    above, below = (math.prod(cause.size for cause in causes) for causes in (factors, named))
    product = above // below
    whole = size if factors and above % below == 0 and size % product == 0 else 0
    if all(cause.is_choice for cause in others) and product == size:
        others = []  # such as the number of an axis: another axis would have another size
    if others or not whole:
        return f"{FOLLOWS} {' and '.join(cause.name for cause in moving)}"
    factor = [] if size == product else [str(size // product)]
    head = " * ".join([*factor, *(cause.name for cause in factors)])
    return " / ".join([head, *(cause.name for cause in named)])
