"""The JSON in files of Keras, with tighter limits than those of Lamina's own files.

The objects of a config are walked over many times before a layer is made.
"""

from __future__ import annotations

from typing import Any

from lamina import json_text

__all__ = ["MOST_TEXT", "read_json"]

_SHARE = 4

MOST_TEXT = json_text.MOST_TEXT // _SHARE
"""The largest number of bytes of a text: of JSON, or a vocabulary."""


def read_json(text: str, what: str) -> Any:
    """Parse JSON of a file of Keras.

    Args:
        text: JSON.
        what: the name of the text, for the error.

    Returns:
        The value.

    Raises:
        FileFormatError: it is not JSON, or exceeds a limit.
    """
    return json_text.read_json(text, what, _SHARE)
