"""HDF5 files of Keras: hard links only, arrays of numbers only, read in ranges.

A file may link to other files, store arrays outside of itself, and declare arrays that are larger
than what it holds. All of these are refused before any array is read.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import empty
from lamina.errors import FileFormatError, explain
from lamina.saving.keras.archive import Window
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.errors import refused

if TYPE_CHECKING:
    pass

__all__ = ["Hdf5File", "h5py_module"]

_DEEPEST = 64
_MOST_OBJECTS = 1_000_000
_MOST_RATIO = 1032  # DEFLATE cannot expand data more than this
_LARGEST_CHUNK = 1 << 20  # that is larger than its array
_GROUPS, _GROUPS_EACH = 4_096, 16  # the most groups, and for each array
_LARGEST_ATTRIBUTE = 16 << 20
_FILTERS = {1, 2, 3, 32000}  # gzip, shuffle, fletcher32, lzf: all of h5py's own
_BFLOAT16 = np.dtype(jnp.bfloat16)


def h5py_module() -> Any:
    """Import h5py.

    Raises:
        ImportError: it is not installed; the error names the extra.
    """
    try:
        import h5py  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ImportError(
            explain(
                "Files of Keras are read and written with h5py, which is not installed.",
                expected="the package h5py",
                received=str(error),
                remedy="Run: pip install 'lamina[keras]'",
            )
        ) from error
    return h5py


class Hdf5File:
    """An open HDF5 file, checked as a whole.

    Args:
        window: the bytes of the file.
        path: the path of the file, for errors.

    Attributes:
        arrays: all arrays, by their path.
        groups: the paths of all groups.

    Raises:
        ImportError: h5py is not installed.
        FileFormatError: the file is damaged, links to other files, or has other data than numbers.
    """

    def __init__(self, window: Window, path: str) -> None:
        self.path = path
        self._window = window
        module = h5py_module()
        self.arrays: dict[str, StoredArray] = {}
        self.groups: list[str] = []
        self._datasets: dict[str, Any] = {}
        try:
            # h5py reads few bytes at a time.
            small = io.BufferedReader(window.again(), 1 << 16)
            self._file = module.File(small, "r")
        except (OSError, ValueError, RuntimeError) as error:
            raise self._damaged(str(error)) from error
        try:
            with self._reading():
                self._scan(module)
        except BaseException:
            self.close()
            raise

    def _scan(self, module: Any) -> None:
        size = self._window.seek(0, os.SEEK_END)
        pending: list[tuple[str, Any]] = [("", self._file)]
        seen: set[int] = set()
        while pending:
            path, group = pending.pop()
            self.groups.append(path)
            most = _GROUPS + _GROUPS_EACH * len(self.arrays)
            if len(self.groups) > most or len(group) > 4 * most:
                raise self._damaged("too many groups for its arrays")
            for name in group:
                full = f"{path}/{name}" if path else name
                if len(seen) >= _MOST_OBJECTS or full.count("/") > _DEEPEST:
                    raise self._damaged("too many groups, or groups too deep")
                link = group.get(name, getlink=True)
                if not isinstance(link, module.HardLink):
                    raise self._damaged(f"{full!r}, a link to another place or file")
                item = group[name]
                address = module.h5o.get_info(item.id).addr
                if address in seen:
                    raise self._damaged(f"{full!r}, which is stored twice")
                seen.add(address)
                if isinstance(item, module.Group):
                    pending.append((full, item))
                elif isinstance(item, module.Dataset):
                    self.arrays[full] = self._array(full, item, size)
                else:
                    raise self._damaged(f"{full!r}, which is neither a group nor an array")

    def _array(self, path: str, dataset: Any, size: int) -> StoredArray:
        dtype, raw = self._dtype(path, dataset)
        plist = dataset.id.get_create_plist()
        if dataset.external or dataset.is_virtual:
            raise self._damaged(f"{path!r}, whose values are in another file")
        filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
        if not filters <= _FILTERS:
            raise self._damaged(f"{path!r}, packed by a filter that is not built in")
        if dataset.shape is None:
            raise self._damaged(f"{path!r}, an array without a shape")
        shape = tuple(map(int, dataset.shape))
        stored, needed = dataset.id.get_storage_size(), dataset.size * raw.itemsize
        if needed > stored * (_MOST_RATIO if filters else 1) or stored > size:
            raise self._damaged(f"{path!r} of {needed:,} bytes, of which {stored:,} are stored")
        if dataset.chunks is not None:  # a chunk is unpacked as a whole
            chunk = math.prod(map(int, dataset.chunks)) * raw.itemsize
            if chunk > 2 * needed + _LARGEST_CHUNK:
                raise self._damaged(f"{path!r} of {needed:,} bytes, in chunks of {chunk:,}")
        offset = dataset.id.get_offset() if dataset.chunks is None else None
        if offset is not None and needed:
            return StoredArray(
                shape, dtype, functools.partial(self._contiguous, offset, raw, dtype)
            )
        self._datasets[path] = dataset
        return StoredArray(shape, dtype, functools.partial(self._chunked, path, dtype))

    def _dtype(self, path: str, dataset: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """The dtype of an array, and that of its bytes."""
        raw: np.dtype[Any] = dataset.dtype
        if raw.kind == "V" and raw.itemsize == 2 and raw.fields is None and raw.subdtype is None:
            return _BFLOAT16, raw
        if raw.kind not in "fiub" or raw.itemsize > 8 or raw.metadata:
            raise self._damaged(f"{path!r}, of the dtype {raw}")
        return raw.newbyteorder("="), raw

    def _contiguous(
        self, offset: int, raw: np.dtype[Any], dtype: np.dtype[Any], start: int, stop: int
    ) -> np.ndarray:
        data = empty(((stop - start) * raw.itemsize,), np.uint8)
        self._window.seek(offset + start * raw.itemsize)
        left = data.data
        while left:
            count = self._window.readinto(left)
            if not count:
                raise self._damaged("an array that is cut off")
            left = left[count:]
        if dtype == _BFLOAT16:
            return data.view(_BFLOAT16)
        if raw.kind == "b":
            return data != 0
        return data.view(raw).astype(dtype, copy=False)

    def _chunked(self, path: str, dtype: np.dtype[Any], start: int, stop: int) -> np.ndarray:
        return self._whole(path, dtype)[start:stop]

    @functools.lru_cache(1)  # noqa: B019 - one array, until the file is closed
    def _whole(self, path: str, dtype: np.dtype[Any]) -> np.ndarray:
        with self._reading():
            values = np.asarray(self._datasets[path][()])
        values = values.view(_BFLOAT16) if dtype == _BFLOAT16 else values.astype(dtype, copy=False)
        return np.ascontiguousarray(values).reshape(-1)

    def attribute(self, name: str, group: str = "") -> Any:
        """Read an attribute: text, a list of texts, or numbers; None if there is none.

        Args:
            name: its name. One that is divided into ``name0``, ``name1`` and so on is joined.
            group: the path of the group or array; the root by default.
        """
        with self._reading():
            attributes: Any = (self._file[group] if group else self._file).attrs
            if name in attributes:
                return self._value(attributes, name)
            parts: list[Any] = []
            while f"{name}{len(parts)}" in attributes:
                parts.append(self._value(attributes, f"{name}{len(parts)}"))
            return [item for part in parts for item in part] if parts else None

    def _value(self, attributes: Any, name: str) -> Any:
        identifier = attributes.get_id(name)
        shape = identifier.shape
        if shape is not None and 0 in shape:  # h5py fails to tell the size of these
            return []
        if identifier.get_storage_size() > _LARGEST_ATTRIBUTE:
            raise self._damaged(f"the attribute {name!r}, which is too large")
        return _plain(attributes[name])

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(Exception):
            self._file.close()

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        """Convert the errors of h5py to errors about the file."""
        try:
            yield
        except FileFormatError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def _damaged(self, received: str) -> Exception:
        return refused(
            self.path,
            "holds HDF5 data that is damaged, or that no file of Keras has",
            expected="groups and arrays of numbers inside the file",
            received=received,
            remedy="Copy the file again, or save the model again in Keras.",
        )


def _plain(value: Any) -> Any:
    """Text and lists of text without bytes; other values as they are."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        items = cast("list[Any]", value.tolist())
        return [_plain(item) for item in items] if value.ndim else _plain(value.item())
    return value
