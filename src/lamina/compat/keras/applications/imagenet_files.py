"""Files of ImageNet, the weights and the names of the classes, where Keras keeps them."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.errors import InputError, explain

__all__ = ["cached_file"]


def cached_file(url: str, file: str | None = None) -> Path:
    """The path of a file in Keras's cache, ``~/.keras/models`` or ``$KERAS_HOME/models``.

    Nothing is downloaded.

    Args:
        url: where the file is published.
        file: its name in the cache; None (default): the last part of the URL.

    Returns:
        The path of an existing file.

    Raises:
        InputError: the file is not there; the error names the URL and the path.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / (file or url.rpartition("/")[2])
    if not path.is_file():
        raise InputError(
            explain(
                "A file of ImageNet is not in Keras's cache, and Lamina downloads nothing.",
                expected=f"the file {path}",
                received="no such file",
                remedy=f"Download {url} to that path; a model without it takes weights=None.",
            )
        )
    return path
