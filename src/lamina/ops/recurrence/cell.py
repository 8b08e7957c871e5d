"""The elementwise part of a recurrent step, and the layout of its gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.recurrence.steps import add_to_step

__all__ = ["Activation", "Cell", "State"]

Activation = Callable[[jax.Array], jax.Array]
State = tuple[jax.Array, ...]


class Cell(NamedTuple):
    """The elementwise part of a recurrent step.

    The projected input and the product of the state with the recurrent kernel each hold one part
    for every gate, side by side. For the first `shared` gates, `step` needs only the sum of both
    parts; for the others it needs both, first those of the input.

    Attributes:
        step: function of the pre-activations and the state, arrays ``[batch, ...]``, that returns
            the next state. It closes over no array.
        gates: number of gates.
        shared: number of gates of which `step` takes the sum.
        axis: axis of the gates; -1 by default.
    """

    step: Callable[[State, State], State]
    gates: int
    shared: int
    axis: int = -1

    def __call__(self, projected: jax.Array, product: jax.Array, state: State) -> State:
        """Returns the next state, from the projected input, the state's product and the state."""
        return self.step(self.combine(self.split(projected), self.split(product)), state)

    def split(self, array: jax.Array) -> State:
        """Splits an array into the parts of the gates."""
        axis = self.axis % array.ndim
        return tuple(lax.split(array, (array.shape[axis] // self.gates,) * self.gates, axis=axis))

    def combine(self, inputs: State, products: State) -> State:
        """Returns the pre-activations for `step`, from the parts of the input and of the state."""
        sums = map(lax.add, inputs[: self.shared], products[: self.shared])
        return (*sums, *inputs[self.shared :], *products[self.shared :])

    def of_product(self, preactivations: State) -> State:
        """Returns those of the pre-activations that the state's product is part of."""
        return preactivations[: self.shared] + preactivations[self.gates :]

    def add_product(
        self, projected: jax.Array, product: jax.Array, bias: jax.Array | None, index: jax.Array
    ) -> jax.Array:
        """Returns the projected input ``[batch, time, gates]`` with the product added to one step.

        The sums overwrite the projected input, and so do the gradients of both in the backward
        pass, which saves an array of all steps. A step must read the array that is returned, since
        XLA otherwise copies all of it at each step.
        """
        sums = product[:, : self.shared * (product.shape[1] // self.gates)]
        for row in _rows(bias):
            sums = jnp.add(sums, row[: sums.shape[1]])
        return add_to_step(projected, sums, index)

    def unshared(self, product: jax.Array, bias: jax.Array | None) -> State:
        """Returns the parts of the product that are not summed, with their bias."""
        return self._biased(self.split(product)[self.shared :], bias, 1)

    def preactivations_at(
        self, sums: jax.Array, unshared: State, bias: jax.Array | None, index: jax.Array
    ) -> State:
        """Returns the pre-activations of a step, from :meth:`add_product` and :meth:`unshared`.

        Each gate is sliced separately. If several gates are cut from one slice, XLA on CPU calls a
        function for each element and does not vectorize the loop.
        """
        batch, units = sums.shape[0], sums.shape[2] // self.gates
        offsets = [(0, index, gate * units) for gate in range(self.gates)]
        size = batch, 1, units
        every = tuple(
            lax.squeeze(lax.dynamic_slice(sums, offset, size, allow_negative_indices=False), (1,))
            for offset in offsets
        )
        return every[: self.shared] + self._biased(every[self.shared :], bias, 0) + unshared

    def preactivations(self, inputs: State, product: jax.Array, bias: jax.Array | None) -> State:
        """Returns the pre-activations, from the input's parts, the state's product and the bias.

        The bias is ``[gates units]``, or one row for the input and one for the product,
        ``[2, gates units]``.
        """
        products = self.split(product)
        if bias is not None:
            rows = [self.split(row) for row in _rows(bias)]
            inputs = tuple(map(jnp.add, inputs, rows[0]))
            products = tuple(map(jnp.add, products, rows[1])) if len(rows) == 2 else products
        return self.combine(inputs, products)

    def with_unshared(self, array: jax.Array, others: State) -> jax.Array:
        """Returns ``[batch, time, gates]`` with the gates that are not summed replaced.

        They overwrite a copy of the array. Concatenating them needs one more loop and copy.
        """
        units = array.shape[2] // self.gates
        for gate, other in enumerate(others, self.shared):
            array = lax.dynamic_update_slice(array, other, (0, 0, gate * units))
        return array

    def d_bias(self, bias: jax.Array, d_projected: jax.Array, d_products: jax.Array) -> jax.Array:
        """Returns the gradient of the bias, from those of input and product."""
        if bias.ndim == 1:
            return d_projected.sum((0, 1))
        return jnp.stack([d_projected.sum((0, 1)), d_products.sum((0, 1))])

    def _biased(self, parts: State, bias: jax.Array | None, row: int) -> State:
        """Returns parts that are not summed, with a row of the bias if it has that row."""
        rows = [self.split(each)[self.shared :] for each in _rows(bias)[row : row + 1]]
        return tuple(map(jnp.add, parts, rows[0])) if rows else parts


def _rows(bias: jax.Array | None) -> Sequence[jax.Array]:
    """Returns the rows of the bias: for the input, and for the product if there is one."""
    if bias is None:
        return []
    return [bias[0], bias[1]] if bias.ndim == 2 else [bias]
