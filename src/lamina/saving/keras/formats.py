"""Which format of Keras a file has, by its first bytes."""

from __future__ import annotations

import enum
import os

from lamina.errors import InputError, explain

__all__ = ["Format", "format_of", "is_for_keras"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_FURTHEST = 1 << 20  # HDF5 may begin after a block of the user, at a power of two


class Format(enum.Enum):
    """A format of Keras; the value describes it in errors."""

    ARCHIVE = "a zip archive, as .keras files are"
    FOLDER = "a folder with config.json and model.weights.h5"
    HDF5 = "an HDF5 file"
    JSON = "JSON, an architecture or the index of sharded weights"
    SAVED_MODEL = "a SavedModel of TensorFlow"


def format_of(path: str | os.PathLike[str]) -> Format | None:
    """Return the format of a file or folder of Keras; None for all others.

    Args:
        path: the path; its name does not matter.
    """
    name = os.fsdecode(path)
    if os.path.isdir(name):
        if os.path.isfile(os.path.join(name, "config.json")):
            return Format.FOLDER
        saved = os.path.isfile(os.path.join(name, "saved_model.pb"))
        return Format.SAVED_MODEL if saved else None
    if not os.path.isfile(name):  # opening a pipe, for example, could block
        return None
    with open(name, "rb") as stream:
        start = stream.read(1024)
        if start.startswith(_ZIP):
            return Format.ARCHIVE
        if start.startswith(_HDF5):
            return Format.HDF5
        if start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return Format.JSON
        at = 512
        while at <= _FURTHEST:
            stream.seek(at)
            if stream.read(len(_HDF5)) == _HDF5:
                return Format.HDF5
            at *= 2
    return None


def is_for_keras(path: str | os.PathLike[str], weights: bool) -> bool:
    """Whether the name of a file asks for a format of Keras.

    Args:
        path: the path of the file.
        weights: whether weights alone are written.

    Raises:
        InputError: the name is that of another kind of file.
    """
    name = os.fsdecode(path)
    stem = name.lower()
    if stem.endswith((".h5", ".hdf5", ".keras", ".weights.json")):
        wanted = ".weights.h5" if weights else ".keras"
        if name.endswith(wanted):
            return True
        what = "weights alone" if weights else "a whole model"
        for ending in (".json", ".h5", ".weights", ".hdf5", ".keras"):
            stem = stem.removesuffix(ending)
        stem = name[: len(stem)]
        raise InputError(
            explain(
                f"{what.capitalize()} cannot be written as {name!r}.",
                expected=f"a name in {wanted!r}, or in '.safetensors' for Lamina's format",
                received=name,
                remedy=f"Write {stem + wanted!r}.",
            )
        )
    return False
