"""Arrays on several devices in a folder of Orbax: each process writes and reads its own parts."""

from __future__ import annotations

import errno
import gc
import importlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from lamina.core.base import processes
from lamina.core.base.interrupts import DeferredSignals
from lamina.errors import FileFormatError, LaminaError, explain
from lamina.saving.dtypes import dtype_named
from lamina.training.checkpoints import schema
from lamina.training.checkpoints.checksums import checksum, flush, matches

__all__ = ["StoredArray", "checked", "orbax", "read", "write"]

_FOLDER = "arrays"
_LONGEST = 60.0  # seconds to wait for a thread
_PAUSE = 1.0  # seconds without a new file after which nothing writes


@dataclass(frozen=True)
class StoredArray:
    """An array of a folder that is not read yet.

    Attributes:
        name: its name in the folder.
        shape: its shape.
        dtype: its dtype.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def orbax() -> Any:
    """Import Orbax.

    Raises:
        LaminaError: it is not installed.
    """
    try:
        return importlib.import_module("orbax.checkpoint")
    except ModuleNotFoundError as error:
        raise LaminaError(
            explain(
                "Checkpoints of models with a placement need packages that are not installed.",
                expected="orbax-checkpoint",
                received=f"{error.name} is not installed",
                remedy="pip install 'lamina[distributed]'",
            )
        ) from error


def write(folder: Path, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Write arrays into the folder of a checkpoint; all processes call this together.

    Args:
        folder: of the checkpoint.
        arrays: by name. Empty ones are left out, as Orbax does not store them.

    Returns:
        The sizes and SHA-256 of the files, and the shapes and dtypes of the arrays by name.

    Raises:
        LaminaError: Orbax is not installed.
        OSError: the arrays cannot be written.
    """
    ocp = orbax()
    stored = {name: array for name, array in arrays.items() if array.size}
    path = (folder / _FOLDER).absolute()
    with processes.together():
        problem: OSError | None = None
        try:
            # Interrupted in between, Orbax would go on to write into a folder that is removed.
            with DeferredSignals(), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
                checkpointer.save(path, args=ocp.args.PyTreeSave(stored))
        except OSError as error:
            problem = OSError(error.errno, str(error.strerror or error)[:200])
        except Exception as error:  # such as a ValueError that names an error of the system
            problem = OSError(_system_code(str(error)), str(error)[:200])
        if problem is not None:
            _finish_writing(folder)
            raise problem
    return {
        "files": _checksums(folder),
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "dtypes": {name: array.dtype.name for name, array in arrays.items()},
    }


def _system_code(text: str) -> int:
    """Return the code of the system's error that a text tells; EIO if it tells none."""
    found = re.search(r"(?:OS error |os_error_code=')(\d+)", text)
    if found is not None:
        return int(found[1])
    known = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
    return next((code for code in known if os.strerror(code) in text), errno.EIO)


def _finish_writing(folder: Path) -> None:
    """Wait until Orbax and TensorStore, after an error, write no more to a folder."""
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("orbax."):
            threading.Thread.join(thread, _LONGEST)  # Orbax's own raises the error again
    gc.collect()  # databases that an error has left open write once more when they are freed
    before: list[Path] | None = None
    for _ in range(int(_LONGEST / _PAUSE)):
        files = sorted(folder.rglob("*"))
        if files == before:
            return
        before = files
        time.sleep(_PAUSE)


def _checksums(folder: Path) -> dict[str, Any]:
    """Flush the files that Orbax has written; return their sizes and SHA-256."""
    found: dict[str, Any] = {}
    with processes.together():
        for name in processes.share(sorted(_files(folder))):
            flush(folder / name)
            found[name] = checksum(folder / name)
        if processes.is_main_process():
            for root, _, _ in os.walk(folder / _FOLDER):
                flush(Path(root))
    parts = map(json.loads, processes.gathered(json.dumps(found)))
    return {name: value for part in parts for name, value in part.items()}


def _files(folder: Path) -> set[str]:
    """Return the names of the regular files that Orbax has written, below the checkpoint."""
    paths = (folder / _FOLDER).rglob("*")
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()}


def checked(folder: Path, index: dict[str, Any]) -> dict[str, StoredArray]:
    """Return the arrays of a checkpoint by name, without reading them; check all files.

    Args:
        folder: of the checkpoint.
        index: with what `write` returned.

    Raises:
        FileFormatError: a file or an entry is damaged.
    """
    schema.check("the index", index, {"shapes": schema.is_dict})
    there = _files(folder)
    for name in processes.share(sorted(index["files"])):
        if name not in there:
            raise FileFormatError(f"{name} is missing, or is no regular file")
        if not matches(folder / name, index["files"][name]):
            raise FileFormatError(f"{name} has another size or SHA-256")
    shapes, dtypes = index["shapes"], index["dtypes"]
    if shapes.keys() != dtypes.keys():
        raise FileFormatError("the shapes are not those of the arrays")
    lists = all(map(schema.is_list, shapes.values()))
    if not lists or not all(schema.is_count(size) for shape in shapes.values() for size in shape):
        raise FileFormatError("a shape is not a list of sizes")
    return {
        name: StoredArray(name, tuple(shape), dtype_named(dtypes[name]))
        for name, shape in shapes.items()
    }


def read(folder: Path, places: Mapping[StoredArray, Any]) -> dict[StoredArray, Any]:
    """Read arrays of a folder; all processes call this together.

    Args:
        folder: of the checkpoint.
        places: the sharding of each array, of which only the parts of this process are read; None
            for a NumPy array.

    Raises:
        LaminaError: Orbax is not installed.
        FileFormatError: the files are no arrays of Orbax.
    """
    ocp = orbax()
    asked = {
        one.name: ocp.RestoreArgs(restore_type=np.ndarray)
        if place is None
        else ocp.ArrayRestoreArgs(restore_type=jax.Array, sharding=place, dtype=one.dtype)
        for one, place in places.items()
        if one.size
    }
    found: dict[str, Any] = {}
    path = (folder / _FOLDER).absolute()
    if asked:
        args = ocp.args.PyTreeRestore(
            item=dict.fromkeys(asked, 0), restore_args=asked, partial_restore=True
        )
        try:
            with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
                found = checkpointer.restore(path, args=args)
        except OSError:
            raise
        except Exception as error:
            raise FileFormatError(
                explain(
                    f"The arrays of the checkpoint {folder} cannot be read.",
                    expected="arrays that Orbax has written",
                    received=f"{type(error).__name__}: {str(error)[:200]}",
                    remedy="Remove it, so that an older one is used, or restore a copy of it.",
                )
            ) from error
    return {one: found[one.name] if one.size else _empty(one, places[one]) for one in places}


def _empty(one: StoredArray, place: Any) -> Any:
    array = np.zeros(one.shape, one.dtype)
    return array if place is None else cast(Any, jax.device_put)(array, place)
