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
from lamina.core.specs.spec import is_array
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain

__all__ = ["check_first_input", "check_symbolic_input"]

_Sizes = Callable[[tuple[Any, ...]], tuple[Any, ...]]


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
    """
    _check(
        layer,
        args[0] if args else kwargs.get(method.inputs[0]) if method.inputs else None,
        lambda sizes: call.known_sizes(layer, sizes),
        lambda: layer_name(call, layer),
    )


def check_symbolic_input(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Check the first input of a call on symbolic values, as :func:`check_first_input`."""
    first = args[0] if args else next(iter(kwargs.values()), None)
    _check(layer, first, lambda sizes: sizes, lambda: type(layer).__name__)


def _check(layer: Tracked, inputs: Any, known: _Sizes, label: Callable[[], str]) -> None:
    specs = _leaves(layer.__dict__["input_spec"])
    if not any(isinstance(spec, InputSpec) for spec in specs):
        return  # an attribute of the user's, of another meaning
    arrays = _in_order(inputs, specs)
    if len(arrays) != len(specs):
        raise _misfit(layer, label(), f"{len(specs)} arrays", f"{len(arrays)}")
    for index, (array, spec) in enumerate(zip(arrays, specs, strict=True)):
        if not isinstance(spec, InputSpec) or (array is None and spec.optional):
            continue
        if not is_array(array):
            raise _misfit(layer, label(), "an array", repr(array))
        expected = spec.misfit(known(tuple(array.shape)), array.dtype)
        if expected is not None:
            place = f" for array {spec.name or index}" if len(specs) > 1 else ""
            received = f"shape {tuple(array.shape)}, {array.dtype}"
            raise _misfit(layer, label(), expected + place, received)


def _leaves(tree: Any) -> list[Any]:
    return flatten(tree, is_leaf=lambda leaf: leaf is None)[0]


def _in_order(inputs: Any, specs: list[Any]) -> list[Any]:
    """Return the arrays of the inputs; those in a dict by the names of the specs, if they have."""
    names = [getattr(spec, "name", None) for spec in specs]
    if isinstance(inputs, dict) and all(names):
        given = cast("dict[Any, Any]", inputs)
        return [given[name] for name in names if name in given]
    return _leaves(inputs)


def _misfit(layer: Tracked, label: str, expected: str, received: str) -> InputError:
    return InputError(
        explain(
            f"The input of {label} does not fit its input_spec.",
            where=f"made at {layer._lamina.made_at}; called at {site()}",
            expected=expected,
            received=received,
            remedy="Pass an input that fits, or change the input_spec of the layer.",
        )
    )
