"""Files of data sets, where Keras keeps them."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

from lamina.compat.keras.utils.files import get_file
from lamina.errors import InputError, explain

__all__ = ["STORE", "cached_file"]

STORE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""Where Keras publishes most of its data sets."""


def cached_file(
    name: str,
    origin: str,
    digest: str | None = None,
    folder: str = "datasets",
    extract: bool = False,
) -> Path:
    """The path of a file in ``~/.keras`` or ``$KERAS_HOME``; if it is not there, it is downloaded.

    A file that is there is used, with a warning if it is not the published one.

    Args:
        name: the name of the file, or of the folder with the content of an archive.
        origin: where the file is published.
        digest: its SHA-256 or MD5. Default None: not known.
        folder: the folder inside of Keras's. Default ``"datasets"``.
        extract: whether it is an archive to be extracted. Default False.

    Raises:
        InputError: the file is not there and cannot be downloaded; the error names both places.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home.expanduser() / folder / name
    if path.exists():
        if digest is not None and path.is_file() and _digest(path, digest) != digest:
            warnings.warn(f"{path} is not the file of {origin}.", stacklevel=3)
        return path
    try:
        return Path(get_file(name, origin, file_hash=digest, cache_subdir=folder, extract=extract))
    except OSError as error:
        what = f"the content of {origin} to the folder" if extract else f"{origin} to"
        raise InputError(
            explain(
                "A data set is not in Keras's cache, and cannot be downloaded.",
                expected=f"{path}, or access to {origin}",
                received=str(error)[:200],
                remedy=f"Download {what} {path}.",
            )
        ) from error


def _digest(path: Path, wanted: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256" if len(wanted) == 64 else "md5").hexdigest()
