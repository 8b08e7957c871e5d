"""The working memory of compiled steps, in pieces that the C library keeps from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

__all__ = ["PIECE", "calls_python", "compiled", "largest"]

PIECE = 2**25 - 2**16  # bytes: two of them fill one heap of a thread of glibc's


OPTION = "xla_multiheap_size_constraint_per_heap"


class _OtherwiseError(Exception):
    """A program must be compiled in another way, by the function that this holds."""

    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run


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
        donate: whether the first argument's arrays may be used up. A program that calls Python
            on the CPU leaves them: what Python raises there ends the program, without a result.
    """
    if not jit:
        return function
    plain: Any = jax.jit(function, donate_argnums=0 if donate else ())
    if jax.default_backend() != "cpu":
        return plain

    def checked(*args: Any) -> Any:
        program = plain.trace(*args).jaxpr
        if donate and calls_python(program):
            raise _OtherwiseError(jax.jit(function))
        if _on_disk() or largest(program) > PIECE:
            raise _OtherwiseError(plain)
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
        except _OtherwiseError as other:
            run = other.run
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


def calls_python(jaxpr: Any) -> bool:
    """Whether a program calls back into Python while it runs.

    >>> import jax.numpy as jnp
    >>> calls_python(jax.make_jaxpr(jnp.sin)(1.0))
    False
    """
    return any("callback" in equation.primitive.name for equation in _all(jaxpr))


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
