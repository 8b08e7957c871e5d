"""A `with` block in which variables have other values, and keep their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import jax.numpy as jnp

from lamina.core.running.computing_calls import GivenCall
from lamina.core.running.scope import Scope, current
from lamina.core.tree.variable import SCOPE, Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer

__all__ = ["GivenValues"]


class GivenValues:
    """In a `with` block, variables have given values, and assigned values are collected.

    The variables themselves do not change, so that the block may run in a transform of JAX. Layers
    in it must be built. :meth:`lamina.Layer.apply` does the same for one call.

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
        self._root = Layer()
        self._call: GivenCall | None = None
        self._around: Any = None

    def __enter__(self) -> Self:
        around = current()
        parent = None if around is None else around.call
        self._call = GivenCall(self._root, self._values, parent=parent)
        self._around = around
        SCOPE.set(Scope(self._call, self._root, False, None if around is None else around.key))
        return self

    def __exit__(self, *_: object) -> None:
        SCOPE.set(self._around)

    def current(self, variable: Variable) -> Any:
        """Return the value that was last assigned to a variable in the block, or given for it.

        Args:
            variable: the variable.

        Returns:
            The array; None if it was neither.
        """
        written = {} if self._call is None else self._call.written
        return written.get(id(variable), self._values.get(id(variable)))

    @property
    def losses(self) -> list[Any]:
        """The losses that layers added in the block."""
        return [] if self._call is None else list(self._call.losses)
