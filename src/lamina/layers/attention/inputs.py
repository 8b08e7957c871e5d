"""What a call of attention is given, checked, and its masks in the form that heads take."""

from __future__ import annotations

import jax

from lamina.core.tree.node import Tracked
from lamina.layers.bases.checks import check_broadcast, check_shape
from lamina.ops.attention_masks import fold_mask, fold_places

__all__ = ["check_sources", "mask_of_pairs", "mask_of_source", "mask_of_target"]


def check_sources(
    layer: Tracked,
    query: jax.Array,
    value: jax.Array,
    key: jax.Array | None,
    axes: tuple[int, ...],
) -> None:
    """Let only values pass whose places are the query's but on some axes, and keys of theirs.

    Raises:
        InputError: a size differs.
    """
    pairs = enumerate(zip(query.shape[:-1], value.shape[:-1], strict=True))
    alike = tuple(own if axis in axes else other for axis, (other, own) in pairs)
    where = "the query's, but for the axes of attention and the last"
    check_shape(layer, "a value", value, (*alike, value.shape[-1]), where)
    if key is not None:
        shape = (*value.shape[:-1], key.shape[-1])
        check_shape(layer, "a key", key, shape, "the value's, but for the last")


def mask_of_target(
    layer: Tracked, mask: jax.Array | None, target: tuple[int, ...], axes: tuple[int, ...]
) -> jax.Array | None:
    """A mask of the query's places, for ``[batch, heads, target, source]``.

    Args:
        layer: whose call it is.
        mask: bool, of the target's sizes.
        target: the sizes of the query's axes but the last.
        axes: those that attention goes over.

    Raises:
        InputError: the mask has other sizes.
    """
    if mask is None:
        return None
    check_shape(layer, "a query mask", mask, target, "the query's axes but the last")
    return fold_places(mask, axes, of="target")


def mask_of_source(
    layer: Tracked,
    what: str,
    mask: jax.Array | None,
    source: tuple[int, ...],
    axes: tuple[int, ...],
) -> jax.Array | None:
    """A mask of the value's or the key's places; all else as for :func:`mask_of_target`."""
    if mask is None:
        return None
    check_shape(layer, f"a {what} mask", mask, source, "the places that there are to see")
    return fold_places(mask, axes, of="source")


def mask_of_pairs(
    layer: Tracked,
    mask: jax.Array | None,
    heads: int,
    target: tuple[int, ...],
    source: tuple[int, ...],
    axes: tuple[int, ...],
) -> jax.Array | None:
    """A mask of what each of the query's places may see, for ``[batch, heads, target, source]``.

    Args:
        layer: whose call it is.
        mask: bool, ``[..., heads, target, source]``, fewer axes in front of the target's, or 1
            for any size.
        heads: how many there are.
        target, source: the sizes of the query's and the key's axes but the last.
        axes: those that attention goes over.

    Raises:
        InputError: the mask does not broadcast to that.
    """
    if mask is None:
        return None
    kept = tuple(size for axis, size in enumerate(target) if axis not in axes)
    seeing, seen = tuple(target[axis] for axis in axes), tuple(source[axis] for axis in axes)
    front = (*kept, heads)
    given = max(mask.ndim - 2 * len(axes), 0)
    check_broadcast(
        layer,
        "an attention mask",
        mask,
        (*front[:given], *seeing, *seen),
        "..., target, source",
    )
    return fold_mask(mask, kept, seeing, seen)
