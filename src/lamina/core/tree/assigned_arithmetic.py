"""Addition and subtraction in place, for objects with `value` and `assign`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lamina.narrowing import array_of

__all__ = ["AssignedArithmetic"]


class AssignedArithmetic:
    """The base of a class whose objects hold an array ``value`` that ``assign`` sets."""

    if TYPE_CHECKING:

        @property
        def value(self) -> Any: ...

        def assign(self, value: Any) -> Any: ...

    def assign_add(self, value: Any) -> Self:
        """Add an array or a number to the value, as :meth:`assign`.

        Args:
            value: an array that broadcasts to the variable's shape, or a number.

        Returns:
            The variable.

        Raises:
            InputError: the result has another shape than the variable.
            TraceError: as of :meth:`assign`.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> layer.bias.assign_add(2.0).numpy().tolist()
        [2.0]
        """
        return self.assign(self.value + array_of(value))

    def assign_sub(self, value: Any) -> Self:
        """Subtract an array or a number from the value, as :meth:`assign`.

        Args:
            value: an array that broadcasts to the variable's shape, or a number.

        Returns:
            The variable.

        Raises:
            InputError: the result has another shape than the variable.
            TraceError: as of :meth:`assign`.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> layer.bias.assign_sub(2.0).numpy().tolist()
        [-2.0]
        """
        return self.assign(self.value - array_of(value))
