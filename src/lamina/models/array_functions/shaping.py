"""Operations of `keras.ops.numpy` that rearrange, join, split, index and fill arrays."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.models.array_functions.indices import read_index
from lamina.models.array_functions.values import Function, array, many, refused, unary

__all__ = ["SHAPING"]

_jnp: Any = jnp
_MOST_REFLECTIONS = 64  # jax.numpy adds one operation to the program for each


def _append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    return jnp.append(array(x1), array(x2), axis=axis)


def _array(x: Any, dtype: Any = None) -> Any:
    return jnp.array(x, dtype=dtype)


def _array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = array(x)
    sections = indices_or_sections
    if isinstance(sections, int) and sections > max(x.shape[axis], 1):
        # jax.numpy makes a table with a row for each section
        raise refused("ArraySplit", "no more sections than elements", f"{sections} sections")
    return list(jnp.array_split(x, sections, axis=axis))


def _broadcast_to(x: Any, shape: Any) -> Any:
    return jnp.broadcast_to(array(x), shape)


def _concatenate(xs: Any, axis: int | None = 0) -> Any:
    return jnp.concatenate(many(xs), axis=axis)


def _diag(x: Any, k: int = 0) -> Any:
    return jnp.diag(array(x), k=k)


def _diagflat(x: Any, k: int = 0) -> Any:
    return jnp.diagflat(array(x), k=k)


def _diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return _jnp.diagonal(array(x), offset=offset, axis1=axis1, axis2=axis2)


def _expand_dims(x: Any, axis: Any) -> Any:
    return jnp.expand_dims(array(x), axis)


def _filled(value: float) -> Function:
    def fill(x: Any, dtype: Any = None) -> Any:
        return jnp.full_like(array(x), value, dtype=dtype)

    return fill


def _flip(x: Any, axis: Any = None) -> Any:
    return jnp.flip(array(x), axis=axis)


def _full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    return jnp.full_like(array(x), fill_value, dtype=dtype)


def _get_item(x: Any, key: Any) -> Any:
    return array(x)[read_index(key)]


def _is_in(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return jnp.isin(array(x1), array(x2), assume_unique=assume_unique, invert=invert)


def _joined(function: Function) -> Function:
    def join(xs: Any) -> Any:
        return function(many(xs))

    return join


def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    if retstep:
        raise refused("Linspace", "retstep=False", "retstep=True")
    return jnp.linspace(array(start), array(stop), num, endpoint, dtype=dtype, axis=axis)


def _meshgrid(*x: Any, indexing: str = "xy") -> Any:
    return list(jnp.meshgrid(*map(array, x), indexing=indexing))


def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    return jnp.moveaxis(array(x), source, destination)


def _pad(x: Any, constant_values: Any = None, *, pad_width: Any, mode: str = "constant") -> Any:
    x = array(x)
    if constant_values is not None:
        return jnp.pad(x, pad_width, mode, constant_values=constant_values)
    widths = _pairs(pad_width, x.ndim)
    repeated = mode in ("reflect", "symmetric", "wrap")
    if repeated and any(
        max(pair) > _MOST_REFLECTIONS * size for pair, size in zip(widths, x.shape, strict=True)
    ):
        raise refused("Pad", f"at most {_MOST_REFLECTIONS} times the size of an axis", f"{widths}")
    return jnp.pad(x, pad_width, mode)


def _pairs(pad_width: Any, rank: int) -> list[tuple[int, ...]]:
    """The padding before and after each axis, from one of NumPy's short forms."""
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * rank
    first = pad_width[0]
    if isinstance(first, int):
        return [tuple(pad_width)] * rank
    return [tuple(pair) for pair in pad_width] if len(pad_width) > 1 else [tuple(first)] * rank


def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    return jnp.repeat(array(x), repeats if isinstance(repeats, int) else array(repeats), axis)


def _reshape(x: Any, newshape: Any) -> Any:
    return jnp.reshape(array(x), newshape)


def _roll(x: Any, shift: Any, axis: Any = None) -> Any:
    return jnp.roll(array(x), shift, axis)


def _rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    return jnp.rot90(jnp.asarray(array), k, axes)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    return jnp.select(many(condlist), many(choicelist), default)


def _size(x: Any) -> Any:
    return jnp.asarray(jnp.size(x), jnp.int32)


def _split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(jnp.split(array(x), indices_or_sections, axis=axis))


def _split_along(function: Function) -> Function:
    def split(x: Any, indices_or_sections: Any) -> Any:
        return list(function(array(x), indices_or_sections))

    return split


def _squeeze(x: Any, axis: Any = None) -> Any:
    return jnp.squeeze(array(x), axis=axis)


def _stack(x: Any, axis: int = 0) -> Any:
    return jnp.stack(many(x), axis=axis)


def _swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    return jnp.swapaxes(array(x), axis1, axis2)


def _take(x: Any, indices: Any, axis: int | None = None) -> Any:
    return jnp.take(array(x), array(indices), axis=axis)


def _take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    return jnp.take_along_axis(array(x), array(indices), axis=axis)


def _tile(x: Any, repeats: Any) -> Any:
    return jnp.tile(array(x), repeats)


def _transpose(x: Any, axes: Any = None) -> Any:
    return jnp.transpose(array(x), axes)


def _triangle(function: Function) -> Function:
    def apply(x: Any, k: int = 0) -> Any:
        return function(array(x), k=k)

    return apply


def _unravel_index(indices: Any, shape: Any) -> Any:
    return tuple(jnp.unravel_index(array(indices), shape))


def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803 - Keras's name
    return jnp.vander(array(x), N, increasing)


def _view(x: Any, dtype: Any = None) -> Any:
    return array(x).view(dtype)


def _where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None or x2 is None:
        # the number of true elements is not known before the call
        raise refused("Where", "x1 and x2", "the condition alone")
    return jnp.where(array(condition), array(x1), array(x2))


SHAPING: dict[str, Function] = {
    "Append": _append,
    "Array": _array,
    "ArraySplit": _array_split,
    "BroadcastTo": _broadcast_to,
    "Concatenate": _concatenate,
    "Diag": _diag,
    "Diagflat": _diagflat,
    "Diagonal": _diagonal,
    "Dsplit": _split_along(jnp.dsplit),
    "Dstack": _joined(jnp.dstack),
    "EmptyLike": _filled(0),
    "ExpandDims": _expand_dims,
    "Flip": _flip,
    "Fliplr": unary(jnp.fliplr),
    "Flipud": unary(jnp.flipud),
    "FullLike": _full_like,
    "GetItem": _get_item,
    "Hsplit": _split_along(jnp.hsplit),
    "Hstack": _joined(jnp.hstack),
    "IsIn": _is_in,
    "Linspace": _linspace,
    "Meshgrid": _meshgrid,
    "Moveaxis": _moveaxis,
    "Ndim": unary(lambda x: jnp.asarray(x.ndim, jnp.int32)),
    "OnesLike": _filled(1),
    "Pad": _pad,
    "Ravel": unary(jnp.ravel),
    "Repeat": _repeat,
    "Reshape": _reshape,
    "Roll": _roll,
    "Rot90": _rot90,
    "Select": _select,
    "Size": _size,
    "Split": _split,
    "Squeeze": _squeeze,
    "Stack": _stack,
    "Swapaxes": _swapaxes,
    "Take": _take,
    "TakeAlongAxis": _take_along_axis,
    "Tile": _tile,
    "Transpose": _transpose,
    "Tril": _triangle(jnp.tril),
    "Triu": _triangle(jnp.triu),
    "UnravelIndex": _unravel_index,
    "Vander": _vander,
    "View": _view,
    "Vsplit": _split_along(jnp.vsplit),
    "Vstack": _joined(jnp.vstack),
    "Where": _where,
    "ZerosLike": _filled(0),
}
"""The functions by Keras's class names."""
