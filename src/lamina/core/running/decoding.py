"""Incremental calls: on the next positions of a sequence, with caches of the earlier ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_mapped, trace_state

__all__ = ["Decoding", "NotIncrementalError"]


class NotIncrementalError(Exception):
    """A layer cannot run on the next positions alone."""


class Decoding:
    """The state of an incremental call, which its layers read.

    A layer whose outputs depend on earlier positions takes its cache by :meth:`cache` and records
    what it computed for the new positions by :meth:`record`, once in each call. Caches are in the
    order of the calls. A layer that looks up positions shifts them by :meth:`shifted`.

    Args:
        tokens: the inputs of the model, ``[batch, time]``, mapped by the innermost `jax.vmap`.
        positions: the position of each of them in its sequence, ``[time]``; negative at padding.
        new: bool ``[time, time]``, the new positions that each of them reads.
        caches: the caches of all layers; None in the first call.
        cached: bool ``[time, slots]``, the slots of the caches that each of them reads.
        distances: ``[time, slots]``, the distances of the positions of these slots.
        filled: number of slots that may be used, not mapped.
        alternatives: whether the tokens are alternatives for one position, of several beams.
    """

    def __init__(
        self,
        tokens: jax.Array,
        positions: jax.Array,
        new: jax.Array,
        caches: list[dict[str, jax.Array]] | None = None,
        cached: jax.Array | None = None,
        distances: jax.Array | None = None,
        filled: Any = 0,
        *,
        alternatives: bool = False,
    ) -> None:
        self.time = tokens.shape[1]
        self.positions = positions
        self.new = new
        self.cached = cached
        self.distances = distances
        self.filled = filled
        self.alternatives = alternatives
        self.recorded: list[dict[str, jax.Array]] = []
        self._caches = caches
        self._state = trace_state()

    def cache(self) -> dict[str, jax.Array] | None:
        """Return the cache of the layer that is called; None in the first call.

        Raises:
            NotIncrementalError: the layer is called inside another transform, such as a scan.
        """
        if trace_state() != self._state:
            raise NotIncrementalError("attention is called inside another JAX transform")
        return None if self._caches is None else self._caches[len(self.recorded)]

    def record(self, entry: dict[str, jax.Array]) -> None:
        """Record the arrays of the new positions, which the caller appends to the cache."""
        self.recorded.append(entry)

    def shifted(self, positions: jax.Array) -> jax.Array:
        """Return positions in the sequence, for positions counted from the first new one.

        Integers ``[..., time]`` that do not depend on the tokens are such positions; others are
        returned unchanged.
        """
        if is_mapped(positions) or positions.shape[-1:] != (self.time,):
            return positions
        before = self.positions - jnp.arange(self.time)
        return jnp.maximum(positions + before.astype(positions.dtype), 0)
