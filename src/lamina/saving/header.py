"""The header of a safetensors file, checked against the file before anything of it is read."""

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
    """One array of a file: its true dtype and shape, and where its bytes are."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    nbytes: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def header_of(text: str, path: str, room: int) -> dict[str, tuple[str, list[int], int, int]]:
    """Of each array its safetensors code, its shape, and where its bytes begin and end.

    Args:
        text: the header's JSON.
        path: of the file, for errors.
        room: how many bytes stand behind the header.

    Raises:
        FileFormatError: the text is not JSON of a bounded size.
        ValueError: it is no header, or not that of a file of so many bytes.
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
            raise ValueError(f"{name!r} has a size that is none")
        found[name] = str(code), shape, begin, end
    _check_places(found, room)
    return found


def _check_places(found: dict[str, tuple[str, list[int], int, int]], room: int) -> None:
    """Let only arrays pass that stand one behind the other, and fill the file."""
    at = 0
    for _, _, begin, end in sorted(found.values(), key=lambda one: one[2:]):
        if begin != at or end < begin:
            raise ValueError("arrays lie in each other, or leave gaps")
        at = end
    if at != room:
        raise ValueError(f"arrays of {at:,} bytes in a file of {room:,}")


def entries_of(
    header: Mapping[str, tuple[str, list[int], int, int]], dtypes: Mapping[str, str], start: int
) -> dict[str, Entry]:
    """All arrays by name.

    Args:
        header: what :func:`header_of` gave.
        dtypes: of the arrays that are stored as bytes, by name.
        start: where the bytes behind the header begin.

    Raises:
        ValueError: a dtype is not known, or an array has more or fewer bytes than its shape says.
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
