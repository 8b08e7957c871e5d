"""The members of an archive or folder of Keras; nothing is extracted."""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from types import TracebackType
from typing import Protocol, Self

from lamina.errors import FileFormatError
from lamina.saving.keras.errors import refused
from lamina.saving.keras.texts import MOST_TEXT

__all__ = ["Archive", "Container", "Folder", "Window"]

_MOST_MEMBERS = 100_000
_LARGEST = 1 << 40
_MOST_RATIO = 1032  # DEFLATE cannot expand data more than this
_UNPACKED, _UNPACKED_EACH = 128 << 20, 32  # the most of a compressed member, and for each byte
_LOCAL_HEADER = 30
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError)


class Window(io.RawIOBase):
    """A part of an open file as a file, to be read.

    Args:
        stream: the file, unbuffered.
        start: the position of the first byte.
        length: the number of bytes.
    """

    def __init__(self, stream: io.RawIOBase | io.BytesIO, start: int, length: int) -> None:
        super().__init__()
        self._stream, self._start, self._length, self._at = stream, start, length, 0

    def again(self) -> Window:
        """Return the same part as another file, with a position of its own."""
        return Window(self._stream, self._start, self._length)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore
        left = max(0, self._length - self._at)
        self._stream.seek(self._start + self._at)
        count = self._stream.readinto(memoryview(buffer)[: min(left, len(buffer))]) or 0
        self._at += count
        return count


class Container(Protocol):
    """The files that describe a model, by name."""

    path: str

    def names(self) -> list[str]: ...

    def text(self, name: str) -> str: ...

    def window(self, name: str) -> Window: ...

    def close(self) -> None: ...


class Archive:
    """A zip archive, whose members are read in place.

    Args:
        path: the path of the archive.

    Raises:
        FileFormatError: it is damaged, names a member twice or outside of the archive, or has a
            member whose size is not plausible.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._stream = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        try:
            self._zip = zipfile.ZipFile(path)
            self._members = self._checked()
        except FileFormatError:
            self.close()
            raise
        except _DAMAGED as error:
            self.close()
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        listed = self._zip.infolist()
        if len(listed) > _MOST_MEMBERS:
            raise self._damaged(f"{len(listed):,} members")
        found: dict[str, zipfile.ZipInfo] = {}
        for one in listed:
            name = one.filename
            parts = name.rstrip("/").split("/")
            kind = one.external_attr >> 16
            if "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
                raise self._damaged(f"a member named {name!r}, which is outside of the archive")
            if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)) and stat.S_IFMT(kind):
                raise self._damaged(f"{name!r}, which is not a regular file")
            if name in found:
                raise self._damaged(f"two members named {name!r}")
            if one.flag_bits & 1 or one.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise self._damaged(f"{name!r}, which is encrypted or packed in an unusual way")
            most = one.compress_size * _MOST_RATIO + 1
            if one.compress_type == zipfile.ZIP_STORED:
                most = one.compress_size
            if one.file_size > min(most, _LARGEST):
                raise self._damaged(f"{name!r} of {one.file_size:,} bytes")
            found[name] = one
        return found

    def names(self) -> list[str]:
        """Return the names of the members."""
        return list(self._members)

    def text(self, name: str) -> str:
        """Read a member as text.

        Args:
            name: the name of the member.

        Raises:
            FileFormatError: there is no such member, or it is too large or not text.
        """
        member = self._member(name)
        if member.file_size > MOST_TEXT:
            raise self._damaged(f"{name!r} of {member.file_size:,} bytes, more than {MOST_TEXT:,}")
        return _decoded(self, self._unpacked(member, MOST_TEXT), name)

    def window(self, name: str) -> Window:
        """Open a member; a compressed one is unpacked in memory.

        Args:
            name: the name of the member.

        Raises:
            FileFormatError: there is no such member, or it is damaged.
        """
        member = self._member(name)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            most = _UNPACKED + _UNPACKED_EACH * member.compress_size
            if member.file_size > most:
                raise self._damaged(f"{name!r} of {member.file_size:,} bytes, which are packed")
            data = self._unpacked(member, most)
            return Window(io.BytesIO(data), 0, len(data))
        self._stream.seek(member.header_offset)
        header = self._stream.read(_LOCAL_HEADER) or b""
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise self._damaged(f"no data of {name!r}")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = member.header_offset + _LOCAL_HEADER + lengths
        if start + member.file_size > os.fstat(self._stream.fileno()).st_size:
            raise self._damaged(f"{name!r} of {member.file_size:,} bytes, which is cut off")
        return Window(self._stream, start, member.file_size)

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise self._damaged(f"a zip archive without {name!r}, as .npz and .pt files are")
        return self._members[name]

    def _unpacked(self, member: zipfile.ZipInfo, most: int) -> bytes:
        try:
            with self._zip.open(member) as stream:
                data = stream.read(min(member.file_size, most) + 1)
        except _DAMAGED as error:
            raise self._damaged(f"{member.filename!r}: {error}") from error
        if len(data) != member.file_size:
            raise self._damaged(f"{member.filename!r}, which has another size than declared")
        return data

    def close(self) -> None:
        """Close the archive."""
        self._stream.close()
        if hasattr(self, "_zip"):
            self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _damaged(self, received: str) -> Exception:
        return _damaged(self.path, received)


class Folder:
    """A folder with the members of an archive as files.

    Args:
        path: the path of the folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open: list[io.FileIO] = []

    def names(self) -> list[str]:
        """Return the paths of the regular files, with slashes; no symbolic link is followed."""
        found: list[str] = []
        for folder, _, files in os.walk(self.path):
            for name in files:
                whole = os.path.join(folder, name)
                if os.path.isfile(whole) and not os.path.islink(whole):
                    found.append(os.path.relpath(whole, self.path).replace(os.sep, "/"))
            if len(found) > _MOST_MEMBERS:
                raise self._damaged(f"more than {_MOST_MEMBERS:,} files")
        return found

    def text(self, name: str) -> str:
        """Read a file as text.

        Args:
            name: its path in the folder.

        Raises:
            FileFormatError: there is no such file, or it is too large or not text.
        """
        window = self.window(name)
        size = window.seek(0, os.SEEK_END)
        if size > MOST_TEXT:
            raise self._damaged(f"{name!r} of {size:,} bytes, more than {MOST_TEXT:,}")
        window.seek(0)
        return _decoded(self, window.read(), name)

    def window(self, name: str) -> Window:
        """Open a file.

        Args:
            name: its path in the folder.

        Raises:
            FileFormatError: there is no such file.
        """
        whole = os.path.join(self.path, *name.split("/"))
        if not os.path.isfile(whole) or os.path.islink(whole):
            raise self._damaged(f"no file {name!r}")
        stream = open(whole, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self._open.append(stream)
        return Window(stream, 0, os.fstat(stream.fileno()).st_size)

    def close(self) -> None:
        """Close the files that were opened."""
        for stream in self._open:
            stream.close()

    def _damaged(self, received: str) -> Exception:
        return _damaged(self.path, received)


def _decoded(container: Container, data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _damaged(container.path, f"{name!r}, which is not UTF-8: {error}") from error


def _damaged(path: str, received: str) -> Exception:
    return refused(
        path,
        "is not a complete model of Keras",
        expected="config.json, metadata.json and model.weights.h5, each once",
        received=received,
        remedy="Copy the file again, or save the model again in Keras.",
    )
