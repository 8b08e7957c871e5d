"""Cells of any kind: what they have to be, where they start, how they run over time."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.running.precision import compute_dtype
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.recurrent.base import Recurrence
from lamina.layers.recurrent.step_keys import step_keys
from lamina.layers.recurrent.units import Dropping
from lamina.ops.recurrence import over_steps

__all__ = ["as_list", "check_cell", "first_states", "run_cell", "state_specs"]


def as_list(states: Any) -> list[Any]:
    """States in a list, also where there is only one, which may come bare."""
    return list(cast("list[Any]", states)) if isinstance(states, list | tuple) else [states]


def check_cell(layer: Tracked, cell: Any) -> Layer:
    """The cell, if it is one: a layer with a `call` and a `state_size`.

    Raises:
        InputError: it is not.
    """
    problem = None
    if not isinstance(cell, Layer):
        problem = "which is not a layer"
    elif isinstance(cell, Recurrence):
        problem = "which runs over time by itself"
    elif not callable(getattr(cell, "call", None)):
        problem = "which has no call"
    elif not _is_size(getattr(cell, "state_size", None)):
        problem = f"whose state_size is {getattr(cell, 'state_size', 'missing')!r}"
    if problem is None:
        return cell
    raise InputError(
        explain(
            f"{type(layer).__name__} got a cell that it cannot run.",
            where=f"made at {layer._lamina.made_at}",
            expected="a layer with call(self, inputs, states), which gives (output, states), and "
            "state_size: a whole number above 0, or a list with one for each state",
            received=f"{cell!r}, {problem}",
            remedy="Derive the cell from lamina.Layer, and set self.state_size in its __init__.",
        )
    )


def _is_size(size: Any) -> bool:
    if isinstance(size, list | tuple):
        sizes = cast("list[Any]", size)
        return len(sizes) > 0 and all(map(_is_size, sizes))
    return isinstance(size, int) and not isinstance(size, bool) and size > 0


def state_specs(cell: Any, batch: int) -> Any:
    """The shapes and dtypes of a cell's state, in the structure in which it gives its size."""
    initial = getattr(cell, "get_initial_state", None)
    if initial is not None:
        return jax.eval_shape(lambda: initial(batch_size=batch))

    def spec(size: Any) -> Any:
        if isinstance(size, int):
            return jax.ShapeDtypeStruct((batch, size), compute_dtype(cell))
        return [spec(inner) for inner in size]

    return spec(cell.state_size)


def first_states(cell: Any, batch: int) -> Any:
    """The state from which a cell starts by itself: what it says, or zeros."""
    initial = getattr(cell, "get_initial_state", None)
    if initial is not None:
        return initial(batch_size=batch)
    return map_tree(lambda spec: jnp.zeros(spec.shape, spec.dtype), state_specs(cell, batch))


def run_cell(
    layer: Layer,
    cell: Layer,
    sequences: jax.Array,
    states: Any,
    mask: jax.Array | None,
    unroll: bool,
) -> tuple[jax.Array, Any]:
    """Run a layer's cell over all steps: at once where it can do that, else one by one.

    Args:
        layer: whose key is split over the steps.
        cell: what runs.
        sequences: ``[batch, time, ...]``.
        states: a list, as the cell's `call` takes them.
        mask: bool, ``[batch, time]``, or None.
        unroll: whether there is to be no loop.

    Returns:
        ``(outputs, states)``: ``[batch, time, ...]``, and the last state.

    Raises:
        InputError: the cell gives something else than an output and the state that it got.
    """
    if "over_time" in method_of(type(cell), "call").signature.parameters:
        return cell(sequences, states, over_time=True, mask=mask, unroll=unroll)

    def step(x: jax.Array, state: Any, key: Any) -> tuple[jax.Array, Any]:
        made = cell(x, state) if key is None else cell(x, state, rng=key)
        return _parted(cell, made, state)

    keys = step_keys(layer, sequences.shape[1])
    if keys is not None and isinstance(cell, Dropping):  # it drops the same at every step
        keys = jnp.broadcast_to(keys[:1], keys.shape)
    return over_steps(step, sequences, states, mask, keys, unroll=unroll)


def _parted(cell: Layer, made: Any, before: Any) -> tuple[jax.Array, Any]:
    """The output and the state that a cell made, the state in the structure of the one before."""
    pair = cast("list[Any]", made) if isinstance(made, list | tuple) else []
    given, structure = flatten(before)
    states = flatten(pair[1])[0] if len(pair) == 2 else []
    if [jnp.shape(state) for state in states] == [state.shape for state in given]:
        same = [jnp.asarray(new, old.dtype) for new, old in zip(states, given, strict=True)]
        return pair[0], unflatten(structure, same)
    shapes = ", ".join(str(state.shape) for state in given)
    raise InputError(
        explain(
            f"{type(cell).__name__}.call gave something else than an output and its next states.",
            where=f"made at {cell._lamina.made_at}",
            expected=f"(output, states), with states of the shapes {shapes}",
            received=str(map_tree(jnp.shape, made)),
            remedy="Return output, [state, ...], each state with the shape that it came in.",
        )
    )
