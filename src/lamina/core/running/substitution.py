"""Substitution of the value of a variable within a call."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import jax

from lamina.core.running.scope import current
from lamina.core.tree.variable import SCOPE, Variable

__all__ = ["substituted"]


@contextlib.contextmanager
def substituted(variable: Variable, array: jax.Array) -> Generator[None]:
    """In a `with` block of a call, use an array as the value of a variable.

    A wrapper layer uses it to compute the weight of its inner layer. The variable is not assigned,
    so it works in any trace, and gradients flow through the array. Outside of calls it has no
    effect.

    Args:
        variable: the variable.
        array: the value, of the variable's shape.

    >>> import jax.numpy as jnp
    >>> from lamina import Layer, layers
    >>> class Doubled(Layer):
    ...     def __init__(self, inner):
    ...         self.inner = inner
    ...     def build(self, input_shape):
    ...         self.inner.build(input_shape)
    ...     def call(self, inputs):
    ...         with substituted(self.inner.kernel, 2 * self.inner.kernel):
    ...             return self.inner(inputs)
    >>> inner = layers.Dense(1, kernel_initializer="ones")
    >>> Doubled(inner)(jnp.ones((1, 3))).tolist(), inner.kernel.value.tolist()
    ([[6.0]], [[1.0], [1.0], [1.0]])
    """
    scope = current()
    if scope is None:
        yield
        return
    child = scope.call.child({id(variable): array})
    try:
        SCOPE.set(scope._replace(call=child))
        yield
    finally:
        SCOPE.set(scope)
    scope.call.absorb(child)
