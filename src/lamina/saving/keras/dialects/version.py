"""Versions of Keras, as files name them."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from lamina.errors import FileFormatError, explain

__all__ = ["Version", "version_of"]

Version: TypeAlias = tuple[int, int]


def version_of(text: Any) -> Version:
    """Read the version of Keras that wrote a file.

    Args:
        text: the attribute `keras_version`; None for a file that has none, as in Keras 1.

    Returns:
        The major and the minor version.

    Raises:
        FileFormatError: it is not a version, so that the meaning of the file is not known.

    >>> version_of("2.2.4-tf"), version_of(None), version_of("3.15.1")
    ((2, 2), (1, 0), (3, 15))
    """
    if text is None:
        return 1, 0
    found = re.match(r"(\d{1,4})(?:\.(\d{1,4}))?", text) if isinstance(text, str) else None
    if found is None:
        raise FileFormatError(
            explain(
                "The file names a version of Keras that cannot be read.",
                expected="a version such as 2.3.1, which decides what its layers mean",
                received=repr(text)[:100],
                remedy="Save the model again in Keras.",
            )
        )
    return int(found[1]), int(found[2] or 0)
