"""Versions of Keras, as files name them."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

__all__ = ["Version", "version_of"]

Version: TypeAlias = tuple[int, int]


def version_of(text: Any) -> Version:
    """Read the version of Keras that wrote a file.

    Args:
        text: the attribute `keras_version`; None for a file that has none, as in Keras 1.

    Returns:
        The major and the minor version.

    >>> version_of("2.2.4-tf"), version_of(None), version_of("3.15.1")
    ((2, 2), (1, 0), (3, 15))
    """
    found = re.match(r"(\d{1,4})(?:\.(\d{1,4}))?", text) if isinstance(text, str) else None
    return (int(found[1]), int(found[2] or 0)) if found else (1, 0)
