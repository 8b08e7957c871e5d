"""Working memory of compiled steps on the CPU, in pieces that the C library reuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

__all__ = ["PIECE", "calls_python", "compiled", "largest"]

PIECE = 2**25 - 2**16  # bytes: two of them fill one heap of a thread in glibc
OPTION = "xla_multiheap_size_constraint_per_heap"


class _RecompileError(Exception):
    """The program must be compiled with other options, by the function `run`."""

    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run


def compiled(
    function: Callable[..., Any], jit: bool = True, donate: bool = False
) -> Callable[..., Any]:
    """Compile a function; on the CPU, its working memory is allocated in pieces of `PIECE` bytes.

    A program of XLA on the CPU allocates its working memory at each run, in one piece. glibc maps
    a piece larger than 32 MiB anew each time, so that each run causes a page fault for each page;
    it reuses smaller pieces (mallopt(3), M_MMAP_THRESHOLD). The function is compiled by `jax.jit`
    without this option once an array of it is larger than a piece, and if JAX caches programs on
    disk, which it cannot do with this option.

    Args:
        function: of arrays and pytrees of arrays.
        jit: if False, the function is returned unchanged.
        donate: whether to donate the first argument. On the CPU, a program that calls Python does
            not donate it: an exception of the callback ends the program without a result.

    Returns:
        The compiled function.
    """
    if not jit:
        return function
    plain: Any = jax.jit(function, donate_argnums=0 if donate else ())
    if jax.default_backend() != "cpu":
        return plain

    def checked(*args: Any) -> Any:
        program = plain.trace(*args).jaxpr
        if donate and calls_python(program):
            raise _RecompileError(jax.jit(function))
        if _on_disk() or largest(program) > PIECE:
            raise _RecompileError(plain)
        return plain(*args)  # already traced

    run: Any = jax.jit(
        checked,
        donate_argnums=0 if donate else (),
        compiler_options={OPTION: PIECE},
    )

    def call(*args: Any) -> Any:
        nonlocal run
        try:
            return run(*args)
        except _RecompileError as error:
            run = error.run
        except RuntimeError as error:
            if OPTION not in str(error):  # this XLA has no such option
                raise
            run = plain
        return run(*args)

    return call


def largest(jaxpr: Any) -> int:
    """Return the bytes of the largest array that a program computes, also in loops and branches.

    Arrays that nothing reads do not count: XLA does not compute them.

    >>> import jax.numpy as jnp
    >>> largest(jax.make_jaxpr(lambda x: (x @ x.T, jnp.ones(100))[0])(jnp.ones((3, 2))))
    36
    """
    made = (variable.aval for equation in _all(jaxpr, True) for variable in equation.outvars)
    return max(map(_size, made), default=0)


def calls_python(jaxpr: Any) -> bool:
    """Return whether a program calls Python while it runs.

    >>> import jax.numpy as jnp
    >>> calls_python(jax.make_jaxpr(jnp.sin)(1.0))
    False
    """
    return any("callback" in equation.primitive.name for equation in _all(jaxpr))


def _on_disk() -> bool:
    config: Any = jax.config
    return bool(config.jax_enable_compilation_cache and config.jax_compilation_cache_dir)


def _all(jaxpr: Any, read: bool = False) -> Iterator[Any]:
    """Yield the equations of a program and of those within it; with `read`, those that are used."""
    for equation in _read(jaxpr) if read else jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(list(equation.params.values())):
            if hasattr(inner, "eqns"):
                yield from _all(inner, read)


def _read(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations whose results are read, or which have effects, the last one first."""
    needed = {id(variable) for variable in getattr(jaxpr, "jaxpr", jaxpr).outvars}
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(id(variable) in needed for variable in equation.outvars):
            needed |= {id(variable) for variable in equation.invars}
            yield equation


def _size(aval: Any) -> int:
    shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", None)
    return int(np.prod(shape, dtype=np.int64)) * getattr(dtype, "itemsize", 0)
