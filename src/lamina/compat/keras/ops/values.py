"""Functions of `keras.ops` whose outputs depend on the values, and others outside of the table."""

from __future__ import annotations

import math
import re
from typing import Any

import jax.numpy as jnp

from lamina.compat.keras.ops.beam_search import ctc_beam_search
from lamina.compat.keras.ops.creation import convert_to_tensor
from lamina.compat.keras.ops.symbols import has_symbols, on_symbols
from lamina.compat.keras.ops.table import OPERATIONS
from lamina.errors import InputError, explain

__all__ = ["VALUES"]

_jnp: Any = jnp


def convert(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """Convert a value to an array; a symbol stays one."""
    if has_symbols(x):
        return x if dtype is None else OPERATIONS["cast"](x, dtype)
    return convert_to_tensor(x, dtype, sparse, ragged)


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each integer occurs, in the last axis of `[..., count]`."""
    if sparse:
        raise ValueError("bincount makes no sparse arrays")
    x = convert_to_tensor(x)
    length = max(int(x.max(initial=-1)) + 1, minlength)
    if x.ndim < 2:
        return jnp.bincount(x, weights, length=length)
    rows = [
        jnp.bincount(row, None if weights is None else weights[place], length=length)
        for place, row in enumerate(x)
    ]
    return jnp.stack(rows)


def nonzero(x: Any) -> Any:
    """The indices of the elements that are not zero, an array for each axis."""
    return jnp.nonzero(convert_to_tensor(x))


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """`x1` where the condition is True, otherwise `x2`. Without both, the indices of True."""
    if x1 is None and x2 is None and not has_symbols(condition):
        return nonzero(condition)
    return OPERATIONS["where"](condition, x1, x2)


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The unique elements, sorted."""
    return _jnp.unique(
        convert_to_tensor(x),
        return_index=return_index,
        return_inverse=return_inverse,
        return_counts=return_counts,
        axis=axis,
        size=size,
        fill_value=fill_value,
        equal_nan=False,
    )


def segment(name: str) -> Any:
    """A reduction of segments, whose number is that of the ids if it is not given."""
    function = OPERATIONS[name]

    def reduce(
        data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
    ) -> Any:
        if num_segments is None and not has_symbols(segment_ids):
            num_segments = int(jnp.max(segment_ids)) + 1
        return function(data, segment_ids, num_segments, sorted)

    reduce.__name__, reduce.__doc__ = name, function.__doc__
    return reduce


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> Any:
    """The most likely label of each step, without repetitions and blanks; or the best sequences.

    Args:
        inputs: the logits ``[batch, steps, classes]``.
        sequence_lengths: the numbers of steps ``[batch]``.
        strategy: ``"greedy"`` (default) or ``"beam_search"``.
        beam_width: the number of sequences that a beam search keeps. Default 100.
        top_paths: the number of sequences that it returns. Default 1.
        merge_repeated: whether the greedy strategy drops repetitions. Default True.
        mask_index: the class of blanks; None for the last. Default 0.

    Returns:
        The labels ``[top_paths, batch, steps]``, -1 behind the last. With ``"greedy"``, the
        negative sums of the logits ``[batch, 1]``; otherwise the log-probabilities
        ``[batch, top_paths]``.
    """
    if strategy not in ("greedy", "beam_search"):
        raise InputError(
            explain(
                "ctc_decode has no such strategy.",
                expected="'greedy' or 'beam_search'",
                received=repr(strategy),
                remedy="Pass one of those.",
            )
        )
    x = convert_to_tensor(inputs)
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    blank: Any = x.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "beam_search":
        lengths = convert_to_tensor(sequence_lengths)
        return ctc_beam_search(x, lengths, beam_width, top_paths, blank)
    steps = jnp.arange(x.shape[1])
    padding = steps[None] >= convert_to_tensor(sequence_lengths)[:, None]
    labels = jnp.where(padding, blank, jnp.argmax(x, axis=-1))
    scores = -jnp.sum(jnp.where(padding, 0.0, jnp.max(x, axis=-1)), axis=1, keepdims=True)
    dropped = labels == blank
    if merge_repeated:
        dropped |= jnp.pad(labels[:, 1:] == labels[:, :-1], ((0, 0), (1, 0)))
    order = jnp.argsort(jnp.where(dropped, x.shape[1], steps), axis=-1)
    kept = jnp.take_along_axis(jnp.where(dropped, -1, labels), order, axis=-1)
    return kept[None], scores


def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Patches of volumes, each along the axis of channels; see `extract_patches`."""
    sizes = (size,) * 3 if isinstance(size, int) else tuple(size)
    function = OPERATIONS["extract_patches"]
    return function(volumes, sizes, strides, dilation_rate, padding, data_format)


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Rearrange axes by a pattern such as ``"b h w c -> b (h w) c"``.

    Args:
        tensor: the array, or a symbol.
        pattern: names of the axes before and after ``->``. Axes in parentheses are one axis.
        **axes_lengths: sizes of axes in parentheses on the left; at most one of each may be left
            out.

    Raises:
        InputError: the pattern does not fit the array.
    """
    left, arrow, right = pattern.partition("->")
    before, after = _groups(left), _groups(right)
    names = [name for group in before for name in group]
    shape = tuple(tensor.shape)
    same = sorted(names) == sorted(name for group in after for name in group)
    if not arrow or not same or len(before) != len(shape) or len(set(names)) < len(names):
        raise InputError(
            explain(
                "The pattern of rearrange does not fit the array.",
                expected=f"a pattern with {len(shape)} axes, and the same names on both sides",
                received=repr(pattern),
                remedy="Write one name, or one pair of parentheses, for each axis.",
            )
        )
    sizes: dict[str, Any] = dict(axes_lengths)
    for group, size in zip(before, shape, strict=True):
        open_ = [name for name in group if name not in sizes]
        if open_ and size is not None:
            sizes[open_[0]] = size // math.prod(sizes[name] for name in group if name in sizes)
    parts = [sizes.get(name, -1) for name in names]
    if any(len(group) > 1 for group in before):
        tensor = OPERATIONS["reshape"](tensor, tuple(-1 if one is None else one for one in parts))
    order = [names.index(name) for group in after for name in group]
    tensor = OPERATIONS["transpose"](tensor, tuple(order))
    if all(len(group) == 1 for group in after):
        return tensor
    merged = [
        -1 if any(name not in sizes for name in group) else math.prod(sizes[one] for one in group)
        for group in after
    ]
    return OPERATIONS["reshape"](tensor, tuple(merged))


def _groups(side: str) -> list[list[str]]:
    return [found.strip("()").split() for found in re.findall(r"\([^)]*\)|\S+", side)]


VALUES: dict[str, Any] = {
    "bincount": bincount,
    "convert_to_tensor": convert,
    "ctc_decode": on_symbols(ctc_decode),
    "extract_patches_3d": extract_patches_3d,
    "nonzero": nonzero,
    "rearrange": rearrange,
    **{name: segment(name) for name in OPERATIONS if name.startswith("segment_")},
    "unique": on_symbols(unique),
    "where": where,
}
"""The functions by their names in `keras.ops`."""
