"""The flag `trainable` of a variable."""

from __future__ import annotations

from lamina.core.tree.edition import EDITION

__all__ = ["TrainableFlag"]


class TrainableFlag:
    """Whether training updates a variable.

    Args:
        declared: whether the variable was declared trainable.

    Attributes:
        is_parameter: whether it was declared trainable, frozen or not.
        inherits: whether the flag was never assigned, so that the layers which hold the variable
            freeze it.
    """

    def __init__(self, declared: bool) -> None:
        self.is_parameter = declared
        self.inherits = True
        self._trainable = declared

    @property
    def trainable(self) -> bool:
        """Whether optimizers update the variable; it may be assigned.

        Assigning the `trainable` of a layer assigns that of each parameter below it.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.flags = bool(value), False, self.is_parameter

    def declare_trainable(self, value: bool) -> None:
        """Declare again whether the variable is a parameter, which layers freeze and thaw."""
        self.flags = bool(value), True, bool(value)

    @property
    def flags(self) -> tuple[bool, bool, bool]:
        """`trainable`, whether it was never assigned, and `is_parameter`."""
        return self._trainable, self.inherits, self.is_parameter

    @flags.setter
    def flags(self, flags: tuple[bool, bool, bool]) -> None:
        self._trainable, self.inherits, self.is_parameter = flags
        EDITION.advance()
