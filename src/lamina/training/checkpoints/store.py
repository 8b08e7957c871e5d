"""Checkpoints on disk: folders that are complete or absent, verified by checksums.

A checkpoint ``checkpoint-000012`` holds ``weights.safetensors``, which `load_weights` reads too,
``training.safetensors`` with all other arrays, and ``checkpoint.json`` with the progress of
training and the size and SHA-256 of the other two. It is written under a temporary name, flushed to
the disk, and renamed. A directory has one writer at a time. Other files in it are ignored; links
are followed.
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

from lamina.core.base import processes
from lamina.errors import FileFormatError, InputError, explain
from lamina.training.checkpoints import contents as files
from lamina.training.checkpoints.checksums import flush
from lamina.training.checkpoints.contents import Checkpoint, Contents
from lamina.training.checkpoints.folders import FolderLock

__all__ = ["folders", "newest", "remove_all", "remove_partial", "write"]

_PREFIX = "checkpoint-"
_NAMED = re.compile(f"{_PREFIX}[0-9]+")


def write(
    directory: str | os.PathLike[str], contents: Contents, keep: int, *, locked: bool = False
) -> Path:
    """Write a checkpoint and remove old ones.

    Args:
        directory: of the checkpoints.
        contents: of the new checkpoint.
        keep: the number of newest checkpoints to keep.
        locked: whether the caller holds the directory's lock.

    Returns:
        The folder of the new checkpoint.

    Raises:
        InputError: another run holds the lock.
        OSError: it cannot be written. Existing checkpoints are unchanged.
    """
    root = Path(directory)
    if contents.sharded and processes.are_several():
        return _write_together(root, contents, keep, locked)
    lock = contextlib.nullcontext() if locked else FolderLock(root)
    with lock, _explained(root), _temporary_folder(root) as temporary:
        files.write(temporary, contents)
        return _finished(root, temporary, keep)


def _write_together(root: Path, contents: Contents, keep: int, locked: bool) -> Path:
    """Write a checkpoint with all processes; the main one has the lock, and renames the folder."""
    with contextlib.ExitStack() as stack:
        temporary: Path | None = None
        with processes.together():
            if processes.is_main_process():
                if not locked:
                    stack.enter_context(FolderLock(root))
                with _explained(root):
                    temporary = stack.enter_context(_temporary_folder(root))
        name = processes.broadcast("" if temporary is None else temporary.name)
        with _explained(root):
            files.write(root / name, contents)
        target = ""
        with processes.together(), _explained(root):
            if temporary is not None:
                target = _finished(root, temporary, keep).name
        return root / processes.broadcast(target)


def _finished(root: Path, temporary: Path, keep: int) -> Path:
    """Give a folder that is complete its name, and remove old checkpoints."""
    target = root / f"{_PREFIX}{_next(root):06d}"
    os.rename(temporary, target)
    flush(root)
    for old in folders(root)[:-keep]:
        _remove(old)
    return target


@contextlib.contextmanager
def _explained(root: Path) -> Generator[None]:
    """Say in errors of a `with` block what they mean for the checkpoints."""
    try:
        yield
    except OSError as error:
        raise _write_error(root, error) from error


def folders(directory: str | os.PathLike[str]) -> list[Path]:
    """Return the folders named as checkpoints, the oldest first."""
    root = Path(directory)
    return sorted((path for path in _named(root) if path.is_dir()), key=_number)


def newest(
    directory: str | os.PathLike[str], check: Callable[[Checkpoint], None] | None = None
) -> Checkpoint | None:
    """Read the newest complete checkpoint, or return None; warn of damaged ones.

    Args:
        directory: of the checkpoints.
        check: raises FileFormatError if the caller cannot use a checkpoint.

    Raises:
        FileFormatError: there are checkpoints and all are damaged.
    """
    damaged: list[str] = []
    for folder in reversed(folders(directory)):
        try:
            found = files.read(folder)
            if check is not None:
                check(found)
            return found
        except Exception as error:  # whatever the damage, an older one may be complete
            plain = isinstance(error, FileFormatError | OSError)
            text = str(error).partition("\n")[0]
            reason = text if plain else f"{type(error).__name__}: {text}"
            damaged.append(f"{folder.name}: {reason}")
            warnings.warn(
                explain(
                    f"The checkpoint {folder} is damaged; the next older one is used.",
                    received=reason,
                    remedy="Remove it, and check the disk.",
                ),
                UserWarning,
                stacklevel=2,
            )
    if not damaged:
        return None
    raise FileFormatError(
        explain(
            f"No checkpoint in {os.fspath(directory)!r} is complete.",
            expected="files with the sizes and the SHA-256 in checkpoint.json",
            received="; ".join(damaged),
            remedy="Train in another folder, or restore a copy of a checkpoint.",
        )
    )


def remove_partial(directory: str | os.PathLike[str]) -> None:
    """Remove incomplete checkpoints of killed runs; the caller holds the lock."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name.startswith(f".{_PREFIX}") and name.endswith(".tmp"):
            _delete(Path(directory, name))


def remove_all(directory: str | os.PathLike[str]) -> None:
    """Remove all checkpoints of a directory, and the directory if it is empty then.

    Nothing happens if another run holds the lock; errors are ignored.
    """
    with contextlib.suppress(OSError, InputError):
        if not os.path.isdir(directory):
            return
        with FolderLock(directory):
            for folder in folders(directory):
                _remove(folder)
            remove_partial(directory)
        os.rmdir(directory)


def _named(root: Path) -> list[Path]:
    """Return everything named as a checkpoint, also files."""
    names = os.listdir(root) if root.is_dir() else []
    return [root / name for name in names if _NAMED.fullmatch(name)]


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _next(root: Path) -> int:
    return max(map(_number, _named(root)), default=0) + 1


@contextlib.contextmanager
def _temporary_folder(root: Path) -> Generator[Path]:
    """Create a folder on the same disk; remove it afterwards unless it was renamed."""
    temporary = root / f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp"
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Hide a checkpoint by one rename; then delete its files."""
    hidden = folder.with_name(f".{_PREFIX}{uuid.uuid4().hex[:12]}.tmp")
    with contextlib.suppress(OSError):
        os.rename(folder, hidden)
        _delete(hidden)


def _delete(path: Path) -> None:
    """Delete a folder, or a link to one; ignore errors."""
    if path.is_symlink():
        with contextlib.suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _write_error(root: Path, error: OSError) -> OSError:
    code = error.errno or errno.EIO
    existing = folders(root) if root.is_dir() else []
    text = explain(
        f"The checkpoint cannot be written to {os.fspath(root)!r}: {os.strerror(code)}.",
        where=f"{os.fspath(root.absolute())}",
        expected="a writable folder with space for another checkpoint",
        received=f"no new checkpoint; {existing[-1].name} is unchanged"
        if existing
        else "no checkpoint",
        remedy="Free disk space, keep fewer checkpoints (keep=1), or use another folder.",
    )
    return OSError(code, text)
