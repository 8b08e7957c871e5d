"""Cells of any kind: what a cell must have, its initial state, and its run over a sequence."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.running.precision import compute_dtype
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.step_keys import step_keys
from lamina.layers.recurrent.units import RecurrentCell
from lamina.ops.recurrence import over_steps

__all__ = ["as_list", "check_cell", "initial_states", "run_cell", "state_specs"]


def as_list(states: Any) -> list[Any]:
    """Returns states as a list; a bare state becomes a list of one."""
    return list(cast("list[Any]", states)) if isinstance(states, list | tuple) else [states]


def check_cell(layer: Tracked, cell: Any) -> Layer:
    """Returns the cell if it is a layer with `call` and `state_size`.

    Raises:
        InputError: it is not.
    """
    problem = None
    if not isinstance(cell, Layer):
        problem = "which is not a layer"
    elif isinstance(cell, RecurrentLayer):
        problem = "which runs over time by itself"
    elif getattr(type(cell).call, "missing", False):
        problem = "which has no call"
    elif not _is_size(getattr(cell, "state_size", None)):
        problem = f"whose state_size is {getattr(cell, 'state_size', 'missing')!r}"
    if problem is None:
        return cell
    raise InputError(
        explain(
            f"{type(layer).__name__} got a cell that it cannot run.",
            where=f"made at {layer._lamina.made_at}",
            expected="a layer with call(self, inputs, states), which returns (output, states), and "
            "state_size, a positive integer or a list with one for each state",
            received=f"{cell!r}, {problem}",
            remedy="Derive the cell from lamina.Layer, and set self.state_size in its __init__.",
        )
    )


def _is_size(size: Any) -> bool:
    if isinstance(size, list | tuple):
        sizes = cast("list[Any]", size)
        return len(sizes) > 0 and all(map(_is_size, sizes))
    number: Any = size
    integer = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return integer and bool(number > 0)


def state_specs(cell: Any, batch: int) -> Any:
    """Returns the shapes and dtypes of a cell's state, in the structure of its `state_size`."""
    get_initial_state = getattr(cell, "get_initial_state", None)
    if get_initial_state is not None:
        return jax.eval_shape(lambda: get_initial_state(batch_size=batch))
    return map_tree(
        lambda spec: jax.ShapeDtypeStruct(spec.shape, spec.dtype), sizes_to_specs(cell, batch)
    )


def sizes_to_specs(cell: Any, batch: int | None) -> Any:
    """Returns the specs of a state, in the structure of the cell's `state_size`."""

    def spec(size: Any) -> Any:
        if not isinstance(size, list | tuple):
            return Spec((batch, int(size)), compute_dtype(cell))
        return [spec(inner) for inner in cast("list[Any]", size)]

    return spec(cell.state_size)


def initial_states(cell: Any, batch: int) -> Any:
    """Returns what the cell's `get_initial_state` gives, or zeros if it has none."""
    get_initial_state = getattr(cell, "get_initial_state", None)
    if get_initial_state is not None:
        return get_initial_state(batch_size=batch)
    return map_tree(lambda spec: jnp.zeros(spec.shape, spec.dtype), state_specs(cell, batch))


def run_cell(
    layer: Layer,
    cell: Layer,
    sequences: jax.Array,
    states: Any,
    mask: jax.Array | None,
    unroll: bool,
) -> tuple[jax.Array, Any]:
    """Runs a cell over all steps: at once if its `call` takes ``over_time``, else in a loop.

    Args:
        layer: the layer whose random key is split over the steps.
        cell: the cell.
        sequences: ``[batch, time, ...]``.
        states: the initial state, a list as the cell's `call` takes it.
        mask: bool ``[batch, time]``, or None.
        unroll: compile the steps one after the other instead of a loop.

    Returns:
        ``(outputs, states)``: ``[batch, time, ...]``, and the final state.

    Raises:
        InputError: the cell does not return an output and states of the shapes that it received.
    """
    if "over_time" in method_of(type(cell), "call").signature.parameters:
        return cell(sequences, states, over_time=True, mask=mask, unroll=unroll)

    def step(x: jax.Array, state: Any, key: Any) -> tuple[jax.Array, Any]:
        result = cell(x, state) if key is None else cell(x, state, rng=key)
        return _output_and_states(cell, result, state)

    keys = step_keys(layer, sequences.shape[1])
    if keys is not None and isinstance(cell, RecurrentCell):  # its dropout has one mask for all
        keys = jnp.broadcast_to(keys[:1], keys.shape)
    return over_steps(step, sequences, states, mask, keys, unroll=unroll)


def _output_and_states(cell: Layer, result: Any, before: Any) -> tuple[jax.Array, Any]:
    """Returns the output and the new state in the structure of the previous one."""
    pair = cast("list[Any]", result) if isinstance(result, list | tuple) else []
    previous, structure = flatten(before)
    states = flatten(pair[1])[0] if len(pair) == 2 else []
    if [jnp.shape(state) for state in states] == [state.shape for state in previous]:
        same = [jnp.asarray(new, old.dtype) for new, old in zip(states, previous, strict=True)]
        return pair[0], unflatten(structure, same)
    shapes = ", ".join(str(state.shape) for state in previous)
    raise InputError(
        explain(
            f"{type(cell).__name__}.call did not return an output and the next states.",
            where=f"made at {cell._lamina.made_at}",
            expected=f"(output, states), with states of the shapes {shapes}",
            received=str(map_tree(jnp.shape, result)),
            remedy="Return output, [state, ...], and keep the shape of each state.",
        )
    )
