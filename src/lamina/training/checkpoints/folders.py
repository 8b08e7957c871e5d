"""Folders that training writes to: locks, and checks before the first step."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import stat
import sys
import tempfile
import warnings
import weakref
from pathlib import Path

from lamina.errors import InputError, explain

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock", "check_file", "check_folder"]

_NAME = ".lock"
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_ATTEMPTS = 100
_LOCK_OFFSET = 1 << 30  # on Windows, others cannot read locked bytes; this one is unused
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_OWNER = re.compile(r"(\d{1,10}) ([\w.-]{1,255})\n")


class FolderLock:
    """A lock on a folder, which is created if missing; it ends with the process at the latest.

    It is a lock of the operating system on a file in the folder, which names the process and its
    host. It excludes other runs of the same process, too; a forked child does not hold it.

    Args:
        directory: the folder.

    Raises:
        InputError: another run holds the lock.
        OSError: the folder cannot be created or written to.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.root = Path(directory)
        self._path = self.root / _NAME
        self._descriptor: int | None = None
        try:
            self._descriptor = self._acquire()
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()} {platform.node()}\n".encode())
        except OSError as error:
            self.close()
            raise _unwritable(self.root, error) from error
        _locks.add(self)

    def close(self) -> None:
        """Release the lock and remove its file."""
        descriptor, self._descriptor = self._descriptor, None
        _locks.discard(self)
        if descriptor is None:
            return
        with contextlib.suppress(OSError):  # a file without a lock does no harm
            if os.name == "posix" and self._is(descriptor):  # while the lock is held
                self._path.unlink()
        os.close(descriptor)
        if os.name != "posix":
            with contextlib.suppress(OSError):
                self._path.unlink()

    def leave(self) -> None:
        """Drop the lock in a forked child, where closing the file does not release it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _acquire(self) -> int:
        """Open and lock the file; create it again if another run removes it meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(self._path, _FLAGS, 0o666)
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            try:
                self._lock(descriptor)
                if self._is(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        raise OSError(errno.EAGAIN, f"{self._path} was removed repeatedly")

    def _is(self, descriptor: int) -> bool:
        """Return whether an open file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def _lock(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"{self._path} is no regular file")
        try:
            _lock_file(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                raise InputError(_in_use(self.root, _owner(descriptor))) from None
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(_no_locks(self.root, error), UserWarning, stacklevel=4)


_locks: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _leave_all() -> None:
    for lock in list(_locks):
        lock.leave()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def check_folder(directory: str | os.PathLike[str]) -> None:
    """Create a folder if it is missing, and check that files can be written to it.

    Raises:
        OSError: it cannot be created or written to.
    """
    root = Path(directory)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise _unwritable(root, error) from error


def check_file(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written or replaced; create its folder if it is missing.

    Raises:
        OSError: the path is no file, or its folder cannot be created or written to.
    """
    check_folder(Path(path).parent)
    if os.path.exists(path) and not os.path.isfile(path):
        folder = os.path.isdir(path)
        code = errno.EISDIR if folder else errno.EINVAL
        text = explain(
            f"{os.fspath(path)!r} cannot be written: {os.strerror(code)}.",
            expected="a regular file, or nothing, at that path",
            received="a folder" if folder else "a special file",
            remedy="Use another path.",
        )
        raise OSError(code, text)


def _lock_file(descriptor: int) -> None:
    """Lock an open file without waiting."""
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _owner(descriptor: int) -> str:
    """Describe the holder of the lock, which its file names."""
    found = _OWNER.fullmatch(os.read(descriptor, 512).decode("utf-8", "replace"))
    if found is None:
        return "another process"
    pid, host = found.groups()
    if host == platform.node() and int(pid) == os.getpid():
        return f"another run of this process, {pid} on {host}"
    return f"process {pid} on {host}"


def _in_use(root: Path, owner: str) -> str:
    return explain(
        f"{os.fspath(root)!r} is in use by another run.",
        where=os.fspath(root.absolute()),
        expected="one run at a time in a folder",
        received=f"a lock held by {owner}",
        remedy="Wait until that run has ended, or use another folder.",
    )


def _no_locks(root: Path, error: OSError) -> str:
    return explain(
        f"{os.fspath(root)!r} cannot be locked: {error.strerror}.",
        expected="a file system with locks, which exclude other runs from the folder",
        received="a file system without locks; training continues",
        remedy="Make sure that no other run writes to the folder.",
    )


def _unwritable(root: Path, error: OSError) -> OSError:
    code = error.errno or errno.EIO
    existing = [path for path in (root, *root.parents) if os.path.lexists(path)]
    is_file = existing and not existing[0].is_dir()
    text = explain(
        f"{os.fspath(root)!r} cannot be created or written to: {error.strerror or error}.",
        where=os.fspath(root.absolute()),
        expected="a writable folder, or a path where one can be created",
        received=f"{os.fspath(existing[0])!r}, which is not a folder" if is_file else None,
        remedy="Use another folder, or correct the permissions of this one.",
    )
    return OSError(code, text)
