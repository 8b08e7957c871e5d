"""What a file of Keras holds: its arrays, and the config of its model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lamina.saving.keras.archive import Archive, Container, Folder, Window
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.errors import refused
from lamina.saving.keras.formats import Format, format_of
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.texts import MOST_TEXT, read_json

__all__ = ["Source", "opened"]

_MOST_SHARDS = 10_000
_REMEDY = "Copy the file again, or save the model again in Keras."


@dataclass
class Source:
    """An open file of Keras.

    Attributes:
        path: the path of the file.
        format: its format.
        kind: what it holds: ``"model"`` or ``"weights"`` of Keras 3, ``"legacy model"`` or
            ``"legacy weights"``, or ``"architecture"``.
        arrays: all arrays by their path.
        config: the config of the model; None for weights.
        version: the version of Keras that wrote it; None if the file does not tell.
        file: the HDF5 file; None for sharded weights and architectures.
        container: the archive or folder; None for another format.
    """

    path: str
    format: Format
    kind: str
    arrays: dict[str, StoredArray] = field(default_factory=dict[str, StoredArray])
    config: Any = None
    version: str | None = None
    file: Hdf5File | None = None
    container: Container | None = None


@contextlib.contextmanager
def opened(path: str) -> Generator[Source]:
    """Open a file of Keras of any format.

    Args:
        path: the path of the file or folder.

    Raises:
        FileFormatError: it is damaged, or in a format that is not read.
        ImportError: h5py is not installed.
    """
    found = format_of(path)
    with contextlib.ExitStack() as stack:
        if found in (Format.ARCHIVE, Format.FOLDER):
            container = Folder(path) if found is Format.FOLDER else Archive(path)
            stack.callback(container.close)
            yield _of_container(path, found, container, stack)
        elif found is Format.HDF5:
            yield _of_hdf5(path, stack)
        elif found is Format.JSON:
            yield _of_json(path, stack)
        else:
            raise refused(
                path,
                "is not a file of Keras that can be read",
                expected="a .keras archive, an HDF5 file, or JSON beside weights",
                received="another format" if found is None else found.value,
                remedy="Load it in Keras or TensorFlow, and save it there as a .keras file.",
            )


def _of_container(
    path: str, found: Format, container: Container, stack: contextlib.ExitStack
) -> Source:
    names = container.names()
    if "model.weights.npz" in names and "model.weights.h5" not in names:
        raise refused(
            path,
            "stores its weights as pickled objects, which are never opened",
            expected="model.weights.h5",
            received="model.weights.npz",
            remedy="Save the model again in Keras, as a .keras file with HDF5 weights.",
        )
    config = read_json(container.text("config.json"), f"config.json of {path!r}")
    version = None
    if "metadata.json" in names:
        metadata = read_json(container.text("metadata.json"), f"metadata.json of {path!r}")
        version = _text(metadata, "keras_version")
    file = Hdf5File(container.window("model.weights.h5"), path)
    stack.callback(file.close)
    return Source(path, found, "model", file.arrays, config, version, file, container)


def _of_hdf5(path: str, stack: contextlib.ExitStack) -> Source:
    file = _hdf5(path, stack)
    described = file.attribute("model_config")
    version = file.attribute("keras_version")
    source = Source(path, Format.HDF5, "weights", file.arrays, None, None, file)
    if version is not None:
        source.version = str(version)
    if described is not None:
        source.config = read_json(str(described), f"The model_config of {path!r}")
        source.kind = "legacy model"
    elif file.attribute("layer_names") is not None:
        source.kind = "legacy weights"
    return source


def _hdf5(path: str, stack: contextlib.ExitStack) -> Hdf5File:
    stream = open(path, "rb", buffering=0)  # noqa: SIM115 - closed with the stack
    stack.callback(stream.close)
    file = Hdf5File(Window(stream, 0, os.fstat(stream.fileno()).st_size), path)
    stack.callback(file.close)
    return file


def _of_json(path: str, stack: contextlib.ExitStack) -> Source:
    size = os.path.getsize(path)
    if size > MOST_TEXT:
        raise _damaged(path, f"{size:,} bytes of JSON")
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        content = read_json(data.decode("utf-8-sig"), f"The JSON of {path!r}")
    except UnicodeDecodeError as error:
        raise _damaged(path, str(error)) from error
    if isinstance(content, dict) and "weight_map" in content:
        fields = cast("dict[str, Any]", content)
        return Source(path, Format.JSON, "weights", _sharded(path, fields["weight_map"], stack))
    if isinstance(content, dict) and "class_name" in content:
        fields = cast("dict[str, Any]", content)
        version = _text(fields, "keras_version")
        return Source(path, Format.JSON, "architecture", {}, fields, version)
    raise _damaged(path, "JSON without class_name or weight_map")


def _sharded(path: str, shards: Any, stack: contextlib.ExitStack) -> dict[str, StoredArray]:
    """The arrays of all files that an index names, which lie beside it."""
    if not isinstance(shards, dict):
        raise _damaged(path, "a weight_map that is not an object")
    names: dict[str, None] = {}
    for listed in cast("dict[str, Any]", shards).values():
        for name in cast("list[Any]", listed if isinstance(listed, list) else [listed]):
            if not isinstance(name, str) or not _is_bare(name):
                raise _damaged(path, f"the file name {str(name)[:100]!r}")
            names[name] = None
    if len(names) > _MOST_SHARDS:
        raise _damaged(path, f"{len(names):,} files")
    found: dict[str, StoredArray] = {}
    for name in names:
        whole = os.path.join(os.path.dirname(path), name)
        if not os.path.isfile(whole) or os.path.islink(whole):
            raise _damaged(path, f"no file {name!r} beside it")
        arrays = _hdf5(whole, stack).arrays
        twice = found.keys() & arrays.keys()
        if twice:
            raise _damaged(path, f"{sorted(twice)[0]!r} in two files")
        found |= arrays
    return found


def _is_bare(name: str) -> bool:
    """Whether the name of a file has no folder in it, on any system."""
    return name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")


def _text(fields: Any, name: str) -> str | None:
    value = cast("Mapping[str, Any]", fields).get(name) if isinstance(fields, Mapping) else None
    return value if isinstance(value, str) else None


def _damaged(path: str, received: str) -> Exception:
    return refused(
        path,
        "is not a complete file of Keras",
        expected="the architecture of a model, or the index of sharded weights",
        received=received,
        remedy=_REMEDY,
    )
