"""Random keys for the steps of a sequence."""

from __future__ import annotations

import jax

from lamina.core.base.jax_internals import in_loop
from lamina.core.running.scope import current
from lamina.layer import Layer

__all__ = ["step_keys"]


def step_keys(layer: Layer, steps: int) -> jax.Array | None:
    """Returns a random key for each step, split from the layer's key.

    Returns None if the call has no key, and in the body of an enclosing loop, where each iteration
    would split the same key. A layer that needs a key then raises the error itself.
    """
    scope = current()
    if scope is None or scope.key is None or in_loop(scope.key.state):
        return None
    return jax.random.split(layer.rng(), steps)
