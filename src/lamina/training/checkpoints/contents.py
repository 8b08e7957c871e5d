"""The files of one checkpoint, each with its size and SHA-256.

The arrays are in two safetensors files. Those of a model with a placement are in a folder that
Orbax writes instead, each process its own parts.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core.base import processes
from lamina.errors import FileFormatError
from lamina.saving import files, metadata
from lamina.saving.files import TensorFile
from lamina.saving.metadata import Metadata
from lamina.training.checkpoints import schema, sharded_arrays
from lamina.training.checkpoints.checksums import checksum, digest, flush, matches
from lamina.training.checkpoints.sharded_arrays import StoredArray

__all__ = ["Checkpoint", "Contents", "ShardedWeights", "read", "read_index", "write"]

WEIGHTS, TRAINING, INDEX = "weights.safetensors", "training.safetensors", "checkpoint.json"
_OF_WEIGHTS, _OF_TRAINING = "weights/", "training/"
_MAX_INDEX_BYTES = 1 << 28
_VERSION = 1
_SHARDED = 2  # the version of checkpoints whose arrays Orbax has written


@dataclass(frozen=True)
class Contents:
    """The contents of a new checkpoint.

    Attributes:
        weights: the values of all variables by path.
        metadata: of the weights, as a weights file holds it.
        training: all other arrays by name.
        about: the progress of training, in values that JSON can hold.
        sharded: whether the arrays are on the devices of a placement; else they are of NumPy.
    """

    weights: Mapping[str, Any]
    metadata: Metadata
    training: Mapping[str, Any]
    about: Mapping[str, Any]
    sharded: bool = False


@dataclass(frozen=True)
class ShardedWeights:
    """The weights of a checkpoint of a model with a placement, which are not read yet.

    Attributes:
        metadata: as a weights file holds it.
        arrays: by path.
    """

    metadata: dict[str, str]
    arrays: Mapping[str, StoredArray]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is complete.

    Attributes:
        folder: of the checkpoint.
        about: the progress of training, with its arrays.
        arrays: all other arrays but the weights, by name.
        sharded: the weights, if the model had a placement; each array in `about` and `arrays` is a
            `StoredArray` then. None for a checkpoint with a weights file.
    """

    folder: Path
    about: dict[str, Any]
    arrays: dict[str, Any]
    sharded: ShardedWeights | None = None

    @property
    def weights(self) -> Path:
        """The weights file, which `load_weights` reads, too."""
        return self.folder / WEIGHTS


def write(folder: Path, contents: Contents) -> None:
    """Write a checkpoint into an empty folder and flush it to the disk.

    Raises:
        LaminaError: it is sharded, and Orbax is not installed.
        OSError: it cannot be written.
    """
    index: dict[str, Any] = {"format": "lamina checkpoint", "about": contents.about}
    if contents.sharded:
        arrays = {_OF_WEIGHTS + path: array for path, array in contents.weights.items()}
        arrays |= {_OF_TRAINING + name: array for name, array in contents.training.items()}
        index |= {"version": _SHARDED, "metadata": metadata.text(contents.metadata)}
        index |= sharded_arrays.write(folder, arrays)
    else:
        index |= {"version": _VERSION, **_write_files(folder, contents)}
    with processes.together() if contents.sharded else contextlib.nullcontext():
        if not contents.sharded or processes.is_main_process():
            _write_index(folder, index)


def _write_index(folder: Path, index: dict[str, Any]) -> None:
    body = json.dumps(index, sort_keys=True)
    text = json.dumps({"sha256": digest(body), "index": index}, sort_keys=True, indent=1)
    path = folder / INDEX
    path.write_text(text, "utf-8")
    flush(path)
    flush(folder)


def _write_files(folder: Path, contents: Contents) -> dict[str, Any]:
    """Write the arrays into two files; return their entries in the index."""
    weights = _storable(contents.weights, contents.metadata.dtypes)
    files.write(folder / WEIGHTS, weights, metadata.text(contents.metadata))
    dtypes: dict[str, str] = {}
    files.write(folder / TRAINING, _storable(contents.training, dtypes), {})
    checksums = {name: checksum(folder / name) for name in (WEIGHTS, TRAINING)}
    return {"files": checksums, "dtypes": dtypes}


def _storable(arrays: Mapping[str, Any], dtypes: dict[str, str]) -> dict[str, Any]:
    """Return arrays as a file holds them; add dtypes that the format lacks to `dtypes`."""
    stored: dict[str, Any] = {}
    for name, array in arrays.items():
        stored[name], dtype = files.storable(array)
        if dtype is not None:
            dtypes[name] = dtype
    return stored


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint, and check its checksums and its entries.

    Raises:
        FileFormatError: it is damaged. Any other exception means the same.
    """
    index = read_index(folder)
    checkpoint = (_sharded if index["version"] == _SHARDED else _whole)(folder, index)
    schema.check_trainer(checkpoint.about)
    schema.check_arrays(checkpoint.arrays)
    return checkpoint


def _whole(folder: Path, index: dict[str, Any]) -> Checkpoint:
    """Read a checkpoint of two files."""
    if set(index["files"]) != {WEIGHTS, TRAINING}:
        raise FileFormatError(f"the files are not {WEIGHTS} and {TRAINING}")
    for name in (WEIGHTS, TRAINING):
        _check_there(folder, name)
        if not matches(folder / name, index["files"][name]):
            raise FileFormatError(f"{name} has another size or SHA-256")
    with TensorFile(folder / WEIGHTS) as file:
        file.entries(metadata.parse(file.metadata, file.path).dtypes)
    with TensorFile(folder / TRAINING) as file:
        arrays = {name: file.read(e) for name, e in file.entries(index["dtypes"]).items()}
    about = schema.insert_arrays(index["about"], "about", arrays)
    return Checkpoint(folder, about, arrays)


def _sharded(folder: Path, index: dict[str, Any]) -> Checkpoint:
    """Read a checkpoint of Orbax, but not its arrays."""
    schema.check("the index", index, {"metadata": schema.is_dict})
    with processes.together():
        stored = sharded_arrays.checked(folder, index)
    metadata.parse(index["metadata"], os.fspath(folder))
    weights = _below(_OF_WEIGHTS, stored)
    arrays = _below(_OF_TRAINING, stored)
    about = schema.insert_arrays(index["about"], "about", arrays)
    return Checkpoint(folder, about, arrays, ShardedWeights(index["metadata"], weights))


def _below(prefix: str, stored: Mapping[str, StoredArray]) -> dict[str, Any]:
    """Return the arrays whose names have a prefix, without it."""
    return {
        name.removeprefix(prefix): one for name, one in stored.items() if name.startswith(prefix)
    }


def _check_there(folder: Path, name: str) -> None:
    if not os.path.isfile(folder / name):  # follows links
        raise FileFormatError(f"{name} is missing, or is no regular file")


def read_index(folder: Path) -> dict[str, Any]:
    """Read the JSON part of a checkpoint and check its checksum.

    Raises:
        FileFormatError: it is damaged. Any other exception means the same.
    """
    _check_there(folder, INDEX)
    path = folder / INDEX
    size = os.path.getsize(path)
    if size > _MAX_INDEX_BYTES:
        raise FileFormatError(f"{INDEX} has more than {_MAX_INDEX_BYTES:,} bytes")
    with open(path, "rb") as stream:
        content: Any = json.loads(stream.read(size).decode("utf-8"))
    schema.check(INDEX, content, {"sha256": schema.is_text, "index": schema.is_dict})
    index = content["index"]
    if digest(json.dumps(index, sort_keys=True)) != content["sha256"]:
        raise FileFormatError(f"{INDEX} has another SHA-256")
    kinds = {"version": schema.is_count, "files": schema.is_dict, "dtypes": schema.is_dict}
    schema.check("the index", index, kinds | {"about": schema.is_dict})
    if index["version"] not in (_VERSION, _SHARDED):
        raise FileFormatError(f"version {index['version']!r}, not {_VERSION} or {_SHARDED}")
    if not all(map(schema.is_text, index["dtypes"].values())):
        raise FileFormatError("a dtype is not a name")
    return index
