"""Seeing to it that nothing runs: processes, files, sockets, pickles and imports are watched."""

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path

__all__ = ["nothing_runs"]

_EVENTS = (
    "code.__new__",
    "ctypes.dlopen",
    "os.chmod",
    "os.exec",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.symlink",
    "os.system",
    "os.truncate",
    "pickle.find_class",
    "shutil.",
    "socket.bind",
    "socket.connect",
    "subprocess.Popen",
    "webbrowser.open",
)
_LAZY = ("jax", "lamina")
"""Packages that import their own modules when they are first needed."""

_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_EVENTS):
        _watching[-1].append(f"{event} {arguments}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def nothing_runs(folder: Path) -> Generator[None]:
    """See that what is done within starts, removes, renames, unpickles, connects and imports
    nothing, and leaves the files of a folder as they are.

    JAX's cache of compiled programs, which tests keep elsewhere, renames files, too.
    """
    files = _contents(folder)
    modules = set(sys.modules)
    _watching.append([])
    try:
        yield
    finally:
        seen = [one for one in _watching.pop() if "/jax-" not in one]
    assert seen == []
    assert _contents(folder) == files
    new = {name for name in set(sys.modules) - modules if name.partition(".")[0] not in _LAZY}
    assert new == set()


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
