"""What a step of a recurrence does element by element, and where its gates stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.recurrence.axes import added_at

__all__ = ["Activation", "Cell", "State"]

Activation = Callable[[jax.Array], jax.Array]
State = tuple[jax.Array, ...]


class Cell(NamedTuple):
    """What a step does element by element. It closes over no array.

    Attributes:
        step: of the gates and the state before, arrays ``[batch, ...]`` each, the state after.
        gates: how many shares the input has, and the state; they stand side by side in one array.
        shared: of the first so many, `step` is given the sums alone. Then come the input's shares
            of the others, and then the state's.
        axis: where they stand side by side.
    """

    step: Callable[[State, State], State]
    gates: int
    shared: int
    axis: int = -1

    def __call__(self, projected: jax.Array, product: jax.Array, state: State) -> State:
        """A step, of the input's shares of all gates and the state's."""
        return self.step(self.meet(self.apart(projected), self.apart(product)), state)

    def apart(self, shares: jax.Array) -> State:
        """The shares of the gates, each by itself."""
        axis = self.axis % shares.ndim
        return tuple(lax.split(shares, (shares.shape[axis] // self.gates,) * self.gates, axis=axis))

    def meet(self, inputs: State, products: State) -> State:
        """What `step` is given."""
        sums = map(lax.add, inputs[: self.shared], products[: self.shared])
        return (*sums, *inputs[self.shared :], *products[self.shared :])

    def of_product(self, given: State) -> State:
        """Of arrays such as `step` is given, those of the state's shares."""
        return given[: self.shared] + given[self.gates :]

    def summed_at(
        self, shares: jax.Array, product: jax.Array, bias: jax.Array | None, index: jax.Array
    ) -> jax.Array:
        """The input's shares ``[batch, time, gates]``, a step's made the sums that it is given.

        They need no room of their own: the sums stand where the shares did, and the gradients of
        both can stand there after them. All that a step reads of the shares it is to read
        afterwards, of what is returned, for else XLA copies all of them at each step.
        """
        sums = product[:, : self.shared * (product.shape[1] // self.gates)]
        for row in _rows(bias):
            sums = jnp.add(sums, row[: sums.shape[1]])
        return added_at(shares, sums, index)

    def own(self, product: jax.Array, bias: jax.Array | None) -> State:
        """Of a step's product, bias and all, what is in no sum."""
        return self._biased(self.apart(product)[self.shared :], bias, 1)

    def given_at(
        self, shares: jax.Array, own: State, bias: jax.Array | None, index: jax.Array
    ) -> State:
        """What `step` is given, of shares with a step's sums in them and of what is in no sum.

        The gates are read each by itself. XLA on CPU turns one slice of which several gates are
        cut into a function that it calls for each number, and a loop around that it leaves
        without vector instructions.
        """
        batch, units = shares.shape[0], shares.shape[2] // self.gates
        starts = [(0, index, gate * units) for gate in range(self.gates)]
        size = batch, 1, units
        every = tuple(
            lax.squeeze(lax.dynamic_slice(shares, at, size, allow_negative_indices=False), (1,))
            for at in starts
        )
        return every[: self.shared] + self._biased(every[self.shared :], bias, 0) + own

    def given(self, shares: State, product: jax.Array, bias: jax.Array | None) -> State:
        """What `step` is given, of the input's shares, the state's and the bias.

        The bias is one row for either, ``[2, gates units]``, or one for both, ``[gates units]``.
        """
        products = self.apart(product)
        if bias is not None:
            rows = [self.apart(row) for row in _rows(bias)]
            shares = tuple(map(jnp.add, shares, rows[0]))
            products = tuple(map(jnp.add, products, rows[1])) if len(rows) == 2 else products
        return self.meet(shares, products)

    def with_others(self, shares: jax.Array, others: State) -> jax.Array:
        """Shares ``[batch, time, gates]`` with others in place of those that are not shared.

        They are written over a copy: to join them to what stays is one more loop and copy.
        """
        units = shares.shape[2] // self.gates
        for gate, other in enumerate(others, self.shared):
            shares = lax.dynamic_update_slice(shares, other, (0, 0, gate * units))
        return shares

    def d_bias(self, bias: jax.Array, d_projected: jax.Array, d_products: jax.Array) -> jax.Array:
        """The gradient of the bias, from those of the shares, ``[batch, time, gates]``."""
        if bias.ndim == 1:
            return d_projected.sum((0, 1))
        return jnp.stack([d_projected.sum((0, 1)), d_products.sum((0, 1))])

    def _biased(self, unshared: State, bias: jax.Array | None, row: int) -> State:
        """Shares of the gates that are not shared, with a row of the bias, if it has so many."""
        rows = [self.apart(each)[self.shared :] for each in _rows(bias)[row : row + 1]]
        return tuple(map(jnp.add, unshared, rows[0])) if rows else unshared


def _rows(bias: jax.Array | None) -> Sequence[jax.Array]:
    """That of the input's shares, and that of the state's."""
    if bias is None:
        return []
    return [bias[0], bias[1]] if bias.ndim == 2 else [bias]
