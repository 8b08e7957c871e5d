"""Arrays that stand in for a layer's weights during one call."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import jax

from lamina.core.running.scope import SCOPE, Frame
from lamina.core.tree.variable import Variable

__all__ = ["standing_in"]


@contextlib.contextmanager
def standing_in(variable: Variable, array: jax.Array) -> Generator[None]:
    """Within a call, let an array be read where a variable is, which keeps its own value.

    A layer that wraps another one computes with it what that one's weight should be: nothing is
    assigned, so this may be done in any trace, and gradients flow through the array.

    >>> import jax.numpy as jnp
    >>> from lamina import Layer, layers
    >>> class Doubled(Layer):
    ...     def __init__(self, inner):
    ...         self.inner = inner
    ...     def build(self, input_shape):
    ...         self.inner.build(input_shape)
    ...     def call(self, inputs):
    ...         with standing_in(self.inner.kernel, 2 * self.inner.kernel):
    ...             return self.inner(inputs)
    >>> inner = layers.Dense(1, kernel_initializer="ones")
    >>> Doubled(inner)(jnp.ones((1, 3))).tolist(), inner.kernel.value.tolist()
    ([[6.0]], [[1.0], [1.0], [1.0]])
    """
    scope = SCOPE.get()
    if scope is None or scope.frame.planner is not None:  # a plan reads zeros of the same shape
        yield
        return
    outer, before = scope.frame, dict(scope.frame.reads)
    frame = Frame(outer.root, values={}, path_of=outer.path_of, grow=outer.grow, parent=outer)
    frame.state, frame.drawn, frame.watch = outer.state, outer.drawn, outer.watch
    frame.losses = outer.losses
    frame.written = {**outer.written, id(variable): array}
    token = SCOPE.set(scope._replace(frame=frame))
    try:
        yield
    finally:
        SCOPE.reset(token)
        # What was read and assigned meanwhile is the outer call's, each read once.
        outer.reads |= {key: before.get(key, 0) + count for key, count in frame.reads.items()}
        outer.written |= {key: frame.written[key] for key in frame.writers}
        outer.writers |= frame.writers
