"""The dense layer's operation: an affine map of the last axis."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import NamedTuple

import jax
from jax import lax

from lamina.ops.arrays import Operand, as_rows, cast, float_dtype

__all__ = ["Product", "dense", "recorded_products"]


class Product(NamedTuple):
    """The operands of one call of :func:`dense`, after casts, and its outputs."""

    outputs: jax.Array
    x: jax.Array
    kernel: jax.Array
    bias: jax.Array | None


_products: ContextVar[dict[int, Product] | None] = ContextVar("products", default=None)


def dense(x: Operand, kernel: Operand, bias: Operand | None = None) -> jax.Array:
    """Compute an affine map of the last axis: ``y = x kernel + bias``.

    Leading axes are merged for the product: XLA multiplies matrices faster than batches of
    matrices, in particular in the backward pass.

    Args:
        x: ``[..., features]``, at least one axis.
        kernel: ``[features, units]``.
        bias: ``[units]``; None (default) for no bias.

    Returns:
        ``[..., units]``, in the promoted dtype of the operands.

    Raises:
        TypeError: ``features`` of x and kernel differ.

    >>> import jax.numpy as jnp
    >>> dense(jnp.ones((2, 5, 3)), jnp.ones((3, 4)), jnp.zeros(4)).shape
    (2, 5, 4)
    """
    dtype = float_dtype(x, kernel, bias)
    x, kernel = cast(x, dtype), cast(kernel, dtype)
    bias = None if bias is None else cast(bias, dtype)
    y = _affine(as_rows(x), kernel, bias)
    leading = x.shape[:-1]
    outputs = y if y.shape[:-1] == leading else lax.reshape(y, (*leading, y.shape[-1]))
    products = _products.get()
    if products is not None:
        products[id(outputs)] = Product(outputs, x, kernel, bias)
    return outputs


@contextlib.contextmanager
def recorded_products() -> Generator[dict[int, Product]]:
    """In a `with` block, record the calls of :func:`dense` by the identity of their outputs.

    >>> import jax.numpy as jnp
    >>> with recorded_products() as products:
    ...     y = dense(jnp.ones((5, 3)), jnp.ones((3, 4)))
    >>> products[id(y)].kernel.shape
    (3, 4)
    """
    products: dict[int, Product] = {}
    around = _products.get()
    try:
        _products.set(products)
        yield products
    finally:
        _products.set(around)  # not `reset`, whose token is lost by an interrupt right after `set`


def _of_rows(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    y = lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))
    if bias is None:
        return y
    return lax.add(y, lax.broadcast_in_dim(bias, y.shape, (y.ndim - 1,)))


# Traced once for all layers of the same shapes, and inlined.
_affine: Callable[..., jax.Array] = jax.jit(_of_rows, inline=True)
