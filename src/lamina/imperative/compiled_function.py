"""Compiled functions that read and assign variables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast, overload

import jax
import numpy as np

from lamina.core.base.interrupts import DeferredSignals
from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.tree.cell import Cell
from lamina.core.tree.values import SURROUNDING
from lamina.core.tree.variable import SCOPE, Variable, assign_all
from lamina.models.given_values import GivenValues

__all__ = ["CompiledFunction", "function"]


class _Program(NamedTuple):
    """The compiled function for one signature.

    Attributes:
        run: ``(values of reads, arrays) -> (arrays of the result, values of writes)``.
        reads: the variables that it reads or assigns.
        writes: the variables that it assigns.
        result: from the arrays of the result to the result.
    """

    run: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]
    reads: list[Variable]
    writes: list[Variable]
    result: Callable[[list[Any]], Any]


class CompiledFunction:
    """A function that is compiled for each signature of its arguments.

    Variables that the function reads are arguments of the program, and those that it assigns are
    results of it; they are found by a trace. Arrays, also of NumPy, are arguments. All other
    arguments, such as numbers and layers, are constants: another value compiles another program.
    Within another compiled function, and
    within the call of a layer, it runs as a part of that.

    Args:
        python_function: the function; its Python code runs while a program is traced, only.
    """

    def __init__(self, python_function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, python_function)
        self.python_function = python_function
        self._programs: dict[Any, _Program] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function, and assign the variables that it assigns."""
        if SCOPE.get() is not None or isinstance(SURROUNDING.get(), GivenValues):
            return self.python_function(*args, **kwargs)
        leaves, structure = cast("tuple[list[Any], Any]", _flattened((args, kwargs)))
        arrays = list(filter(_is_array, leaves))
        if any(map(is_traced, arrays)):
            return self.python_function(*args, **kwargs)
        constants = [None if _is_array(leaf) else leaf for leaf in leaves]
        key = structure, *map(_key, constants), *map(_type_of, arrays)
        program = self._programs.get(key)
        if program is None:
            flags = list(map(_is_array, leaves))

            def call(given: list[Any]) -> Any:
                args, kwargs = unflatten(structure, _merged(flags, given, constants))
                return self.python_function(*args, **kwargs)

            program = self._programs[key] = _compiled(call, arrays)
        found, written = program.run([one.surrounded() for one in program.reads], arrays)
        _assign(program.writes, written)
        return program.result(found)


@overload
def function(func: Callable[..., Any]) -> CompiledFunction: ...
@overload
def function(func: None = None) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def function(func: Any = None) -> Any:
    """Compile a function that reads and assigns variables; see :class:`CompiledFunction`.

    Args:
        func: the function; None (default) to return a decorator.

    >>> import jax.numpy as jnp
    >>> import lamina
    >>> total = lamina.Variable((), "zeros")
    >>> total = total.assign(0.0)
    >>> @function
    ... def add(x):
    ...     total.assign(total.value + x.sum())
    ...     return total.value
    >>> [float(add(jnp.ones(3))) for _ in range(2)]
    [3.0, 6.0]
    """
    return CompiledFunction if func is None else CompiledFunction(func)


class _Trace:
    """A trace of a function in which given variables are arguments.

    Args:
        call: the function of a list of arrays.
        variables: the variables.
    """

    def __init__(self, call: Callable[[list[Any]], Any], variables: list[Variable]) -> None:
        self._call = call
        self._variables = variables
        self.program: Any = jax.jit(self._run)
        self.values = GivenValues()
        self._structure: Any = None
        self._constants: list[Any] = []
        self._flags: list[bool] = []

    def _run(self, values: list[Any], given: list[Any]) -> tuple[list[Any], list[Any]]:
        with GivenValues(zip(self._variables, values, strict=True)) as self.values:
            result = self._call(given)
        leaves, self._structure = flatten(result)
        self._flags = list(map(_is_array, leaves))
        self._constants = [None if _is_array(leaf) else leaf for leaf in leaves]
        written = [self.values.current(variable) for variable in self.values.written]
        return list(filter(_is_array, leaves)), written

    def result(self, found: list[Any]) -> Any:
        """Return the result of the function, with the arrays that the program returned."""
        return unflatten(self._structure, _merged(self._flags, found, self._constants))


def _compiled(call: Callable[[list[Any]], Any], arrays: list[Any]) -> _Program:
    """Trace a function until all variables that it reads are arguments."""
    variables: list[Variable] = []
    while True:
        trace = _Trace(call, variables)
        trace.program.trace([variable.stored() for variable in variables], arrays)
        if not trace.values.found:
            return _Program(trace.program, variables, trace.values.written, trace.result)
        variables = [*variables, *trace.values.found]


def _assign(variables: list[Variable], arrays: list[Any]) -> None:
    """Assign variables of layers together, and those of optimizers and metrics where they are."""
    pairs = list(zip(variables, arrays, strict=True))
    weights = [pair for pair in pairs if not isinstance(pair[0], Cell)]
    with DeferredSignals():
        assign_all([variable for variable, _ in weights], [array for _, array in weights])
        for variable, array in pairs:
            if isinstance(variable, Cell):
                variable.assign(array)


def _merged(flags: list[bool], arrays: list[Any], constants: list[Any]) -> list[Any]:
    """Return the arrays where the flags are set, and the constants elsewhere."""
    values = iter(arrays)
    return [
        next(values) if flag else constant for flag, constant in zip(flags, constants, strict=True)
    ]


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | np.generic)


def _flattened(arguments: Any) -> Any:
    """Return the leaves and the structure of arguments; a variable or a layer is a leaf."""
    return cast(Any, jax.tree).flatten(arguments, is_leaf=_is_leaf)


def _is_leaf(value: Any) -> bool:
    return not isinstance(value, list | tuple | dict)


def _key(constant: Any) -> Any:
    """Return a key of a constant: its value if that can be compared, else its identity."""
    if constant is None or isinstance(constant, bool | int | float | complex | str | bytes):
        return type(constant), constant
    return _Identity(constant)


class _Identity:
    """A key that is equal to that of the same object only, and keeps the object."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


def _type_of(array: Any) -> Any:
    return array.shape, str(array.dtype), getattr(array, "weak_type", False)
