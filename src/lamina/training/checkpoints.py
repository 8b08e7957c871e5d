"""Checkpoints on disk: folders that are there whole or not at all, known by their checksums.

A checkpoint ``checkpoint-000012`` holds ``weights.safetensors``, which `load_weights` reads too,
``training.safetensors`` with all other arrays, and ``checkpoint.json``: where training stood, and
the size and SHA-256 of the two. It is written beside the others under another name, flushed to the
disk, and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from lamina.errors import FileFormatError, explain
from lamina.saving import files, metadata
from lamina.saving.files import TensorFile
from lamina.saving.metadata import Metadata

__all__ = ["Checkpoint", "Contents", "clean", "folders", "forget", "newest", "write"]

WEIGHTS, TRAINING, INDEX = "weights.safetensors", "training.safetensors", "checkpoint.json"
_PREFIX = "checkpoint-"
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
    """A checkpoint that was found whole."""

    folder: Path
    about: dict[str, Any]
    dtypes: dict[str, str]

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    def training(self) -> dict[str, np.ndarray]:
        """All arrays but the weights."""
        with TensorFile(self.folder / TRAINING) as file:
            return {name: file.read(e) for name, e in file.entries(self.dtypes).items()}


def write(directory: str | os.PathLike[str], contents: Contents, keep: int) -> Path:
    """Write a checkpoint, and remove the oldest so that `keep` are left.

    Raises:
        OSError: it cannot be written. The checkpoints that are there are as they were.
    """
    root = Path(directory)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _folder_beside(root) as temporary:
            _fill(temporary, contents)
            number = max([_number(folder) for folder in folders(root)], default=0) + 1
            target = root / f"{_PREFIX}{number:06d}"
            os.rename(temporary, target)
        _flush(root)
    except OSError as error:
        raise _unwritten(root, error) from error
    for old in folders(root)[:-keep]:
        _remove(old)
    return target


def folders(directory: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints of a directory, the oldest first."""
    root = Path(directory)
    names = os.listdir(root) if root.is_dir() else []
    found = [root / name for name in names if _is_number(name.removeprefix(_PREFIX), name)]
    return sorted(found, key=_number)


def newest(directory: str | os.PathLike[str]) -> Checkpoint | None:
    """The newest checkpoint that is whole, None if there are none; damaged ones are told of.

    Raises:
        FileFormatError: there are checkpoints, and all are damaged.
    """
    damaged: list[str] = []
    for folder in reversed(folders(directory)):
        try:
            return _checked(folder)
        except (FileFormatError, OSError, KeyError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            damaged.append(f"{folder.name}: {reason}")
            warnings.warn(
                explain(
                    f"The checkpoint {folder} is damaged; an older one is tried.",
                    received=reason,
                    remedy="Remove it, and see to the disk it is on.",
                ),
                UserWarning,
                stacklevel=2,
            )
    if not damaged:
        return None
    raise FileFormatError(
        explain(
            f"No checkpoint in {os.fspath(directory)!r} is whole.",
            expected="files with the sizes and the SHA-256 that checkpoint.json tells",
            received="; ".join(damaged),
            remedy="Begin anew in another folder, or bring a copy of a checkpoint back.",
        )
    )


def clean(directory: str | os.PathLike[str]) -> None:
    """Remove what a run that was killed left half written."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name.startswith(f".{_PREFIX}") and name.endswith(".tmp"):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def forget(directory: str | os.PathLike[str]) -> None:
    """Remove all checkpoints of a directory, and the directory if nothing else is in it."""
    for folder in folders(directory):
        _remove(folder)
    clean(directory)
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def _is_number(number: str, name: str) -> bool:
    return number != name and number.isdecimal()


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


@contextlib.contextmanager
def _folder_beside(root: Path) -> Generator[Path]:
    """A new folder on the same disk, removed if it was not renamed."""
    temporary = root / f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp"
    temporary.mkdir()
    try:
        yield temporary
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Take a checkpoint away at once; then its files, one by one."""
    hidden = folder.with_name(f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp")
    with contextlib.suppress(OSError):
        os.rename(folder, hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _fill(folder: Path, contents: Contents) -> None:
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
    _flush(path)
    _flush(folder)


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


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _checked(folder: Path) -> Checkpoint:
    """A checkpoint, if its checksums are right."""
    content = cast("dict[str, Any]", json.loads((folder / INDEX).read_text("utf-8")))
    index = content["index"]
    if _digest(json.dumps(index, sort_keys=True)) != content["sha256"]:
        raise FileFormatError(f"{INDEX} has another SHA-256")
    if index["version"] != _VERSION:
        raise FileFormatError(f"version {index['version']!r}, not {_VERSION}")
    for name, seal in index["files"].items():
        if _seal(folder / name) != seal:
            raise FileFormatError(f"{name} has another size or SHA-256")
    return Checkpoint(folder, index["about"], index["dtypes"])


def _flush(path: Path) -> None:
    """See a file or a folder onto the disk."""
    if path.is_dir() and os.name != "posix":
        return  # elsewhere folders cannot be flushed
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritten(root: Path, error: OSError) -> OSError:
    code = error.errno or errno.EIO
    there = folders(root) if root.is_dir() else []
    text = explain(
        f"No checkpoint can be written to {os.fspath(root)!r}: {os.strerror(code)}.",
        where=f"{os.fspath(root.absolute())}",
        expected="a folder that may be written to, with room for one checkpoint more",
        received=f"{there[-1].name} is there and as it was" if there else "no checkpoint is there",
        remedy="Make room, keep fewer checkpoints (keep=1), or give another folder.",
    )
    return OSError(code, text)
