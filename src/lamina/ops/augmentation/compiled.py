"""One program for each function, when it is called outside of other programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import jax

__all__ = ["one_program"]

_F = TypeVar("_F", bound=Callable[..., jax.Array])


def one_program(*static: str) -> Callable[[_F], _F]:
    """A decorator: compiles a function of arrays, which JAX would run one operation at a time.

    Args:
        static: the names of arguments that are no arrays; a program is compiled for each value.

    >>> import jax.numpy as jnp
    >>> @one_program("size")
    ... def ones(x, size):
    ...     return x + jnp.ones(size)
    >>> ones(jnp.float32(1), 2).tolist()
    [2.0, 2.0]
    """

    def compiled(function: _F) -> _F:
        return cast("_F", jax.jit(function, static_argnames=static, inline=True))

    return compiled
