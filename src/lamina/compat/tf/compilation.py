"""`tf.function`: compiled functions that read and assign variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from lamina.imperative import CompiledFunction

__all__ = ["function"]

Decorator = Callable[[Callable[..., Any]], CompiledFunction]


@overload
def function(func: Callable[..., Any], **options: Any) -> CompiledFunction: ...
@overload
def function(
    func: None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    **options: Any,
) -> Decorator: ...
def function(
    func: Any = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    **options: Any,
) -> Any:
    """Compile a function; see :func:`lamina.imperative.function`.

    There is one program for each combination of shapes, dtypes and values of other arguments, such
    as numbers. Python control flow on values of arrays is an error: use `tf.where`.

    Args:
        func: the function; None (default) to return a decorator.
        input_signature: has no effect: a program is compiled for each shape. Default None.
        autograph: has no effect: Python code is not changed. Default True.
        jit_compile: has no effect: all programs are compiled by XLA. Default None.
        reduce_retracing: has no effect. Default False.
        **options: other options of TensorFlow, without effect.

    >>> import jax.numpy as jnp
    >>> @function
    ... def double(x):
    ...     return 2 * x
    >>> float(double(jnp.ones(())))
    2.0
    """
    return CompiledFunction if func is None else CompiledFunction(func)
