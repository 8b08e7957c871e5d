"""The devices of a program: where its arrays are stored, and in what form it computes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import jax

from lamina.core.base.pytrees import map_tree
from lamina.core.tree.variable import Variable
from lamina.distribute import Placement
from lamina.training.optimizers.initial_state import initial_state, sharded_state
from lamina.training.step.carry import Carry
from lamina.training.step.gradient_check import gradients_are_finite

__all__ = ["MeshDevices", "OneDevice"]


class OneDevice:
    """The default device: arrays are used as they are.

    Args:
        jit: whether the program is compiled.
    """

    def __init__(self, jit: bool) -> None:
        self._jit = jit

    def optimizer_state(self, init: Callable[[Any], Any], weights: dict[str, jax.Array]) -> Any:
        """Return the state of an optimizer before the first step.

        Args:
            init: the optimizer's `init`.
            weights: the values of the trainable variables, by path.
        """
        return initial_state(init, weights, self._jit)

    def carry(self, carry: Carry, variables: Sequence[Variable]) -> Carry:
        """Return the first carry as it is stored.

        Args:
            carry: the carry.
            variables: all variables, in the order of the carry.
        """
        return carry

    def replicated(self, tree: Any) -> Any:
        """Return arrays that each device has as a whole."""
        return tree

    def batch(self, batch: Any) -> Any:
        """Return a batch as it is stored."""
        return batch

    def weights(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> Sequence[Any]:
        """Return, within a program, the values of variables as it computes with them."""
        return arrays

    def gradients(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return, within a program, gradients as they are stored."""
        return gradients

    def are_finite(self, gradients: tuple[Any, ...]) -> jax.Array:
        """Return whether gradients seem finite."""
        return gradients_are_finite(gradients)

    def stored(self, carry: Carry) -> Carry:
        """Return, within a program, the carry after a step as it is stored."""
        return carry


class MeshDevices(OneDevice):
    """The devices of a placement.

    XLA divides the operations of a program; it is told where each array is stored, because it would
    otherwise choose a place for the results itself.

    Args:
        jit: whether the program is compiled.
        placement: of the weights; it divides batches as well.
    """

    def __init__(self, jit: bool, placement: Placement) -> None:
        super().__init__(jit)
        self._placement = placement
        self._shardings: Any = None  # of the carry
        self._partitions: dict[int, Any] = {}  # by the identity of a variable
        self._parts: list[tuple[int, ...]] | None = None  # of each axis of each gradient
        self._has_batch = False

    def optimizer_state(self, init: Callable[[Any], Any], weights: dict[str, jax.Array]) -> Any:
        return sharded_state(init, weights, self._placement.sharding())

    def carry(self, carry: Carry, variables: Sequence[Variable]) -> Carry:
        scalars = self.replicated((carry.accumulators, carry.steps, carry.finite))
        carry = Carry(*carry[:3], *scalars)
        arrays: Any = zip(variables, (*carry.trainable, *carry.non_trainable), strict=True)
        self._partitions = {id(variable): array.sharding.spec for variable, array in arrays}
        self._shardings = map_tree(lambda array: array.sharding, carry)
        parts = [_parts(array) for array in carry.trainable]
        self._parts = parts if any(count > 1 for counts in parts for count in counts) else None
        return carry

    def replicated(self, tree: Any) -> Any:
        return self._placement.replicate(tree)

    def batch(self, batch: Any) -> Any:
        if not self._has_batch:
            self._has_batch = True
            self._placement.check_batch(batch)
        return self._placement.place_batch(batch)

    def weights(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> Sequence[Any]:
        """Return weights that are not split over the parts of a batch.

        Stacked weights stay split: a scan gathers those of one layer at a time.
        """
        if not self._jit:
            return arrays
        gathered = self._placement.gathered
        return [
            array if variable.copies else gathered(array, self._partitions[id(variable)])
            for variable, array in zip(variables, arrays, strict=True)
        ]

    def gradients(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._constrained(gradients, self._shardings.trainable)

    def are_finite(self, gradients: tuple[Any, ...]) -> jax.Array:
        return gradients_are_finite(gradients, self._parts)

    def stored(self, carry: Carry) -> Carry:
        return self._constrained(carry, self._shardings)

    def _constrained(self, tree: Any, shardings: Any) -> Any:
        if not self._jit:
            return tree
        return cast(Any, jax.lax.with_sharding_constraint)(tree, shardings)


def _parts(array: jax.Array) -> tuple[int, ...]:
    """Return the number of parts of each axis of an array on several devices."""
    part = array.sharding.shard_shape(array.shape)
    return tuple(size // max(own, 1) for size, own in zip(array.shape, part, strict=True))
