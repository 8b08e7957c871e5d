"""The known sizes of arrays in a call, and the error of inputs that are too small."""

from __future__ import annotations

from typing import Any

from lamina.core.running.scope import current
from lamina.core.tree.node import Tracked
from lamina.errors import InputError

__all__ = ["TooSmallError", "known_sizes"]


class TooSmallError(InputError):
    """An input has fewer elements along an axis than the layer needs.

    Args:
        message: the message.
        lacking: how many elements the axis lacks; 1 by default.
    """

    def __init__(self, message: str, lacking: int = 1) -> None:
        super().__init__(message)
        self.lacking = lacking


def known_sizes(layer: Tracked, sizes: tuple[Any, ...]) -> tuple[int | None, ...]:
    """Return the sizes of axes, with None for unknown ones.

    While a plan is traced, axes of unknown size have a trial size, which need not be valid.

    Args:
        layer: the layer whose `build` or `call` is running.
        sizes: the sizes of the axes of its input.
    """
    scope = current()
    return sizes if scope is None else scope.call.known_sizes(layer, sizes)
