"""The working memory of compiled steps, in pieces that the C library keeps from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

__all__ = ["PIECE", "compiled", "largest"]

PIECE = 2**25 - 2**16  # bytes: two of them fill one heap of a thread of glibc's


OPTION = "xla_multiheap_size_constraint_per_heap"


class _WholeError(Exception):
    """A program's working memory must stay in one piece."""


def compiled(
    function: Callable[..., Any], jit: bool = True, donate: bool = False
) -> Callable[..., Any]:
    """The function under `jax.jit`; on the CPU its working memory comes in pieces of `PIECE` bytes.

    XLA's programs on the CPU ask the C library for their working memory at each run, in one
    piece. What is larger than 32 MiB glibc maps anew each time, so that each run meets each page
    for the first time; smaller pieces it mostly keeps (mallopt(3), M_MMAP_THRESHOLD). Programs
    are as by `jax.jit` alone from the first on in which an array is larger than a piece, and
    where JAX keeps programs on disk: it cannot keep those whose memory comes in pieces.

    Args:
        function: of arrays and pytrees of them.
        jit: if not, the function as it is.
        donate: whether the first argument's arrays may be used up.
    """
    if not jit:
        return function
    plain: Any = jax.jit(function, donate_argnums=0 if donate else ())
    if jax.default_backend() != "cpu":
        return plain

    def checked(*args: Any) -> Any:
        if _on_disk() or largest(plain.trace(*args).jaxpr) > PIECE:
            raise _WholeError
        return plain(*args)  # traced already

    run: Any = jax.jit(
        checked,
        donate_argnums=0 if donate else (),
        compiler_options={OPTION: PIECE},
    )

    def call(*args: Any) -> Any:
        nonlocal run
        try:
            return run(*args)
        except _WholeError:
            run = plain
        except RuntimeError as error:
            if OPTION not in str(error):  # an XLA that does not know it
                raise
            run = plain
        return run(*args)

    return call


def largest(jaxpr: Any) -> int:
    """Bytes of the largest array that a program computes, those of its loops and branches too.

    >>> import jax.numpy as jnp
    >>> largest(jax.make_jaxpr(lambda x: x @ x.T)(jnp.ones((3, 2))))
    36
    """
    made = (variable.aval for equation in _all(jaxpr) for variable in equation.outvars)
    return max(map(_size, made), default=0)


def _on_disk() -> bool:
    config: Any = jax.config
    return bool(config.jax_enable_compilation_cache and config.jax_compilation_cache_dir)


def _all(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(list(equation.params.values())):
            if hasattr(inner, "eqns"):
                yield from _all(inner)


def _size(aval: Any) -> int:
    shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", None)
    return int(np.prod(shape, dtype=np.int64)) * getattr(dtype, "itemsize", 0)
