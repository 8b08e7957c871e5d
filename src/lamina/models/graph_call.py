"""Calling a graph of layers on arrays or on symbolic values."""

from __future__ import annotations

import warnings
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.calling.views import name as name_of
from lamina.core.running.mask_records import Masks
from lamina.core.running.masks import copy_masks
from lamina.core.running.scope import current, set_masks
from lamina.core.specs.spec import Arguments, Spec, as_specs, covers
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layer_state import symbolic_input, symbolic_output
from lamina.models.graph import (
    Graph,
    graph_of,
    optional_inputs,
    substituted,
    symbols_of,
    with_order_of,
)
from lamina.models.layer_names import names_of_inputs
from lamina.models.model_state import SymbolicEnds, state_of

__all__ = [
    "as_declared",
    "ends_of",
    "in_order",
    "layers_called",
    "of_declared_rank",
    "run",
    "specs_of_steps",
    "symbolic_ends",
]

_NUMBERS = (jnp.number, jnp.bool_)


def as_declared(array: Any, spec: Any) -> Any:
    """An array in the form of its `Input`.

    The dtype becomes that of the `Input` if that is a floating dtype, or holds all values of the
    array's dtype. A last axis of size 1 is added or removed if the `Input` has it, or lacks it.

    >>> import numpy as np
    >>> array = as_declared(np.zeros(3, "uint8"), Spec((None, 1), "float32"))
    >>> array.shape, array.dtype
    ((3, 1), dtype('float32'))
    """
    kind = getattr(array, "dtype", None)
    if kind is None or not isinstance(spec, Spec):
        return array
    array = _of_rank(array, spec.shape)
    if spec.is_text or kind == spec.dtype:
        return array
    kinds = (kind, spec.dtype)
    if not all(any(jnp.issubdtype(one, k) for k in _NUMBERS) for one in kinds):
        return array
    holds = jnp.promote_types(kind, spec.dtype) == spec.dtype
    are_real = not jnp.issubdtype(kind, jnp.complexfloating)
    if not holds and not (are_real and jnp.issubdtype(spec.dtype, jnp.floating)):
        return array
    cast_array, scope = array.astype(spec.dtype), current()
    if scope is not None:
        copy_masks(scope.call.masks, array, cast_array)
    return cast_array


def of_declared_rank(array: Any, spec: Any) -> Any:
    """An array with the last axis of size 1 that a spec has, or without the one that it lacks."""
    declared = isinstance(spec, Spec) and hasattr(array, "shape")
    return _of_rank(array, spec.shape) if declared else array


def _of_rank(array: Any, wanted: tuple[Any, ...]) -> Any:
    shape = array.shape
    if len(shape) == len(wanted) + 1 and shape[-1] == 1 and _fit(shape[:-1], wanted):
        return array[..., 0]
    if len(shape) + 1 == len(wanted) and wanted[-1] == 1 and _fit(shape, wanted[:-1]):
        return array[..., None]
    return array


def _fit(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether sizes are those of known dims."""
    pairs = zip(shape, wanted, strict=True)
    return all(not isinstance(dim, int) or size == dim for size, dim in pairs)


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
    arrays = [in_order(model, graph, inputs)]
    if mask is not None:
        masks = _one_for_each(_masks_in_order(graph, mask), len(arrays[0]))
        set_masks(arrays[0], masks)
    scope = current()
    masks = Masks() if scope is None else scope.call.masks
    for step, layer in zip(graph.steps, layers_called(model, graph), strict=True):
        args, kwargs = substituted((step.args, step.kwargs), arrays)
        given = _without(arrays[0], (args, kwargs)) if masks else ()
        found = masks.of_tree(given)
        arrays.append(leaves_of(layer(*args, **kwargs)))
        if found is not None:
            masks.restore(given, found)
    outputs = substituted(graph.outputs, arrays)
    if masks:
        masks.remove([leaf for leaf in leaves_of(outputs) if masks.is_removed(leaf)])
    return outputs


def _without(inputs: list[Any], given: Any) -> list[Any]:
    """The arrays that a step is called on, except for the inputs of the graph."""
    return [leaf for leaf in leaves_of(given) if all(leaf is not one for one in inputs)]


def ends_of(model: Layer) -> tuple[Any, Any]:
    """The symbolic inputs and outputs; new ones for other layers, or a graph from a file."""
    graph, state = graph_of(model), state_of(model)
    if graph is None:
        return symbolic_input(model), symbolic_output(model)
    if state.ends is None or not state.ends.belong_to(layers_called(model, graph)):
        state.ends = symbolic_ends(model, graph)
    return state.ends.inputs, state.ends.outputs


def symbolic_ends(model: Layer, graph: Graph) -> SymbolicEnds:
    """New symbolic inputs, and the outputs of the graph's layers for them."""
    layers = layers_called(model, graph)
    for layer in layers:
        layer._lamina.symbolic_calls.clear()
    structure = flatten(graph.inputs, is_leaf=_is_spec)[1]
    values = _symbolic_values(graph, layers)
    inputs = with_order_of(graph.inputs, unflatten(structure, values[0]))
    return SymbolicEnds(inputs, substituted(graph.outputs, values), layers)


def specs_of_steps(model: Layer) -> list[list[Spec]]:
    """The specs of the inputs of a model's graph, and of the outputs of each of its steps."""
    graph = cast(Graph, graph_of(model))
    layers = layers_called(model, graph)
    calls = [[*layer._lamina.symbolic_calls] for layer in layers]
    try:
        return [[one.spec for one in step] for step in _symbolic_values(graph, layers)]
    finally:
        for layer, before in zip(layers, calls, strict=True):
            layer._lamina.symbolic_calls[:] = before


def _symbolic_values(graph: Graph, layers: list[Any]) -> list[list[Any]]:
    """New symbolic inputs, and the symbolic outputs of each step."""
    values: list[list[Any]] = [list(symbols_of(graph))]
    for step, layer in zip(graph.steps, layers, strict=True):
        args, kwargs = substituted((step.args, step.kwargs), values)
        values.append(leaves_of(layer(*args, **kwargs)))
    return values


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


def in_order(model: Layer, graph: Graph, inputs: tuple[Any, ...]) -> list[Any]:
    """Return the arrays in the order and the form of the graph's inputs.

    Raises:
        InputError: names, number, shapes or dtypes do not fit.
    """
    given: Any = inputs
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple | dict):
        given = cast(Any, inputs[0])
    if isinstance(given, dict):
        given = _by_name(model, graph, cast("dict[Any, Any]", given))
    elif isinstance(graph.inputs, dict) and given is not inputs:
        _check_order(model, graph, given)
    wanted, arrays = _specs_of(graph), leaves_of(given)
    if len(wanted) != len(arrays):
        arrays = flatten(given, is_leaf=lambda leaf: leaf is None)[0]
        _check_optional(model, graph, arrays)
    if len(wanted) == len(arrays):
        arrays = [*map(as_declared, arrays, wanted)]
    specs = [*map(_spec_of, arrays)]
    fits = len(wanted) == len(arrays) and all(
        not isinstance(spec, Spec)
        or covers(Arguments((one,), {}), Arguments((Spec(spec.shape, one.dtype),), {}))
        for one, spec in zip(wanted, specs, strict=True)
    )
    if not fits:
        raise _mismatch_error(model, wanted, specs)
    return arrays


def _spec_of(array: Any) -> Any:
    """The spec of an array, also of one of text."""
    if isinstance(array, np.ndarray) and cast("Any", array).dtype.kind in "OSUT":
        return Spec(cast("Any", array).shape, "string")
    return as_specs(array)


def _by_name(model: Layer, graph: Graph, given: dict[Any, Any]) -> Any:
    """The arrays that a dict has for the graph's inputs, in their form; others are left out."""
    if isinstance(graph.inputs, dict):
        named = cast("dict[Any, Any]", graph.inputs)
        if not named.keys() <= given.keys():
            raise _mismatch_error(model, list(named), list(given))
        if len(named) < len(given):
            _warn_of_structure(model, list(named), list(given), "Leave out the other keys.")
        return {name: given[name] for name in named}
    if not set(graph.names) <= set(given):
        expected = [name or "an Input without a name" for name in graph.names]
        raise _mismatch_error(model, expected, list(given))
    return [given[name] for name in graph.names]


def _check_order(model: Layer, graph: Graph, given: Any) -> None:
    """Check a list for a model with a dict of inputs; it is used in the order of sorted keys.

    Raises:
        InputError: the dict has another order.
    """
    names = list(cast("dict[str, Any]", graph.inputs))
    received = [f"a {type(given).__name__}, without names"]
    if names != sorted(names):
        raise _mismatch_error(model, sorted(names), received)
    _warn_of_structure(model, names, received, f"Pass a dict: {{{names[0]!r}: ...}}.")


def _warn_of_structure(model: Layer, expected: list[str], received: list[str], how: str) -> None:
    """Warn once for each model that inputs have another structure than the declared one."""
    state = state_of(model)
    if not state.warned:
        state.warned = True
        warnings.warn(
            explain(
                "The structure of `inputs` doesn't match the expected structure.",
                where=f"{name_of(model)} made at {model._lamina.made_at}",
                expected=", ".join(expected),
                received=", ".join(received),
                remedy=how,
            ),
            UserWarning,
            stacklevel=2,
        )


def _check_optional(model: Layer, graph: Graph, arrays: list[Any]) -> None:
    """Check that only optional inputs are None.

    Raises:
        InputError: another one is None.
    """
    optional = optional_inputs(graph)
    if len(arrays) == len(optional):
        names = names_of_inputs(graph.inputs, graph.names)
        for array, may_miss, name in zip(arrays, optional, names, strict=True):
            if array is None and not may_miss:
                raise InputError(
                    explain(
                        f"The input {name!r} is not optional.",
                        where=f"{name_of(model)} made at {model._lamina.made_at}",
                        expected="an array",
                        received="None",
                        remedy="Pass an array, or write Input(shape, optional=True).",
                    )
                )


def _mismatch_error(model: Layer, expected: list[Any], received: list[Any]) -> InputError:
    return InputError(
        explain(
            f"The inputs do not match {name_of(model)}.",
            where=f"made at {model._lamina.made_at}",
            expected=", ".join(map(str, expected)),
            received=", ".join(map(str, received)),
            remedy="Pass one array for each Input, in order or by name.",
        )
    )
