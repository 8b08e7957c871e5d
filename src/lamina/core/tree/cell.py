"""Cells: the variables of objects that are no layers, such as metrics and optimizers."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax

from lamina.core.base.jax_internals import is_traced, trace_state
from lamina.core.tree.values import SURROUNDING
from lamina.core.tree.variable import SCOPE, Variable, assign_all
from lamina.errors import TraceError, explain

__all__ = ["Cell", "cell_values"]


class _Values(NamedTuple):
    """Values of cells by identity, and the trace in which they were given."""

    by_id: dict[int, Any]
    trace: Any


_VALUES: ContextVar[tuple[_Values, ...]] = ContextVar("lamina_cell_values", default=())


class Cell(Variable):
    """A variable that no layer holds, such as an accumulator of a metric.

    Within :func:`cell_values` it has the value given there. Elsewhere it holds an array; a traced
    value that a layer's call assigns is then discarded with the trace.
    """

    @property
    def value(self) -> jax.Array:
        """The value given by :func:`cell_values`, else the stored one."""
        for values in reversed(_VALUES.get()):
            if id(self) in values.by_id:
                return values.by_id[id(self)]
        return self.surrounded()

    @property
    def dtype(self) -> Any:
        """The dtype of the value."""
        return self.weight_dtype

    def _set(self, array: jax.Array) -> None:
        for values in reversed(_VALUES.get()):
            if id(self) in values.by_id:
                if trace_state() != values.trace:
                    raise TraceError(_inner_trace(self))
                values.by_id[id(self)] = array
                return
        if not is_traced(array) or SURROUNDING.get() is not None:
            self._store(array)
        elif SCOPE.get() is None:
            raise TraceError(_traced(self))

    def _store(self, array: jax.Array) -> None:
        assign_all([self], [array])


@contextlib.contextmanager
def cell_values(cells: Sequence[Cell], arrays: Sequence[Any]) -> Generator[list[Any]]:
    """Give cells values within a ``with`` block; what they hold does not change.

    Args:
        cells: the cells.
        arrays: their values, in order.

    Returns:
        A context manager that returns a list; at the end of the block it is filled with the last
        values of the cells.
    """
    by_id = {id(cell): array for cell, array in zip(cells, arrays, strict=True)}
    around = _VALUES.get()
    after: list[Any] = []
    try:
        _VALUES.set((*around, _Values(by_id, trace_state())))
        yield after
    finally:
        _VALUES.set(around)
    after += [by_id[id(cell)] for cell in cells]


def _traced(cell: Cell) -> str:
    return explain(
        f"{cell.describe()} was updated in a traced function, which cannot change its state.",
        where=f"declared at {cell.declared_at}",
        expected="update_state with concrete values, or in a step of fit",
        received="values of a compiled function",
        remedy="Use values = metric.stateless_update_state(values, ...) in compiled functions.",
    )


def _inner_trace(cell: Cell) -> str:
    return explain(
        f"{cell.describe()} was assigned in a JAX transform within the step.",
        where=f"declared at {cell.declared_at}",
        expected="update_state outside of scan, while, cond, vmap and jax.grad",
        received="a value of an inner trace, which does not exist outside of it",
        remedy="Return the value from the transform, and update the metric with it outside.",
    )


# In JAX functions a cell is a pytree of one leaf, as a variable is; unflattening gives an array.
def _as_tree(cell: Cell) -> tuple[tuple[Any], None]:
    return (cell.value,), None


def _from_tree(_: None, leaves: tuple[Any]) -> Any:
    return leaves[0]


jax.tree_util.register_pytree_node(Cell, _as_tree, _from_tree)
