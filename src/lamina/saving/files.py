"""Safetensors files: written whole or not at all, read one array at a time."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import stat
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import safetensors
import safetensors.numpy

from lamina.core.base.host_memory import empty
from lamina.errors import FileFormatError, explain
from lamina.saving.dtypes import NATIVE
from lamina.saving.header import Entry, entries_of, header_of

__all__ = ["Entry", "TensorFile", "storable", "write"]

_MAGIC = {
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive, as .npz, .keras and .pt files are",
    b"\x80": "a pickle, which Lamina never opens",
    b"\x93NUMPY": "a .npy file",
}


class TensorFile:
    """An open safetensors file; arrays are read when they are asked for.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is not a safetensors file, or was cut short.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        _check_there(self.path)
        try:
            with cast(Any, safetensors).safe_open(self.path, framework="np") as checked:
                self.metadata: dict[str, str] = dict(checked.metadata() or {})
        except safetensors.SafetensorError as error:
            raise _not_safetensors(self.path, str(error)) from None
        except OSError as error:
            _raise_unreadable(self.path, error)
        self._stream = open(self.path, "rb")  # noqa: SIM115 - closed by close()
        try:
            self._header, self._begin = self._checked()
        except BaseException:
            self.close()
            raise

    def _checked(self) -> tuple[dict[str, tuple[str, list[int], int, int]], int]:
        length = int.from_bytes(self._stream.read(8), "little")
        size = os.fstat(self._stream.fileno()).st_size
        if length > size - 8:
            raise _not_safetensors(self.path, f"a header of {length:,} bytes, of {size:,}")
        try:
            text = self._stream.read(length).decode()
            return header_of(text, self.path, size - 8 - length), 8 + length
        except FileFormatError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _not_safetensors(self.path, str(error)[:200]) from error

    def entries(self, dtypes: Mapping[str, str]) -> dict[str, Entry]:
        """All arrays by name; `dtypes` says which ones are stored as bytes, and of what dtype.

        Raises:
            FileFormatError: a dtype is not known, or not that of the array's bytes.
        """
        try:
            return entries_of(self._header, dtypes, self._begin)
        except ValueError as error:
            raise _unknown_dtype(self.path, str(error)[:200]) from error

    def read(self, entry: Entry) -> np.ndarray:
        """The array of an entry, in memory of its own."""
        data = empty((entry.nbytes,), np.uint8)
        self._stream.seek(entry.start)
        if self._stream.readinto(data.data) != entry.nbytes:
            raise _not_safetensors(self.path, "it was cut short while it was read")
        try:
            array = data != 0 if entry.dtype == np.bool_ else data.view(entry.dtype)
            return array.reshape(entry.shape)
        except (ValueError, TypeError) as error:
            raise _not_safetensors(self.path, str(error)) from None

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_there(path: str) -> None:
    if os.path.isfile(path):
        if os.path.getsize(path) == 0:
            raise _not_safetensors(path, "an empty file")
        return
    if os.path.exists(path):
        kind = "a directory" if os.path.isdir(path) else "not a regular file"
        raise _not_safetensors(path, kind)
    folder = os.path.dirname(os.path.abspath(path))
    beside = os.listdir(folder) if os.path.isdir(folder) else []
    close = difflib.get_close_matches(os.path.basename(path), beside, n=1)
    raise FileNotFoundError(
        errno.ENOENT,
        explain(
            f"There is no file {path!r}.",
            where=folder if os.path.isdir(folder) else f"{folder}, which does not exist",
            remedy=f"Did you mean {close[0]!r}?" if close else "Give the path of a saved file.",
        ),
    )


def _unknown_dtype(path: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} holds an array of a dtype that is not known here.",
            expected=", ".join(sorted(NATIVE)),
            received=received,
            remedy="Write the file again with arrays of another dtype.",
        )
    )


def _not_safetensors(path: str, reason: str) -> FileFormatError:
    received = reason
    if os.path.isfile(path):  # what is none, a pipe for one, may wait for ever to be opened
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            start = stream.read(8)
            found = (f"{kind} ({reason})" for m, kind in _MAGIC.items() if m == start[: len(m)])
            received = next(found, reason)
    return FileFormatError(
        explain(
            f"{path!r} is not a safetensors file, or was cut short.",
            expected="a whole file, as save_weights, save and other safetensors writers make it",
            received=received,
            remedy="Give another file, or copy this one again if it was cut short on the way.",
        )
    )


def _raise_unreadable(path: str, error: OSError) -> NoReturn:
    text = explain(
        f"{path!r} cannot be read: {error.strerror or error}.",
        remedy="Check the file's permissions and its disk.",
    )
    raise OSError(error.errno or errno.EIO, text) from error


def storable(array: np.ndarray) -> tuple[np.ndarray, str | None]:
    """An array as it is stored, and the dtype's name where it is stored as bytes."""
    array = np.asarray(array, order="C")
    if array.dtype.name in NATIVE:
        return array, None
    raw = np.frombuffer(array.tobytes(), np.uint8)
    return raw.reshape(*array.shape, array.dtype.itemsize), array.dtype.name


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write a file beside the old one, flush it to the disk, and put it in the old one's place.

    Raises:
        OSError: it cannot be written. The old file, if there was one, is as it was.
    """
    given = os.fspath(path)
    target = os.path.realpath(given)  # a link goes on pointing to the file
    try:
        with _replacing(target) as temporary:
            safetensors.numpy.save_file(dict(arrays), temporary, dict(metadata))
    except OSError as error:
        _raise_unwritten(given, error.errno, error.strerror or str(error), error)
    except safetensors.SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        number = int(code[1])
        _raise_unwritten(given, number, os.strerror(number), error)


@contextlib.contextmanager
def _replacing(target: str) -> Generator[str]:
    """A path to write to, which takes the place of `target` if all goes well."""
    if os.path.lexists(target) and not os.path.isfile(target):
        code = errno.EISDIR if os.path.isdir(target) else errno.EINVAL
        raise OSError(code, os.strerror(code))
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".lamina-{uuid.uuid4().hex[:12]}.tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        made = os.fstat(descriptor)
        os.close(descriptor)
        yield temporary
        mode = os.stat(target) if os.path.exists(target) else made
        os.chmod(temporary, stat.S_IMODE(mode.st_mode))
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    if os.name == "posix":
        with contextlib.suppress(OSError):  # the file is in place; some disks flush no folders
            _flush(folder, os.O_RDONLY)


def _flush(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unwritten(path: str, code: int | None, reason: str, cause: Exception) -> NoReturn:
    there = os.path.isfile(path)
    text = explain(
        f"{path!r} cannot be written: {reason}.",
        where=os.path.dirname(os.path.abspath(path)),
        expected="a folder that exists and may be written to, with room on its disk",
        received="the old file is as it was" if there else "nothing was written",
        remedy="Give another path, or make room.",
    )
    raise OSError(code or errno.EIO, text) from cause
