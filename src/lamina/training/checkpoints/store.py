"""Checkpoints on disk: folders that are there whole or not at all, known by their checksums.

A checkpoint ``checkpoint-000012`` holds ``weights.safetensors``, which `load_weights` reads too,
``training.safetensors`` with all other arrays, and ``checkpoint.json``: where training stood, and
the size and SHA-256 of the two. It is written beside the others under another name, flushed to the
disk, and renamed. A folder has one writer at a time. Whatever a folder holds that is no checkpoint
is ignored; links are followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
import warnings
from collections.abc import Callable, Generator
from pathlib import Path

from lamina.errors import FileFormatError, InputError, explain
from lamina.training.checkpoints.contents import Checkpoint, Contents, checked, fill, flush
from lamina.training.checkpoints.folders import FolderLock

__all__ = ["clean", "folders", "forget", "newest", "write"]

_PREFIX = "checkpoint-"
_NAMED = re.compile(f"{_PREFIX}[0-9]+")


def write(
    directory: str | os.PathLike[str], contents: Contents, keep: int, *, locked: bool = False
) -> Path:
    """Write a checkpoint, and remove the oldest so that `keep` are left.

    Args:
        directory: of the checkpoints.
        contents: of the new one.
        keep: how many are left, the newest.
        locked: whether the caller holds the directory's lock.

    Raises:
        InputError: another run holds the lock.
        OSError: it cannot be written. The checkpoints that are there are as they were.
    """
    root = Path(directory)
    with contextlib.nullcontext() if locked else FolderLock(root):
        try:
            root.mkdir(parents=True, exist_ok=True)
            with _folder_beside(root) as temporary:
                fill(temporary, contents)
                target = root / f"{_PREFIX}{_next(root):06d}"
                os.rename(temporary, target)
            flush(root)
        except OSError as error:
            raise _unwritten(root, error) from error
        for old in folders(root)[:-keep]:
            _remove(old)
    return target


def folders(directory: str | os.PathLike[str]) -> list[Path]:
    """The folders of a directory that are named as checkpoints, the oldest first."""
    root = Path(directory)
    return sorted((path for path in _named(root) if path.is_dir()), key=_number)


def newest(
    directory: str | os.PathLike[str], check: Callable[[Checkpoint], None] | None = None
) -> Checkpoint | None:
    """The newest checkpoint that is whole, None if there are none; damaged ones are told of.

    Args:
        directory: of the checkpoints.
        check: raises FileFormatError where a checkpoint is of no use to the caller.

    Raises:
        FileFormatError: there are checkpoints, and all are damaged.
    """
    damaged: list[str] = []
    for folder in reversed(folders(directory)):
        try:
            found = checked(folder)
            if check is not None:
                check(found)
            return found
        except Exception as error:  # whatever is wrong in it, an older one may be whole
            plain = isinstance(error, FileFormatError | OSError)
            text = str(error).partition("\n")[0]
            reason = text if plain else f"{type(error).__name__}: {text}"
            damaged.append(f"{folder.name}: {reason}")
            warnings.warn(
                explain(
                    f"The checkpoint {folder} is damaged; an older one is tried.",
                    received=reason,
                    remedy="Remove it, and see to the disk it is on.",
                ),
                UserWarning,
                stacklevel=2,
            )
    if not damaged:
        return None
    raise FileFormatError(
        explain(
            f"No checkpoint in {os.fspath(directory)!r} is whole.",
            expected="files with the sizes and the SHA-256 that checkpoint.json tells",
            received="; ".join(damaged),
            remedy="Begin anew in another folder, or bring a copy of a checkpoint back.",
        )
    )


def clean(directory: str | os.PathLike[str]) -> None:
    """Remove what a run that was killed left half written; the caller holds the lock."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name.startswith(f".{_PREFIX}") and name.endswith(".tmp"):
            _delete(Path(directory, name))


def forget(directory: str | os.PathLike[str]) -> None:
    """Remove all checkpoints of a directory, and the directory if nothing else is in it.

    They are left where another run holds the lock, or where they cannot be removed.
    """
    with contextlib.suppress(OSError, InputError):
        if not os.path.isdir(directory):
            return
        with FolderLock(directory):
            for folder in folders(directory):
                _remove(folder)
            clean(directory)
        os.rmdir(directory)


def _named(root: Path) -> list[Path]:
    """All that is named as a checkpoint, whatever it is."""
    names = os.listdir(root) if root.is_dir() else []
    return [root / name for name in names if _NAMED.fullmatch(name)]


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _next(root: Path) -> int:
    return max(map(_number, _named(root)), default=0) + 1


@contextlib.contextmanager
def _folder_beside(root: Path) -> Generator[Path]:
    """A new folder on the same disk, removed if it was not renamed."""
    temporary = root / f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp"
    temporary.mkdir()
    try:
        yield temporary
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Take a checkpoint away at once; then its files, one by one."""
    hidden = folder.with_name(f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp")
    with contextlib.suppress(OSError):
        os.rename(folder, hidden)
        _delete(hidden)


def _delete(path: Path) -> None:
    """Remove a folder with all that is in it, or a link to one, as far as that can be."""
    if path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _unwritten(root: Path, error: OSError) -> OSError:
    code = error.errno or errno.EIO
    there = folders(root) if root.is_dir() else []
    text = explain(
        f"No checkpoint can be written to {os.fspath(root)!r}: {os.strerror(code)}.",
        where=f"{os.fspath(root.absolute())}",
        expected="a folder that may be written to, with room for one checkpoint more",
        received=f"{there[-1].name} is there and as it was" if there else "no checkpoint is there",
        remedy="Make room, keep fewer checkpoints (keep=1), or give another folder.",
    )
    return OSError(code, text)
