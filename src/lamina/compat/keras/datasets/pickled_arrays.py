"""Arrays in pickles, read without calling anything that a pickle names."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from lamina.errors import FileFormatError, explain

__all__ = ["arrays_of", "load_pickle"]

_format: Any = np.lib.format


def arrays_of(path: Path) -> dict[str, Any]:
    """The arrays in an ``.npz`` file, also those of lists.

    Args:
        path: the file.

    Raises:
        FileFormatError: an array holds other things than numbers, lists and text.
    """
    found: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                found[name.removesuffix(".npy")] = _array(cast("BinaryIO", file))
    return found


def _array(file: BinaryIO) -> Any:
    version = _format.read_magic(file)
    read: Any = {(1, 0): _format.read_array_header_1_0, (2, 0): _format.read_array_header_2_0}
    shape, fortran, dtype = read[version](file)
    if dtype.hasobject:
        return load_pickle(file)
    data = np.frombuffer(bytearray(file.read()), dtype)
    return data.reshape(shape, order="F" if fortran else "C")


def load_pickle(file: BinaryIO) -> Any:
    """Read a pickle of lists, dicts, numbers, text and NumPy arrays.

    The names of NumPy's functions in it stand for parts of this module; others are errors.

    Args:
        file: the open file.

    Raises:
        FileFormatError: the pickle names something else, or is damaged.
    """
    try:
        read: Any = _Reader(file, encoding="bytes").load()
        return _plain(read)
    except Exception as error:  # whatever a damaged file leads to
        raise FileFormatError(
            explain(
                "A pickle in a data set cannot be read.",
                expected="lists, dicts, numbers, text and arrays of NumPy",
                received=str(error)[:200],
                remedy="Download the file again from where it is published.",
            )
        ) from error


class _Dtype:
    """A dtype in a pickle."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode() if isinstance(order, bytes) else str(order)

    def array(self, shape: Any, fortran: Any, data: Any) -> Any:
        """The array with these data."""
        shape = tuple(int(size) for size in shape)
        if re.fullmatch("O[48]?", self.name):
            made: Any = np.empty(len(data), object)
            for index, one in enumerate(data):  # lists of equal length are elements, too
                made[index] = _plain(one)
            return made.reshape(shape)
        if not re.fullmatch("[biuf][1248]", self.name) or self.order not in {*"<>=|"}:
            raise ValueError(f"the dtype {self.name}")
        order = "" if self.order == "|" else self.order
        flat = np.frombuffer(bytearray(data), np.dtype(order + self.name))
        return flat.reshape(shape, order="F" if fortran else "C")


class _Array:
    """An array in a pickle."""

    def __init__(self, *_: Any) -> None:
        self.array: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.array = dtype.array(shape, fortran, data)


def _encoded(text: str, encoding: Any) -> bytes:
    """Bytes, as old pickles of Python 3 hold them."""
    return text.encode("latin1")


_PARTS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): None,
    ("_codecs", "encode"): _encoded,
    **dict.fromkeys(
        [(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")], _Array
    ),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _PARTS:
            raise pickle.UnpicklingError(f"the name {module_name}.{global_name}")
        return _PARTS[module_name, global_name]


def _plain(value: Any) -> Any:
    """A value with the arrays in place of their parts."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {_text(key): _plain(one) for key, one in items}
    return value


def _text(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key
