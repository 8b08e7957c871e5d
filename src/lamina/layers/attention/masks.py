"""The checks of attention's inputs, and masks in the shape of the scores of all heads."""

from __future__ import annotations

import jax

from lamina.core.tree.node import Tracked
from lamina.layers.bases.checks import check_broadcast, check_shape
from lamina.ops.attention_masks import fold_mask, fold_places

__all__ = ["check_sources", "pair_mask", "source_mask", "target_mask"]


def check_sources(
    layer: Tracked,
    query: jax.Array,
    value: jax.Array,
    key: jax.Array | None,
    axes: tuple[int, ...],
) -> None:
    """Refuses values and keys whose shapes do not fit the query.

    Args:
        layer: the layer that is called.
        query: ``[batch, *target, features]``.
        value: ``[batch, *source, channels]``, with the query's sizes on all other axes.
        key: ``[batch, *source, features]``, or None.
        axes: the attention axes.

    Raises:
        InputError: a size differs.
    """
    pairs = enumerate(zip(query.shape[:-1], value.shape[:-1], strict=True))
    sizes = tuple(own if axis in axes else other for axis, (other, own) in pairs)
    names = "the query's axes, free on the attention axes and the last"
    check_shape(layer, "a value", value, (*sizes, value.shape[-1]), names)
    if key is not None:
        shape = (*value.shape[:-1], key.shape[-1])
        check_shape(layer, "a key", key, shape, "the value's axes, free on the last")


def target_mask(
    layer: Tracked, mask: jax.Array | None, target: tuple[int, ...], axes: tuple[int, ...]
) -> jax.Array | None:
    """Returns the query's padding mask, for scores ``[batch, heads, target, source]``.

    Args:
        layer: the layer that is called.
        mask: bool, of the shape ``target``, or None.
        target: the query's shape without its last axis.
        axes: the attention axes.

    Raises:
        InputError: the mask has another shape.
    """
    if mask is None:
        return None
    check_shape(layer, "a query mask", mask, target, "the query's axes without the last")
    return fold_places(mask, axes, of="target")


def source_mask(
    layer: Tracked,
    name: str,
    mask: jax.Array | None,
    source: tuple[int, ...],
    axes: tuple[int, ...],
) -> jax.Array | None:
    """Returns the padding mask of the value or the key, as :func:`target_mask` for the query."""
    if mask is None:
        return None
    check_shape(layer, f"a {name} mask", mask, source, "the positions of the source")
    return fold_places(mask, axes, of="source")


def pair_mask(
    layer: Tracked,
    mask: jax.Array | None,
    heads: int,
    target: tuple[int, ...],
    source: tuple[int, ...],
    axes: tuple[int, ...],
) -> jax.Array | None:
    """Returns the mask of pairs of positions, for scores ``[batch, heads, target, source]``.

    Args:
        layer: the layer that is called.
        mask: bool ``[..., heads, target, source]``, without some of the leading axes, or with
            size 1 on any axis; or None.
        heads: the number of heads.
        target: the query's shape without its last axis.
        source: the key's shape without its last axis.
        axes: the attention axes.

    Raises:
        InputError: the mask does not broadcast to that shape.
    """
    if mask is None:
        return None
    batch = tuple(size for axis, size in enumerate(target) if axis not in axes)
    queries, keys = tuple(target[axis] for axis in axes), tuple(source[axis] for axis in axes)
    leading = (*batch, heads)
    given = max(mask.ndim - 2 * len(axes), 0)
    shape = (*leading[:given], *queries, *keys)
    check_broadcast(layer, "an attention mask", mask, shape, "..., target, source")
    return fold_mask(mask, batch, queries, keys)
