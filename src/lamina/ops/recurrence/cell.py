"""What a step of a recurrence does element by element, and where its gates stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import lax

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

    def joint(self, input_bias: jax.Array, product_bias: jax.Array) -> jax.Array:
        """The biases of the two shares, ``[gates units]`` each, as one of what `step` is given."""
        return lax.concatenate(self.meet(self.apart(input_bias), self.apart(product_bias)), 0)

    def of_product(self, given: State) -> State:
        """Of arrays such as `step` is given, those of the state's shares."""
        return given[: self.shared] + given[self.gates :]

    def shares_at(self, projected: jax.Array, index: jax.Array) -> State:
        """The input's shares of the gates at a step, each read from ``[time, batch, gates]`` alone.

        XLA on CPU turns one slice of which several gates are cut into a function that it calls
        for each number, and a loop around that it leaves without vector instructions.
        """
        batch, units = projected.shape[1], projected.shape[2] // self.gates
        starts = [(index, 0, gate * units) for gate in range(self.gates)]
        return tuple(lax.dynamic_slice(projected, at, (1, batch, units))[0] for at in starts)

    def given(self, shares: State, product: jax.Array, bias: jax.Array | None) -> State:
        """What `step` is given, of the input's shares, the state's and the bias."""
        gates = self.meet(shares, self.apart(product))
        if bias is None:
            return gates
        rows = lax.split(bias, (gates[0].shape[-1],) * len(gates))
        return tuple(gate + row for gate, row in zip(gates, rows, strict=True))

    def d_bias(self, d_projected: jax.Array, d_products: jax.Array) -> jax.Array:
        """The gradient of the bias, from those of the shares, ``[time, batch, gates]``."""
        shared = self.shared * (d_products.shape[2] // self.gates)
        parts = d_products[..., :shared], d_projected[..., shared:], d_products[..., shared:]
        return lax.concatenate([part.sum((0, 1)) for part in parts], 0)
