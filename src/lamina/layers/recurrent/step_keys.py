"""Random keys for the steps of a sequence."""

from __future__ import annotations

import jax

from lamina.core.base.jax_internals import in_loop
from lamina.core.running.scope import current
from lamina.layer import Layer

__all__ = ["step_keys"]


def step_keys(layer: Layer, steps: int) -> jax.Array | None:
    """A key for each step, split from the layer's own; None where none may be split.

    That is so where no key is in reach, and in the body of a loop around, where every turn would
    split the same one. What needs a key nevertheless says so itself.
    """
    scope = current()
    if scope is None or scope.key is None or in_loop(scope.key.state):
        return None
    return jax.random.split(layer.rng(), steps)
