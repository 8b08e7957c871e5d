"""One checkpoint: the files of its folder, each sealed by a checksum."""

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
from lamina.training.checkpoints import records

__all__ = ["Checkpoint", "Contents", "checked", "fill", "flush"]

WEIGHTS, TRAINING, INDEX = "weights.safetensors", "training.safetensors", "checkpoint.json"
_MOST_BYTES = 1 << 28  # of an index
_VERSION = 1


@dataclass(frozen=True)
class Contents:
    """What goes into a checkpoint.

    Attributes:
        weights: all weights by path.
        metadata: of the weights, as a weights file holds it.
        training: all other arrays by name.
        about: where training stood, in what JSON can hold.
    """

    weights: Mapping[str, np.ndarray]
    metadata: Metadata
    training: Mapping[str, np.ndarray]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Attributes:
        folder: it is in.
        about: where training stood, as `Contents` had it.
        arrays: all others but the weights, by name.
    """

    folder: Path
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS


def fill(folder: Path, contents: Contents) -> None:
    """Write a checkpoint into an empty folder, and flush it to the disk."""
    weights = _storable(contents.weights, contents.metadata.dtypes)
    files.write(folder / WEIGHTS, weights, metadata.text(contents.metadata))
    dtypes: dict[str, str] = {}
    files.write(folder / TRAINING, _storable(contents.training, dtypes), {})
    index = {
        "format": "lamina checkpoint",
        "version": _VERSION,
        "files": {name: _seal(folder / name) for name in (WEIGHTS, TRAINING)},
        "dtypes": dtypes,
        "about": contents.about,
    }
    body = json.dumps(index, sort_keys=True)
    sealed = json.dumps({"sha256": _digest(body), "index": index}, sort_keys=True, indent=1)
    path = folder / INDEX
    path.write_text(sealed, "utf-8")
    flush(path)
    flush(folder)


def _storable(arrays: Mapping[str, np.ndarray], dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    """Arrays as a file holds them; `dtypes` gets those that it has no name for."""
    stored: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        stored[name], dtype = files.storable(array)
        if dtype is not None:
            dtypes[name] = dtype
    return stored


def _seal(path: Path) -> dict[str, Any]:
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _is_sealed(path: Path, seal: Any) -> bool:
    """Whether a file is as it was sealed; one of another size is not read."""
    same_size = records.is_dict(seal) and 0 < os.path.getsize(path) == seal.get("bytes")
    return same_size and _seal(path) == seal


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def checked(folder: Path) -> Checkpoint:
    """The checkpoint of a folder, if its checksums are right and all in it is of its kind.

    Raises:
        FileFormatError: it is damaged. What else is raised says the same.
    """
    for name in (INDEX, WEIGHTS, TRAINING):
        if not os.path.isfile(folder / name):  # which follows links
            raise FileFormatError(f"{name} is not there, or is no regular file")
    index = _index(folder / INDEX)
    for name in (WEIGHTS, TRAINING):
        if not _is_sealed(folder / name, index["files"][name]):
            raise FileFormatError(f"{name} has another size or SHA-256")
    with TensorFile(folder / WEIGHTS) as file:
        file.entries(metadata.parse(file.metadata, file.path).dtypes)
    with TensorFile(folder / TRAINING) as file:
        arrays = {name: file.read(e) for name, e in file.entries(index["dtypes"]).items()}
    about = records.with_arrays(index["about"], "about", arrays)
    records.check_about(about)
    records.check_steps(arrays)
    return Checkpoint(folder, about, arrays)


def _index(path: Path) -> dict[str, Any]:
    """The content of an index, if its checksum is right."""
    size = os.path.getsize(path)
    if size > _MOST_BYTES:
        raise FileFormatError(f"{INDEX} has more than {_MOST_BYTES:,} bytes")
    with open(path, "rb") as stream:
        content: Any = json.loads(stream.read(size).decode("utf-8"))
    records.check(INDEX, content, {"sha256": records.is_text, "index": records.is_dict})
    index = content["index"]
    if _digest(json.dumps(index, sort_keys=True)) != content["sha256"]:
        raise FileFormatError(f"{INDEX} has another SHA-256")
    kinds = {"version": records.is_count, "files": records.is_dict, "dtypes": records.is_dict}
    records.check("the index", index, kinds | {"about": records.is_dict})
    if index["version"] != _VERSION:
        raise FileFormatError(f"version {index['version']!r}, not {_VERSION}")
    if set(index["files"]) != {WEIGHTS, TRAINING}:
        raise FileFormatError(f"the files are not {WEIGHTS} and {TRAINING}")
    if not all(map(records.is_text, index["dtypes"].values())):
        raise FileFormatError("a dtype is not a name")
    return index


def flush(path: Path) -> None:
    """See a file or a folder onto the disk."""
    if path.is_dir() and os.name != "posix":
        return  # elsewhere folders cannot be flushed
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
