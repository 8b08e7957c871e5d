"""Calling a graph of layers on arrays or on symbolic values."""

from __future__ import annotations

from typing import Any, cast

import jax.numpy as jnp

from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.calling.views import name as name_of
from lamina.core.running.masks import copy_masks
from lamina.core.running.scope import current, set_masks
from lamina.core.specs.spec import Arguments, Spec, as_specs, covers
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.graph import Graph, substituted
from lamina.models.model_state import SymbolicEnds
from lamina.models.symbol import Symbol

__all__ = ["as_declared", "layers_called", "run", "symbolic_ends"]

_NUMBERS = (jnp.number, jnp.bool_)


def as_declared(array: Any, spec: Any) -> Any:
    """An array in the dtype of its `Input`, if that dtype holds all values of the array's own.

    >>> import numpy as np
    >>> as_declared(np.uint8([200]), Spec((1,), "float32")).dtype
    dtype('float32')
    """
    kind = getattr(array, "dtype", None)
    if kind is None or not isinstance(spec, Spec) or kind == spec.dtype:
        return array
    numbers = all(any(jnp.issubdtype(one, k) for k in _NUMBERS) for one in (kind, spec.dtype))
    holds = numbers and jnp.promote_types(kind, spec.dtype) == spec.dtype
    if not holds:
        return array
    cast_array, scope = array.astype(spec.dtype), current()
    if scope is not None:
        copy_masks(scope.call.masks, array, cast_array)
    return cast_array


def layers_called(model: Layer, graph: Graph) -> list[Any]:
    """The layer of each step, as the model holds it now."""
    return [getattr(model, step.layer) for step in graph.steps]


def run(model: Layer, graph: Graph, inputs: tuple[Any, ...], mask: Any) -> Any:
    """The outputs of a graph.

    Args:
        model: the model that holds the layers.
        graph: its graph.
        inputs: the positional arguments of the model's call.
        mask: the mask of the input, or one for each input in the form of the inputs.

    Raises:
        InputError: the inputs do not fit the graph's.
    """
    arrays = [[*map(as_declared, _in_order(model, graph, inputs), _specs_of(graph))]]
    if mask is not None:
        masks = _one_for_each(_masks_in_order(graph, mask), len(arrays[0]))
        set_masks(arrays[0], masks)
    for step, layer in zip(graph.steps, layers_called(model, graph), strict=True):
        args, kwargs = substituted((step.args, step.kwargs), arrays)
        arrays.append(leaves_of(layer(*args, **kwargs)))
    return substituted(graph.outputs, arrays)


def symbolic_ends(model: Layer, graph: Graph) -> SymbolicEnds:
    """New symbolic inputs, and the outputs of the graph's layers for them."""
    layers = layers_called(model, graph)
    for layer in layers:
        layer._lamina.symbolic_calls.clear()
    structure = flatten(graph.inputs, is_leaf=_is_spec)[1]
    values: list[list[Any]] = [[Symbol(spec) for spec in _specs_of(graph)]]
    for step, layer in zip(graph.steps, layers, strict=True):
        args, kwargs = substituted((step.args, step.kwargs), values)
        values.append(leaves_of(layer(*args, **kwargs)))
    inputs = unflatten(structure, values[0])
    return SymbolicEnds(inputs, substituted(graph.outputs, values), layers)


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, Spec)


def _specs_of(graph: Graph) -> list[Spec]:
    return flatten(graph.inputs, is_leaf=_is_spec)[0]


def _masks_in_order(graph: Graph, given: Any) -> Any:
    """The masks of a dict, in the order of the graph's inputs; any other mask as it is."""
    if not isinstance(given, dict):
        return given
    by_name = cast("dict[Any, Any]", given)
    inputs: Any = graph.inputs
    names: Any = sorted(cast("dict[Any, Any]", inputs)) if isinstance(inputs, dict) else None
    return [by_name.get(name) for name in names or graph.names]


def _one_for_each(mask: Any, count: int) -> list[Any]:
    parts = list(cast("list[Any]", mask)) if isinstance(mask, list | tuple) else [mask]
    return parts if len(parts) == count else [parts[0] if parts else None] * count


def _in_order(model: Layer, graph: Graph, inputs: tuple[Any, ...]) -> list[Any]:
    """The arrays in the order of the graph's inputs.

    Raises:
        InputError: names, number, shapes or dtypes do not fit.
    """
    given: Any = inputs
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple | dict):
        given = cast(Any, inputs[0])
    if isinstance(given, dict):
        given = _by_name(model, graph, cast("dict[Any, Any]", given))
    elif isinstance(graph.inputs, dict) and given is not inputs:
        raise _misfit(model, list(cast("dict[str, Any]", graph.inputs)), ["a list, without names"])
    wanted, arrays = _specs_of(graph), leaves_of(given)
    specs = [as_specs(array) for array in arrays]
    fits = len(wanted) == len(arrays) and all(
        not isinstance(spec, Spec)
        or covers(Arguments((one,), {}), Arguments((Spec(spec.shape, one.dtype),), {}))
        for one, spec in zip(wanted, specs, strict=True)
    )
    if not fits:
        raise _misfit(model, wanted, specs)
    return arrays


def _by_name(model: Layer, graph: Graph, given: dict[Any, Any]) -> Any:
    """A dict of arrays, in the form of the graph's inputs."""
    if isinstance(graph.inputs, dict):
        named = cast("dict[Any, Any]", graph.inputs)
        if given.keys() != named.keys():
            raise _misfit(model, list(named), list(given))
        return given
    if set(graph.names) != set(given):
        expected = [name or "an Input without a name" for name in graph.names]
        raise _misfit(model, expected, list(given))
    return [given[name] for name in graph.names]


def _misfit(model: Layer, expected: list[Any], received: list[Any]) -> InputError:
    return InputError(
        explain(
            f"The inputs do not fit {name_of(model)}.",
            where=f"made at {model._lamina.made_at}",
            expected=", ".join(map(str, expected)),
            received=", ".join(map(str, received)),
            remedy="Give one array for each Input, in their order or by their names.",
        )
    )
