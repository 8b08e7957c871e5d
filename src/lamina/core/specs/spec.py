"""Specs: shapes with unknown dims and dtypes of inputs, and functions on pytrees of specs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.base.sites import site
from lamina.errors import InputError, explain
from lamina.lazy import lazily

if TYPE_CHECKING:
    from jax import export as exporting
else:
    exporting = lazily("jax.export")

__all__ = [
    "Arguments",
    "Dim",
    "Spec",
    "as_specs",
    "covers",
    "is_array",
    "is_unknown",
    "map_specs",
    "shapes_of",
]

Dim = int | str | None
Static = bool | int | float | str | None
_STATIC = (bool, int, float, str, type(None))

_INTEGER = frozenset({int})


@dataclass(frozen=True)
class Spec:
    """The shape and dtype of one input.

    Args:
        shape: the dims, each an int (its size), None (an unknown size) or a str (the name of an
            unknown size; all dims of that name have the same size). A single int is a shape of one
            axis.
        dtype: dtype of numbers or bools, float32 by default. 64-bit dtypes become 32-bit ones
            unless JAX's ``jax_enable_x64`` is on. ``"string"`` for text, which is converted to
            numbers before programs.

    Attributes:
        shape: the dims, a tuple.
        dtype: the dtype.

    Raises:
        InputError: ``shape`` is not a shape, or JAX has no arrays of ``dtype``.

    >>> Spec((None, "time", 64))
    Spec((None, 'time', 64), float32)
    >>> Spec((8, 11), "int32").known
    True
    """

    shape: tuple[Dim, ...]
    dtype: Any = "float32"

    def __init__(self, shape: Any, dtype: Any = "float32") -> None:
        object.__setattr__(self, "shape", _dims(shape))
        object.__setattr__(self, "dtype", _dtype(dtype))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_text(self) -> bool:
        """Whether it is of text."""
        return self.dtype.__class__ is str

    @property
    def known(self) -> bool:
        """Whether the sizes of all dims are known."""
        return _INTEGER.issuperset(map(type, self.shape)) or all(
            isinstance(dim, int) for dim in self.shape
        )

    def __repr__(self) -> str:
        return f"Spec({self.shape}, {self.dtype})"

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.dtype}[{dims}]"


def _dims(shape: Any) -> tuple[Dim, ...]:
    if shape.__class__ is tuple and all(map(_is_dim, shape)):
        return shape
    if isinstance(shape, int | np.integer):
        shape = (int(cast(int, shape)),)
    if isinstance(shape, str | Mapping) or not hasattr(shape, "__iter__"):
        raise InputError(
            explain(
                "The shape is not valid.",
                where=f"passed at {site()}",
                expected="a tuple of non-negative integers, None (unknown) or names",
                received=repr(shape),  # pyright: ignore[reportUnknownArgumentType]
                remedy="Pass (None, 3), for example.",
            )
        )
    dims: list[Dim] = []
    for dim in shape:
        if dim is None or isinstance(dim, str):
            dims.append(dim)
            continue
        if not isinstance(dim, int) and exporting.is_symbolic_dim(dim):
            dims.append(cast(Any, dim))  # of an array in a trace with symbolic sizes
            continue
        try:
            size = operator.index(dim)
        except TypeError:
            size = -1
        if size < 0 or isinstance(dim, bool):
            raise InputError(
                explain(
                    f"The shape {tuple(shape)} has a dim that is not valid.",
                    where=f"passed at {site()}",
                    expected="non-negative integers, None (unknown) or names",
                    received=repr(dim),
                    remedy="Pass None for an unknown size.",
                )
            )
        dims.append(size)
    return tuple(dims)


def _is_dim(dim: Any) -> bool:
    return dim is None or (dim.__class__ is int and dim >= 0) or dim.__class__ is str


def _dtype(dtype: Any) -> Any:
    kind: Any = dtype
    if dtype.__class__ is str and dtype == "string":
        return dtype
    if not issubclass(kind.__class__, np.dtype):
        try:
            if jnp.issubdtype(dtype, jax.dtypes.extended):
                return dtype
            kind = jnp.dtype(dtype)
        except TypeError:
            kind = None
    if kind is None or kind.kind in "OSUMm":
        raise InputError(
            explain(
                f"{dtype!r} is not a dtype of JAX arrays.",
                where=f"passed at {site()}",
                expected="a dtype of numbers or bools, such as 'float32' or 'int32'",
                received=repr(dtype),
                remedy="Encode text as numbers first, with layers.StringLookup or "
                "layers.TextVectorization.",
            )
        )
    return kind if kind.itemsize <= 4 else jax.dtypes.canonicalize_dtype(kind)


@dataclass(frozen=True)
class Arguments:
    """The positional and keyword arguments of a call, with specs in place of arrays."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def map(self, function: Callable[[Spec], Any]) -> Arguments:
        """Apply a function to each spec."""
        return Arguments(map_specs(function, self.args), map_specs(function, self.kwargs))

    def leaves(self) -> Iterator[Spec]:
        """Yield the specs."""
        yield from _leaves(self.args)
        yield from _leaves(self.kwargs)

    def __str__(self) -> str:
        by_name = [f"{name}={_text(value)}" for name, value in self.kwargs.items()]
        return ", ".join([*map(_text, self.args), *by_name])


def _text(value: Any) -> str:
    if isinstance(value, Spec):
        return str(value)
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).items()
        return "{" + ", ".join(f"{key!r}: {_text(item)}" for key, item in items) + "}"
    if isinstance(value, tuple | list):
        inside = ", ".join(map(_text, cast(list[Any], value)))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return repr(value)


def is_array(value: Any) -> bool:
    """Return whether a value has a shape and a dtype, as arrays, variables and specs have."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(
        dim is None or (isinstance(dim, int | np.integer | str) and not isinstance(dim, bool))
        for dim in cast(list[Any], value)
    )


def is_unknown(shape: Any) -> bool:
    """Return whether a shape has an unknown dim."""
    if not isinstance(shape, tuple | list):
        return False
    dims = cast(list[Any], shape)
    plain = _INTEGER.issuperset(map(type, dims))  # the common case, many times in each plan
    return not plain and any(dim is None or isinstance(dim, str) for dim in dims)


def _leaves(value: Any) -> Iterator[Spec]:
    found: list[Spec] = []
    map_specs(found.append, value)
    yield from found


def map_specs(function: Callable[[Spec], Any], value: Any) -> Any:
    """Apply a function to the specs of a pytree; other leaves are kept."""
    if isinstance(value, Spec):
        return function(value)
    if isinstance(value, _STATIC):
        return value
    kind: Any = value.__class__
    if kind is tuple or kind is list:
        items: list[Any] = [map_specs(function, item) for item in value]
        return items if kind is list else tuple(items)
    if kind is dict:
        return {key: map_specs(function, item) for key, item in value.items()}
    return map_tree(
        lambda leaf: function(leaf) if isinstance(leaf, Spec) else leaf,
        value,
        is_leaf=lambda leaf: isinstance(leaf, Spec),
    )


def _spec_of(array: Any) -> Spec:
    """Return the spec of a JAX array, without checks of its shape and dtype."""
    spec = object.__new__(Spec)
    object.__setattr__(spec, "shape", array.shape)
    object.__setattr__(spec, "dtype", array.dtype)
    return spec


def as_specs(value: Any, *, shapes: bool = False) -> Any:
    """Replace the arrays of a pytree by specs.

    Args:
        value: the pytree.
        shapes: whether tuples and lists of dims are shapes of float32 arrays; False by default.
    """
    if isinstance(value, Spec):
        return value
    if isinstance(value, jax.Array):
        return _spec_of(value)
    if value.__class__ is tuple and not shapes:
        return tuple([as_specs(item) for item in value])
    if is_array(value):
        return Spec(value.shape, value.dtype)
    if shapes and _is_shape(value):
        return Spec(value)
    if isinstance(value, _STATIC):
        return value
    if isinstance(value, dict):
        items = cast(Mapping[Any, Any], value).items()
        return {key: as_specs(item, shapes=shapes) for key, item in items}
    if isinstance(value, tuple | list):
        inside = [as_specs(item, shapes=shapes) for item in cast(list[Any], value)]
        if isinstance(value, list):
            return inside
        kind = cast(Any, value).__class__
        return kind(*inside) if hasattr(kind, "_fields") else tuple(inside)
    leaves, structure = flatten(value)
    if len(leaves) == 1 and leaves[0] is value:
        return value
    return unflatten(structure, [as_specs(leaf, shapes=shapes) for leaf in leaves])


def shapes_of(value: Any, unknown: Callable[[Spec], tuple[Dim, ...]] | None = None) -> Any:
    """Return the shapes in a pytree of specs, as `build` gets them: unknown dims are None.

    Args:
        value: the pytree.
        unknown: returns the dims of a spec; None (default) for its shape.
    """

    def shape(spec: Spec) -> tuple[int | None, ...]:
        dims = unknown(spec) if unknown else spec.shape
        if _INTEGER.issuperset(map(type, dims)):
            return cast("tuple[int, ...]", dims)
        return tuple(dim if isinstance(dim, int) else None for dim in dims)

    return map_specs(shape, value)


def covers(planned: Arguments, specs: Arguments) -> bool:
    """Return whether a plan for some specs, with unknown dims, is valid for others."""
    left, structure = _flat(planned)
    right, other = _flat(specs)
    if structure != other:
        return False
    sizes: dict[str, Any] = {}
    for a, b in zip(left, right, strict=True):
        if not isinstance(a, Spec) or not isinstance(b, Spec):
            if type(a) is not type(b) or a != b:
                return False
            continue
        if a.dtype != b.dtype or len(a.shape) != len(b.shape):
            return False
        for dim, size in zip(a.shape, b.shape, strict=True):
            wanted = sizes.setdefault(dim, size) if isinstance(dim, str) else dim
            if wanted is not None and wanted != size:
                return False
    return True


def _flat(arguments: Arguments) -> tuple[list[Any], Any]:
    return flatten((arguments.args, arguments.kwargs), is_leaf=lambda leaf: isinstance(leaf, Spec))
