"""The check of a layer's first input against its `input_spec`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from lamina.core.base.pytrees import flatten
from lamina.core.base.sites import site
from lamina.core.running.errors import layer_name
from lamina.core.running.interpreter import Interpreter
from lamina.core.specs.input_spec import InputSpec
from lamina.core.specs.signature import Method
from lamina.core.specs.spec import Arguments, as_specs, is_array
from lamina.core.tree.node import Tracked
from lamina.errors import BuildError, InputError, LaminaError, explain

__all__ = ["check_first_input", "check_symbolic_input"]


def check_first_input(
    call: Interpreter,
    layer: Tracked,
    method: Method,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Check the first input of a call, if `layer.input_spec` holds an :class:`InputSpec`.

    Raises:
        InputError: it does not fit.
        BuildError: it does not fit, whatever its unknown sizes are.
    """
    given = Arguments(as_specs(args), as_specs(kwargs))
    specs = call.known_specs(layer, given)
    kind = InputError if specs is given else BuildError  # the latter ends the search for sizes
    if specs.args:
        first = specs.args[0]
    else:
        first = next((specs.kwargs[n] for n in method.inputs if n in specs.kwargs), None)
    _check(layer, first, lambda: layer_name(call, layer), kind)


def check_symbolic_input(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Check the first input of a call on symbolic values, as :func:`check_first_input`."""
    first = args[0] if args else next(iter(kwargs.values()), None)
    _check(layer, first, lambda: type(layer).__name__, InputError)


def _check(layer: Tracked, inputs: Any, label: Callable[[], str], kind: type[LaminaError]) -> None:
    specs = _leaves(layer.__dict__["input_spec"])
    if not any(isinstance(spec, InputSpec) for spec in specs):
        return  # an attribute of the user's, of another meaning
    arrays = _in_order(inputs, specs)
    if len(arrays) != len(specs):
        raise kind(_misfit(layer, label(), f"{len(specs)} arrays", f"{len(arrays)}"))
    for index, (array, spec) in enumerate(zip(arrays, specs, strict=True)):
        if not isinstance(spec, InputSpec) or (array is None and spec.optional):
            continue
        if array is None or not is_array(array):
            raise kind(_misfit(layer, label(), "an array", repr(array)))
        expected = spec.misfit(tuple(array.shape), array.dtype)
        if expected is not None:
            place = f" for array {spec.name or index}" if len(specs) > 1 else ""
            received = f"shape {tuple(array.shape)}, {array.dtype}"
            raise kind(_misfit(layer, label(), expected + place, received))


def _leaves(tree: Any) -> list[Any]:
    return flatten(tree, is_leaf=lambda leaf: leaf is None)[0]


def _in_order(inputs: Any, specs: list[Any]) -> list[Any]:
    """Return the arrays of the inputs; those in a dict by the names of the specs, if they have."""
    names = [getattr(spec, "name", None) for spec in specs]
    if isinstance(inputs, dict) and all(names):
        given = cast("dict[Any, Any]", inputs)
        return [given[name] for name in names if name in given]
    return _leaves(inputs)


def _misfit(layer: Tracked, label: str, expected: str, received: str) -> str:
    return explain(
        f"The input of {label} does not fit its input_spec.",
        where=f"made at {layer._lamina.made_at}; called at {site()}",
        expected=expected,
        received=received,
        remedy="Pass an input that fits, or change the input_spec of the layer.",
    )
