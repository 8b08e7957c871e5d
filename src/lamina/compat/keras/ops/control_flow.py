"""Loops, conditions and transformations of functions of `keras.ops`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina import Variable
from lamina.compat.keras.ops.symbols import has_symbols, on_symbols
from lamina.errors import InputError, explain

__all__ = ["CONTROL_FLOW"]

_jax: Any = jax
_jnp: Any = jnp
_Function = Callable[..., Any]


def _arrays(value: Any) -> Any:
    """Variables as the arrays that they hold: `jax.lax` takes no others."""

    def one(leaf: Any) -> Any:
        return leaf.value if is_variable(leaf) else leaf

    def is_variable(leaf: Any) -> bool:
        return isinstance(leaf, Variable)

    return _jax.tree.map(one, value, is_leaf=is_variable)


def cond(pred: Any, true_fn: _Function, false_fn: _Function) -> Any:
    """The outputs of `true_fn()` where `pred` is True, of `false_fn()` otherwise."""
    return _jax.lax.cond(_arrays(pred), _branch(true_fn), _branch(false_fn))


def _branch(function: _Function) -> _Function:
    def branch() -> Any:
        found = function()
        if has_symbols(found):
            raise InputError(
                explain(
                    "A branch of keras.ops.cond returned a symbol.",
                    expected="a function that returns arrays",
                    received="a symbol of the graph",
                    remedy="Use keras.ops.where, or a keras.Layer with the condition in its call.",
                )
            )
        return found

    return branch


def scan(
    f: _Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> Any:
    """``carry, y = f(carry, x)`` for each x along the first axis: the last carry, and all ys."""
    return _jax.lax.scan(f, _arrays(init), _arrays(xs), length, reverse, unroll)


def map_(f: _Function, xs: Any) -> Any:
    """Apply a function to each element along the first axis, one after the other."""
    return _jax.lax.map(f, _arrays(xs))


def vectorized_map(function: _Function, elements: Any) -> Any:
    """Apply a function to all elements along the first axis at once."""
    return _jax.vmap(function)(_arrays(elements))


def associative_scan(f: _Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All partial results of an associative function along an axis."""
    return _jax.lax.associative_scan(f, _arrays(elems), reverse, axis)


def fori_loop(lower: Any, upper: Any, body_fun: _Function, init_val: Any) -> Any:
    """``value = body_fun(i, value)`` for i from `lower` to `upper` (exclusive)."""
    return _jax.lax.fori_loop(_arrays(lower), _arrays(upper), body_fun, _arrays(init_val))


def switch(index: Any, branches: Sequence[_Function], *operands: Any) -> Any:
    """The outputs of one of several functions."""
    return _jax.lax.switch(_arrays(index), branches, *_arrays(operands))


def while_loop(
    cond: _Function, body: _Function, loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)``."""
    several = isinstance(loop_vars, list | tuple)
    first = tuple(cast("Sequence[Any]", loop_vars)) if several else (loop_vars,)

    def goes_on(state: Any) -> Any:
        values, count = state
        more = cond(*values)
        return more if maximum_iterations is None else more & (count < maximum_iterations)

    def step(state: Any) -> Any:
        values, count = state
        made = body(*values)
        return tuple(made) if several else (made,), count + 1

    values, _ = _jax.lax.while_loop(goes_on, step, (_arrays(first), 0))
    return values if several else values[0]


def custom_gradient(f: _Function) -> _Function:
    """A function with a gradient of its own: `f` returns its outputs and the gradient function."""
    derived: Any = _jax.custom_gradient(f)

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        return derived(*_arrays(args), **_arrays(kwargs))

    return call


def vectorize(pyfunc: _Function, *, excluded: Any = None, signature: str | None = None) -> Any:
    """A function of elements as a function of arrays."""
    return _jnp.vectorize(pyfunc, excluded=excluded or frozenset(), signature=signature)


def jvp(fun: _Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The outputs of a function, and their derivative along the tangents."""
    return _jax.jvp(fun, tuple(_arrays(primals)), tuple(_arrays(tangents)), has_aux=has_aux)


CONTROL_FLOW: dict[str, Any] = {
    "associative_scan": on_symbols(associative_scan),
    "cond": on_symbols(cond),
    "custom_gradient": custom_gradient,
    "fori_loop": on_symbols(fori_loop),
    "jvp": jvp,
    "map": on_symbols(map_),
    "scan": on_symbols(scan),
    "switch": on_symbols(switch),
    "vectorize": vectorize,
    "vectorized_map": on_symbols(vectorized_map),
    "while_loop": on_symbols(while_loop),
}
"""The functions by their names in `keras.ops`."""
