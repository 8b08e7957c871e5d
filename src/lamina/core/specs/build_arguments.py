"""The arguments of `build` methods: the shapes of the inputs, by name or by position."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from lamina.core.specs.signature import Method
from lamina.core.specs.spec import Spec, map_specs
from lamina.errors import InputError, explain

__all__ = ["build_arguments", "default_shapes"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def build_arguments(
    build: Callable[..., Any],
    inputs: dict[str, Any],
    shape: Callable[[Any], Any],
    method: Method | None = None,
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments for the `build` method of a class.

    Args:
        build: the method.
        inputs: the inputs of `call` by name, as specs.
        shape: converts an input to its shape.
        method: the signature of `call`, if the names of the parameters are to be checked; None
            (default) for no check.

    Returns:
        Positional and keyword arguments: shapes by the names of the inputs, such as
        ``query_shape``, else by position.

    Raises:
        InputError: some parameters have the names of inputs, and another one has not.
    """
    parameters = _parameters(build)
    if len(parameters) == len(inputs) == 1 and parameters[0].kind in _NAMED:
        (value,) = inputs.values()
        if _has_spec(value):  # the common case: one array, whatever the parameter is called
            return [], {parameters[0].name: shape(value)}
    if method is not None and len(parameters) > 1:
        _check_names(build, method)
    arrays = {name: shape(value) for name, value in inputs.items() if _has_spec(value)}
    named = {f"{name}_shape": value for name, value in arrays.items()}
    positional = list(arrays.values())
    args: list[Any] = []
    by_name: dict[str, Any] = {}
    matched = sum(parameter.name in named for parameter in parameters)
    all_inputs = {f"{name}_shape" for name in inputs}
    for index, parameter in enumerate(parameters):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            args.extend(positional[index:])
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            taken = {other.name for other in parameters}
            by_name |= {name: value for name, value in named.items() if name not in taken}
        elif parameter.name in named:
            by_name[parameter.name] = named[parameter.name]
        elif parameter.name in all_inputs or matched > 0:
            if parameter.default is inspect.Parameter.empty:
                by_name[parameter.name] = None
        elif index < len(positional):
            by_name[parameter.name] = positional[index]
        elif parameter.default is inspect.Parameter.empty:
            by_name[parameter.name] = None
    if args:
        first = [by_name.pop(p.name) for p in parameters if p.name in by_name]
        args = first + args
    return args, by_name


def _check_names(build: Callable[..., Any], method: Method) -> None:
    """Check that all required parameters match inputs, if one of several does."""
    parameters = _parameters(build)
    kinds = {parameter.kind for parameter in method.signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    known = {f"{name}_shape" for name in method.inputs}
    names = [p.name for p in parameters if p.default is p.empty and p.kind in _NAMED]
    unknown = [name for name in names if name not in known]
    if not unknown or known.isdisjoint(p.name for p in parameters):
        return
    name, wanted = unknown[0], unknown[0].removesuffix("_shape")
    raise InputError(
        explain(
            f"build of {method.label.partition('.')[0]} has the argument `{name}`, "
            + (
                "which does not end in `_shape`."
                if wanted == name
                else f"but `call()` does not have argument `{wanted}`."
            ),
            expected=", ".join(f"{one}_shape" for one in method.inputs),
            received=f"build(self, {', '.join(p.name for p in parameters)})",
            remedy="Name each argument of build after an input of call, with `_shape` at its end.",
        )
    )


def default_shapes(build: Callable[..., Any] | None) -> tuple[Any, ...]:
    """Return the default arguments of a `build` method, for weights that depend on no input."""
    defaults = [parameter.default for parameter in (_parameters(build) if build else ())]
    return tuple(d for d in defaults if d is not None and d is not inspect.Parameter.empty)


@functools.cache
def _parameters(build: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(build).parameters.values())[1:]


def _has_spec(value: Any) -> bool:
    if isinstance(value, Spec):
        return True
    found: list[Spec] = []
    map_specs(found.append, value)
    return bool(found)
