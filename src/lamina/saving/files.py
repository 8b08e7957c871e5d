"""Safetensors files: written atomically, read one array at a time."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import numpy as np
import safetensors
import safetensors.numpy

from lamina.core.base.host_memory import empty
from lamina.core.base.replaced_files import replacing
from lamina.errors import FileFormatError, explain
from lamina.saving.dtypes import NATIVE
from lamina.saving.header import Entry, entries_of, header_of

__all__ = ["Entry", "TensorFile", "raise_unwritten", "storable", "write"]

_MAGIC = {
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive, as .npz, .keras and .pt files are",
    b"\x80": "a pickle, which Lamina never opens",
    b"\x93NUMPY": "a .npy file",
}


class TensorFile:
    """An open safetensors file, whose arrays are read one at a time.

    Args:
        path: the path of the file.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: it is not a safetensors file, or is truncated.
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
        # Not buffered, so that small parts of large arrays are read without what is beside them.
        self._stream = open(self.path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
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
        """List the arrays of the file.

        Args:
            dtypes: the dtypes of the arrays that are stored as bytes, by name.

        Returns:
            The entries of all arrays, by name.

        Raises:
            FileFormatError: a dtype is unknown, or does not match the number of bytes.
        """
        try:
            return entries_of(self._header, dtypes, self._begin)
        except ValueError as error:
            raise _unknown_dtype(self.path, str(error)[:200]) from error

    def read(self, entry: Entry) -> np.ndarray:
        """Read an array.

        Args:
            entry: the entry of the array.

        Returns:
            A new array.

        Raises:
            FileFormatError: the file is truncated.
        """
        return self.read_part(entry, 0, entry.size).reshape(entry.shape)

    def read_part(self, entry: Entry, start: int, stop: int) -> np.ndarray:
        """Read a range of the elements of an array.

        Args:
            entry: the entry of the array.
            start: the first element, in C order.
            stop: the element after the last.

        Returns:
            A new array ``[stop - start]``.

        Raises:
            FileFormatError: the file is truncated.
        """
        width = entry.dtype.itemsize
        data = empty(((stop - start) * width,), np.uint8)
        self._stream.seek(entry.start + start * width)
        left = data.data
        while left:  # the system may read less than it is asked for
            count = self._stream.readinto(left)
            if not count:
                raise _not_safetensors(self.path, "the file became shorter while it was read")
            left = left[count:]
        return data != 0 if entry.dtype == np.bool_ else data.view(entry.dtype)

    def close(self) -> None:
        """Close the file."""
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
            remedy=f"Did you mean {close[0]!r}?" if close else "Pass the path of a saved file.",
        ),
    )


def _unknown_dtype(path: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} contains an array of an unknown dtype.",
            expected=", ".join(sorted(NATIVE)),
            received=received,
            remedy="Write the file again with arrays of another dtype.",
        )
    )


def _not_safetensors(path: str, reason: str) -> FileFormatError:
    received = reason
    if os.path.isfile(path):  # opening a pipe, for example, could block
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            start = stream.read(8)
            found = (f"{kind} ({reason})" for m, kind in _MAGIC.items() if m == start[: len(m)])
            received = next(found, reason)
    return FileFormatError(
        explain(
            f"{path!r} is not a safetensors file, or is truncated.",
            expected="a complete safetensors file, such as one of save_weights or save",
            received=received,
            remedy="Pass another file, or copy this one again if it is incomplete.",
        )
    )


def _raise_unreadable(path: str, error: OSError) -> NoReturn:
    text = explain(
        f"{path!r} cannot be read: {error.strerror or error}.",
        remedy="Check the file's permissions and its disk.",
    )
    raise OSError(error.errno or errno.EIO, text) from error


def storable(array: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Convert an array to a dtype that safetensors supports.

    Args:
        array: the array.

    Returns:
        The array as it is stored, and its dtype's name if it is stored as bytes, else None.
    """
    array = np.asarray(array, order="C")
    if array.dtype.name in NATIVE:
        return array, None
    raw = np.frombuffer(array.tobytes(), np.uint8)
    return raw.reshape(*array.shape, array.dtype.itemsize), array.dtype.name


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write a file atomically: to a temporary file, which then replaces the old one.

    Args:
        path: the path of the file.
        arrays: the arrays by name.
        metadata: texts by name.

    Raises:
        OSError: the file cannot be written; an old file is unchanged.
    """
    given = os.fspath(path)
    target = os.path.realpath(given)  # a symbolic link is kept
    try:
        with replacing(target) as temporary:
            safetensors.numpy.save_file(dict(arrays), temporary, dict(metadata))
    except OSError as error:
        raise_unwritten(given, error.errno, error.strerror or str(error), error)
    except safetensors.SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        number = int(code[1])
        raise_unwritten(given, number, os.strerror(number), error)


def raise_unwritten(path: str, code: int | None, reason: str, cause: Exception) -> NoReturn:
    there = os.path.isfile(path)
    text = explain(
        f"{path!r} cannot be written: {reason}.",
        where=os.path.dirname(os.path.abspath(path)),
        expected="an existing, writable folder, with space on its disk",
        received="the old file is unchanged" if there else "nothing was written",
        remedy="Pass another path, or free space.",
    )
    raise OSError(code or errno.EIO, text) from cause
