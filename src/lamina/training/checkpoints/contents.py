"""The files of one checkpoint, each with its size and SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import FileFormatError
from lamina.saving import files, metadata
from lamina.saving.files import TensorFile
from lamina.saving.metadata import Metadata
from lamina.training.checkpoints import schema

__all__ = ["Checkpoint", "Contents", "flush", "read", "write"]

WEIGHTS, TRAINING, INDEX = "weights.safetensors", "training.safetensors", "checkpoint.json"
_MAX_INDEX_BYTES = 1 << 28
_VERSION = 1


@dataclass(frozen=True)
class Contents:
    """The contents of a new checkpoint.

    Attributes:
        weights: the values of all variables by path.
        metadata: of the weights, as a weights file holds it.
        training: all other arrays by name.
        about: the progress of training, in values that JSON can hold.
    """

    weights: Mapping[str, np.ndarray]
    metadata: Metadata
    training: Mapping[str, np.ndarray]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is complete.

    Attributes:
        folder: of the checkpoint.
        about: the progress of training, with its arrays.
        arrays: all other arrays but the weights, by name.
    """

    folder: Path
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def weights(self) -> Path:
        """The weights file, which `load_weights` reads, too."""
        return self.folder / WEIGHTS


def write(folder: Path, contents: Contents) -> None:
    """Write a checkpoint into an empty folder and flush it to the disk."""
    weights = _storable(contents.weights, contents.metadata.dtypes)
    files.write(folder / WEIGHTS, weights, metadata.text(contents.metadata))
    dtypes: dict[str, str] = {}
    files.write(folder / TRAINING, _storable(contents.training, dtypes), {})
    index = {
        "format": "lamina checkpoint",
        "version": _VERSION,
        "files": {name: _checksum(folder / name) for name in (WEIGHTS, TRAINING)},
        "dtypes": dtypes,
        "about": contents.about,
    }
    body = json.dumps(index, sort_keys=True)
    text = json.dumps({"sha256": _digest(body), "index": index}, sort_keys=True, indent=1)
    path = folder / INDEX
    path.write_text(text, "utf-8")
    flush(path)
    flush(folder)


def _storable(arrays: Mapping[str, np.ndarray], dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    """Return arrays as a file holds them; add dtypes that the format lacks to `dtypes`."""
    stored: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        stored[name], dtype = files.storable(array)
        if dtype is not None:
            dtypes[name] = dtype
    return stored


def _checksum(path: Path) -> dict[str, Any]:
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _matches(path: Path, checksum: Any) -> bool:
    """Return whether a file has the size and SHA-256; the size is compared first."""
    same_size = schema.is_dict(checksum) and 0 < os.path.getsize(path) == checksum.get("bytes")
    return same_size and _checksum(path) == checksum


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint, and check its checksums and its entries.

    Raises:
        FileFormatError: it is damaged. Any other exception means the same.
    """
    for name in (INDEX, WEIGHTS, TRAINING):
        if not os.path.isfile(folder / name):  # follows links
            raise FileFormatError(f"{name} is missing, or is no regular file")
    index = _index(folder / INDEX)
    for name in (WEIGHTS, TRAINING):
        if not _matches(folder / name, index["files"][name]):
            raise FileFormatError(f"{name} has another size or SHA-256")
    with TensorFile(folder / WEIGHTS) as file:
        file.entries(metadata.parse(file.metadata, file.path).dtypes)
    with TensorFile(folder / TRAINING) as file:
        arrays = {name: file.read(e) for name, e in file.entries(index["dtypes"]).items()}
    about = schema.insert_arrays(index["about"], "about", arrays)
    schema.check_trainer(about)
    schema.check_arrays(arrays)
    return Checkpoint(folder, about, arrays)


def _index(path: Path) -> dict[str, Any]:
    """Read an index and check its checksum."""
    size = os.path.getsize(path)
    if size > _MAX_INDEX_BYTES:
        raise FileFormatError(f"{INDEX} has more than {_MAX_INDEX_BYTES:,} bytes")
    with open(path, "rb") as stream:
        content: Any = json.loads(stream.read(size).decode("utf-8"))
    schema.check(INDEX, content, {"sha256": schema.is_text, "index": schema.is_dict})
    index = content["index"]
    if _digest(json.dumps(index, sort_keys=True)) != content["sha256"]:
        raise FileFormatError(f"{INDEX} has another SHA-256")
    kinds = {"version": schema.is_count, "files": schema.is_dict, "dtypes": schema.is_dict}
    schema.check("the index", index, kinds | {"about": schema.is_dict})
    if index["version"] != _VERSION:
        raise FileFormatError(f"version {index['version']!r}, not {_VERSION}")
    if set(index["files"]) != {WEIGHTS, TRAINING}:
        raise FileFormatError(f"the files are not {WEIGHTS} and {TRAINING}")
    if not all(map(schema.is_text, index["dtypes"].values())):
        raise FileFormatError("a dtype is not a name")
    return index


def flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    if path.is_dir() and os.name != "posix":
        return  # other systems cannot flush folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
