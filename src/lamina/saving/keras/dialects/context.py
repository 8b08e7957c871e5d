"""What the conversion of a config depends on, besides the config."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from lamina.saving.keras.dialects.version import Version
from lamina.saving.keras.errors import refused

__all__ = ["Context", "Fields"]

Fields = dict[str, Any]
"""A dict of JSON."""


def _no_shapes(name: str) -> list[tuple[int, ...]]:
    return []


@dataclass(frozen=True)
class Context:
    """What the conversion of a config depends on.

    Attributes:
        version: the version of Keras that wrote the config.
        path: the path of the file, for errors.
        custom: the names of the caller's classes and functions.
        shapes: returns the shapes of the arrays of a layer of the root, by its name.
    """

    version: Version
    path: str
    custom: Collection[str] = ()
    shapes: Callable[[str], list[tuple[int, ...]]] = _no_shapes

    def refused(self, problem: str, received: str, remedy: str = "") -> Exception:
        """Make the error about a part of the config that Lamina does not have."""
        return refused(
            self.path,
            problem,
            expected="layers and options that Lamina has",
            received=received,
            remedy=remedy or "Make the model in code.",
        )
