"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Generator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(target: str, ending: str = ".tmp") -> Generator[str]:
    """Yield a temporary path with an ending, which replaces `target` if no error is raised."""
    if os.path.lexists(target) and not os.path.isfile(target):
        code = errno.EISDIR if os.path.isdir(target) else errno.EINVAL
        raise OSError(code, os.strerror(code))
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".lamina-{uuid.uuid4().hex[:12]}{ending}")
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
        with contextlib.suppress(
            OSError
        ):  # the file is in place; some file systems cannot flush folders
            _flush(folder, os.O_RDONLY)


def _flush(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
