"""Sizes of arrays in a call: those that are known, and inputs that are too small."""

from __future__ import annotations

from typing import Any

from lamina.core.running.scope import current
from lamina.core.tree.node import Tracked
from lamina.errors import InputError

__all__ = ["TooSmallError", "known_sizes"]


class TooSmallError(InputError):
    """An input has fewer elements along an axis than the layer needs."""


def known_sizes(layer: Tracked, sizes: tuple[Any, ...]) -> tuple[int | None, ...]:
    """The sizes of an array's axes in a layer's `build` or `call`; None for those not known.

    While a plan is traced, axes whose size is unknown have some size, which must not be checked.

    Args:
        layer: the layer that asks.
        sizes: as the layer sees them.
    """
    scope = current()
    return sizes if scope is None else scope.call.known_sizes(layer, sizes)
