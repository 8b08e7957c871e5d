"""The arrays of an optimizer's state as variables, also while steps of training change them."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp

from lamina.core.base.lock import LOCK
from lamina.core.tree.cell import Cell
from lamina.core.tree.values import SURROUNDING
from lamina.core.tree.variable import assign_all

__all__ = ["CountCell", "Holder", "RateCell", "StateCell", "state_cell"]


class Holder(Protocol):
    """What holds the state of an optimizer during training."""

    def state_array(self, index: int) -> Any: ...

    def set_state_array(self, index: int, array: Any) -> None: ...


class StateCell(Cell):
    """An array of an optimizer's state.

    During training the steps hold the array, and donate it from one to the next; reading it returns
    a copy. A scalar is equal to a number of the same value.
    """

    _holder: tuple[Holder, int] | None = None

    def hold(self, holder: Holder | None, index: int = 0) -> None:
        """Let a holder keep the array, or keep it here again.

        Args:
            holder: has the array; None if the cell is to have its present value.
            index: the position of the array.
        """
        value = None if holder is not None else self.stored()
        self._holder = None if holder is None else (holder, index)
        self._value = value

    @property
    def built(self) -> bool:
        return self._holder is not None or self._value is not None

    def stored(self) -> jax.Array:
        if self._holder is None:
            return super().stored()
        holder, index = self._holder
        with LOCK:
            return jnp.copy(holder.state_array(index))

    def _store(self, array: jax.Array) -> None:
        if self._holder is None or SURROUNDING.get() is not None:
            assign_all([self], [array])
        else:
            holder, index = self._holder
            with LOCK:
                holder.set_state_array(index, array)

    def __eq__(self, other: object) -> bool:
        if self is other or self.shape:
            return self is other
        if isinstance(other, int | float):
            return self.numpy() == self.numpy().dtype.type(other)
        return float(self) == other

    __hash__ = Cell.__hash__

    def __repr__(self) -> str:
        if self.shape:
            return super().__repr__()
        return f"Variable(name={self.name!r}, dtype={self.weight_dtype}, value={self.value})"


class CountCell(StateCell):
    """The number of updates, of which the parts of an optimizer have one each.

    Attributes:
        others: the numbers of the other parts.
    """

    others: tuple[StateCell, ...] = ()

    def _set(self, array: jax.Array) -> None:
        super()._set(array)
        for other in self.others:
            other._set(array.astype(other.weight_dtype))


class RateCell(StateCell):
    """A learning rate."""


def state_cell(name: str, leaf: Any, initial: Any = "zeros") -> StateCell:
    """The cell of an array of the state.

    Args:
        name: the position of the array in the state, such as ``"0/hyperparams/learning_rate"``.
        leaf: the array, or its shape and dtype if something else holds it.
        initial: the value before one is assigned; zeros by default.
    """
    last = name.rpartition("/")[2]
    kind = {"count": CountCell, "learning_rate": RateCell}.get(last, StateCell)
    made = kind(leaf.shape, initial, dtype=leaf.dtype, trainable=False, name=name)
    made._value = leaf if isinstance(leaf, jax.Array) else None
    return made


# In JAX functions a cell is a pytree of one leaf, as a variable is; unflattening gives an array.
def _as_tree(cell: StateCell) -> tuple[tuple[Any], None]:
    return (cell.value,), None


def _from_tree(_: None, leaves: tuple[Any]) -> Any:
    return leaves[0]


for _kind in (StateCell, CountCell, RateCell):
    jax.tree_util.register_pytree_node(_kind, _as_tree, _from_tree)
