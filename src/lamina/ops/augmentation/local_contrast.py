"""Equalization of the histograms of tiles of images."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import channels_back, channels_last
from lamina.ops.augmentation.tones import Range, rescale
from lamina.ops.spatial import DataFormat

__all__ = ["equalize_tiles"]

_LEVELS = 256


@one_program("value_range", "limit", "grid", "data_format")
def equalize_tiles(
    images: jax.Array,
    value_range: Range,
    limit: float,
    grid: tuple[int, int],
    *,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Equalize the histogram of each channel in each tile, and interpolate between the tiles.

    No level counts for more than ``limit`` times the mean: what exceeds it is spread over all
    levels.

    Args:
        images: ``[batch, height, width, channels]``, or channels first.
        value_range: lowest and highest value of the images.
        limit: the limit of counts, in means of the counts; 0 for no limit.
        grid: the number of tiles along height and width.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The shape and dtype of the images.

    Source: Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.

    >>> x = jnp.array([10.0, 20.0, 21.0, 21.0]).reshape(1, 1, 4, 1)
    >>> equalize_tiles(x, (0, 255), 0.0, (1, 1)).ravel().tolist()
    [63.75, 127.5, 255.0, 255.0]
    """
    x = channels_last(images, data_format)
    batch, height, width, channels = x.shape
    levels = x if value_range == (0, 255) else rescale(x.astype(jnp.float32), value_range, (0, 255))
    levels = jnp.clip(levels, 0, _LEVELS - 1).astype(jnp.int32)
    tile = -(-height // grid[0]), -(-width // grid[1])
    more = tile[0] * grid[0] - height, tile[1] * grid[1] - width
    levels = jnp.pad(levels, ((0, 0), (0, more[0]), (0, more[1]), (0, 0)), "symmetric")
    tiles = levels.reshape(batch, grid[0], tile[0], grid[1], tile[1], channels)
    tiles = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(-1, tile[0] * tile[1])
    tables = jax.vmap(partial(_table, limit=limit))(tiles)
    tables = tables.reshape(batch, *grid, channels, _LEVELS)
    tables = jnp.pad(tables, ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0)), "edge")
    (top, down), (left, right) = (_places(*sizes) for sizes in zip(grid, tile, strict=True))
    of_image = jnp.arange(batch)[:, None, None, None]
    of_channel = jnp.arange(channels)

    def found(rows: jax.Array, columns: jax.Array) -> jax.Array:
        return tables[of_image, rows[:, None, None], columns[:, None], of_channel, levels]

    down, right = down[:, None, None], right[:, None]
    upper = found(top, left) * (1 - right) + found(top, left + 1) * right
    lower = found(top + 1, left) * (1 - right) + found(top + 1, left + 1) * right
    made = (upper * (1 - down) + lower * down)[:, :height, :width]
    return channels_back(rescale(made, (0, 255), value_range).astype(images.dtype), data_format)


def _table(tile: jax.Array, limit: float) -> jax.Array:
    """The new value of each level of ``[pixels]``."""
    counts = jnp.zeros(_LEVELS, jnp.float32).at[tile].add(1)
    if limit > 0:
        kept = jnp.minimum(counts, limit * tile.size / _LEVELS)
        counts = kept + jnp.sum(counts - kept) / _LEVELS
    below = jnp.cumsum(counts)
    least = below[0]
    rest = tile.size - least
    return jnp.clip((below - least) * 255 / jnp.where(rest == 0, 1, rest), 0, 255)


def _places(tiles: int, size: int) -> tuple[jax.Array, jax.Array]:
    """The tile before each pixel, counted from one outside, and the part of the way to the next."""
    at = (jnp.arange(tiles * size, dtype=jnp.float32) - size / 2) / size + 1
    before = jnp.floor(at)
    return before.astype(jnp.int32), at - before
