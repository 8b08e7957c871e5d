"""A `with` block in which variables have other values, and keep their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Self

import jax.numpy as jnp

from lamina.core.running.added_losses import added_losses
from lamina.core.tree.values import SURROUNDING, Surrounding
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain

__all__ = ["GivenValues"]


class GivenValues:
    """In a `with` block, variables have given values, and assigned values are collected.

    The variables themselves do not change, so that the block may run in a transform of JAX.
    :meth:`lamina.Layer.apply` does the same for one call.

    Args:
        values: pairs of a variable and its value; others have their own. Default: none.

    Raises:
        InputError: a key is not a variable, or a value has another shape.

    >>> from lamina import layers
    >>> layer = layers.Dense(1, kernel_initializer="zeros")
    >>> layer.build((None, 2))
    >>> with GivenValues([(layer.kernel, jnp.ones((2, 1)))]) as given:
    ...     outputs = layer(jnp.ones((1, 2)))
    ...     change = layer.bias.assign([3.0])
    >>> outputs.tolist(), given.current(layer.bias).tolist(), layer.bias.numpy().tolist()
    ([[2.0]], [3.0], [0.0])
    """

    def __init__(self, values: Iterable[tuple[Variable, Any]] = ()) -> None:
        self._values: dict[int, Any] = {}
        self._given = list(values)  # which keeps the variables, whose identities are keys
        for variable, value in self._given:
            given: Any = variable
            shape = given.shape if isinstance(given, Variable) else None
            array: Any = jnp.asarray(value)
            if shape != array.shape:
                raise InputError(
                    explain(
                        "A value that is given for a variable does not fit it.",
                        expected="pairs of a variable and an array of its shape",
                        received=f"{given!r} and an array of the shape {array.shape}",
                        remedy="Pass [(variable, value), ...].",
                    )
                )
            self._values[id(variable)] = array.astype(variable.weight_dtype)
        self._written: dict[int, Variable] = {}
        self._found: dict[int, Variable] = {}
        self._around: Surrounding | None = None
        self._blocks = ExitStack()
        self._losses: list[Any] = []

    def __enter__(self) -> Self:
        self._around = SURROUNDING.get()
        self._blocks.callback(SURROUNDING.reset, SURROUNDING.set(self))
        self._losses = self._blocks.enter_context(added_losses())
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.close()

    def read(self, variable: Variable) -> Any:
        """Return the value of a variable in the block."""
        if id(variable) in self._values:
            return self._values[id(variable)]
        self._found[id(variable)] = variable
        return variable.stored() if self._around is None else self._around.read(variable)

    def assign(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
        """Assign values in the block."""
        for variable, array in zip(variables, arrays, strict=True):
            if id(variable) not in self._values:
                self._found[id(variable)] = variable
            self._values[id(variable)] = array
            self._written[id(variable)] = variable

    @property
    def found(self) -> list[Variable]:
        """The variables that were read or assigned in the block, and had no given value."""
        return list(self._found.values())

    @property
    def written(self) -> list[Variable]:
        """The variables that were assigned in the block."""
        return list(self._written.values())

    def current(self, variable: Variable) -> Any:
        """Return the value that was last assigned to a variable in the block, or given for it.

        Args:
            variable: the variable.

        Returns:
            The array; None if it was neither.
        """
        return self._values.get(id(variable))

    @property
    def losses(self) -> list[Any]:
        """The losses that calls of layers added in the block."""
        return list(self._losses)
