"""The header of a safetensors file, checked before any array is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lamina.json_text import read_json
from lamina.saving.dtypes import SAFETENSORS, dtype_named

__all__ = ["Entry", "entries_of", "header_of"]

_LONGEST_NAME = 4_096
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True)
class Entry:
    """One array of a file.

    Attributes:
        dtype: the dtype of the array.
        shape: the shape of the array.
        start: the position of its first byte in the file.
        nbytes: the number of its bytes.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    nbytes: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def header_of(text: str, path: str, room: int) -> dict[str, tuple[str, list[int], int, int]]:
    """Parse and check a header.

    Args:
        text: the header's JSON.
        path: the path of the file, for errors.
        room: the number of bytes after the header.

    Returns:
        For each array its dtype's code, its shape, and where its bytes begin and end, counted from
        the end of the header.

    Raises:
        FileFormatError: the text is not JSON, or exceeds a limit of size.
        ValueError: it is not a header of a file of that size.
    """
    header = read_json(text, f"The header of {path!r}")
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    found: dict[str, tuple[str, list[int], int, int]] = {}
    for name, described in cast("dict[str, Any]", header).items():
        if name == "__metadata__":
            continue
        if len(name) > _LONGEST_NAME:
            raise ValueError(f"a name has {len(name):,} characters")
        begin, end = described["data_offsets"]
        shape, code = described["shape"], described["dtype"]
        sizes = [begin, end, *shape]
        if not all(type(size) is int and 0 <= size <= _LARGEST_SIZE for size in sizes):
            raise ValueError(f"{name!r} has an invalid size")
        found[name] = str(code), shape, begin, end
    _check_places(found, room)
    return found


def _check_places(found: dict[str, tuple[str, list[int], int, int]], room: int) -> None:
    """Check that the arrays follow one another without gaps, and fill the file."""
    at = 0
    for _, _, begin, end in sorted(found.values(), key=lambda one: one[2:]):
        if begin != at or end < begin:
            raise ValueError("arrays overlap, or leave gaps")
        at = end
    if at != room:
        raise ValueError(f"arrays of {at:,} bytes in a file of {room:,}")


def entries_of(
    header: Mapping[str, tuple[str, list[int], int, int]], dtypes: Mapping[str, str], start: int
) -> dict[str, Entry]:
    """Make the entries of all arrays.

    Args:
        header: the result of :func:`header_of`.
        dtypes: the dtypes of the arrays that are stored as bytes, by name.
        start: the position in the file after the header.

    Returns:
        The entries by name.

    Raises:
        ValueError: a dtype is unknown, or an array's number of bytes does not match its shape.
    """
    found: dict[str, Entry] = {}
    for name, (code, sizes, begin, end) in header.items():
        shape, known = tuple(sizes), SAFETENSORS.get(code)
        if known is None:
            raise ValueError(f"{name!r} has the dtype {code[:40]}")
        dtype: np.dtype[Any] = np.dtype(known)
        if name in dtypes:
            dtype = dtype_named(dtypes[name])
            if code != "U8" or shape[-1:] != (dtype.itemsize,):
                raise ValueError(f"{name!r} is not stored as the bytes of {dtype}")
            shape = shape[:-1]
        if math.prod(shape) * dtype.itemsize != end - begin:
            raise ValueError(f"{name!r} has {end - begin:,} bytes, of shape {shape}, {dtype}")
        found[name] = Entry(dtype, shape, start + begin, end - begin)
    return found
