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
    order of the calls. A layer that looks up positions shifts them by :attr:`position`.

    Args:
        tokens: the inputs of the model, ``[batch, time]``, mapped by the innermost `jax.vmap`.
        position: position of the first of them in its sequence; negative at padding.
        caches: the caches of all layers; None in the first call.
        filled: number of slots of the caches that may be used, not mapped.
        cached: bool ``[slots]``, the slots that hold positions of this sequence.
        valid: bool ``[time]``, False at padding of the new positions.
    """

    def __init__(
        self,
        tokens: jax.Array,
        position: jax.Array,
        caches: list[dict[str, jax.Array]] | None,
        filled: Any,
        cached: jax.Array | None,
        valid: jax.Array,
    ) -> None:
        self.time = tokens.shape[1]
        self.position = position
        self.filled = filled
        self.cached = cached
        self.valid = valid
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
        return jnp.maximum(positions + self.position.astype(positions.dtype), 0)
