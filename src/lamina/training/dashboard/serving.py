"""The server of the page: on the loopback interface only, and in a thread of its own in `fit`.

``GET /`` returns the page. ``GET /runs?axis=step&version=7`` returns what it shows, or 204 if
nothing has changed since that version.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamina.training.dashboard.curves import Axis
from lamina.training.dashboard.sources import Source, find
from lamina.web import (
    HEADERS,
    OriginCheck,
    bound_socket,
    error_response,
    http_error,
    json_response,
    url_of,
)

__all__ = ["Server", "Watched", "serve_in_thread"]

HOST = "127.0.0.1"
SCAN_SECONDS = 1.0  # between two looks at the files
ATTEMPTS = 100  # ports after the wanted one
_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class Watched:
    """Folders and files that are watched, and what was read from them.

    Args:
        paths: folders, in which new runs are found as they begin, or files.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._paths = [Path(path) for path in paths]
        self._sources: dict[tuple[type[Source], Path], Source] = {}
        self._notes: list[str] = []
        self._version = 0
        self._scanned = 0.0
        self._lock = threading.Lock()

    def watch(self, path: str | os.PathLike[str]) -> None:
        """Watch another folder or file."""
        with self._lock:
            if Path(path) not in self._paths:
                self._paths.append(Path(path))

    def answer(self, axis: Axis, version: int | None) -> dict[str, Any] | None:
        """Return what the page shows; None if it is that of a version.

        Args:
            axis: the horizontal axis of the curves.
            version: that the page has, or None.
        """
        with self._lock:
            if time.monotonic() - self._scanned >= SCAN_SECONDS or not self._scanned:
                self._scan()
                self._scanned = time.monotonic()
            if version == self._version:
                return None
            runs: list[dict[str, Any]] = []
            for source in self._sources.values():
                runs += [run.to_json(axis) for run in source.runs]
                if source.is_partial:
                    runs[-1]["notes"].append("The last line is incomplete.")
            about = {"version": self._version, "now": time.time(), "axis": axis}
            return {**about, "runs": runs, "notes": self._notes}

    def _scan(self) -> None:
        found: dict[tuple[type[Source], Path], Source] = {}
        notes: list[str] = []
        for path in self._paths:
            sources, more = find(path)
            notes += more
            for source in sources:
                found.setdefault((type(source), source.path), source)
        gone = [key for key in self._sources if key not in found and not key[1].exists()]
        kept = {key: self._sources[key] for key in gone}
        now = {**kept, **{key: self._sources.get(key, one) for key, one in found.items()}}
        changed = now.keys() != self._sources.keys() or notes != self._notes
        self._sources, self._notes = now, notes
        for source in now.values():
            changed |= source.read()
        self._version += changed or not self._version


class _Site:
    """The request handlers."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        folder = resources.files("lamina.training.dashboard").joinpath("page")
        self._pages = {
            path: Response(folder.joinpath(name).read_bytes(), media_type=kind)
            for path, (name, kind) in _PAGE.items()
        }

    async def page(self, request: Request) -> Response:
        return self._pages[request.url.path]

    def runs(self, request: Request) -> Response:  # not async: it runs in a thread
        axis = request.query_params.get("axis", "step")
        version = request.query_params.get("version", "")
        if axis not in ("step", "epoch", "time"):
            raise HTTPException(400, "The axis must be step, epoch or time.")
        known = int(version) if re.fullmatch("[0-9]{1,18}", version) else None
        found = self._watched.answer(axis, known)
        return Response(status_code=204) if found is None else json_response(found)


def application(watched: Watched) -> Starlette:
    """Return the application that serves a page of what is watched."""
    site = _Site(watched)
    made = Starlette(
        routes=[*(Route(path, site.page) for path in _PAGE), Route("/runs", site.runs)],
        middleware=[Middleware(OriginCheck, local=True)],
        exception_handlers={HTTPException: http_error, Exception: _server_error},
    )
    made.router.redirect_slashes = False
    return made


async def _server_error(_: Request, error: Exception) -> Response:
    return error_response(500, f"The logs cannot be shown: {type(error).__name__}.")


class Server:
    """Serves what is watched on a port of the loopback interface.

    Args:
        paths: folders or files to watch.
        port: in [0, 65535]; if it is taken, the next free one is used. 0 for any free one.

    Attributes:
        watched: what is shown; more may be added.
        url: of the page.

    Raises:
        OSError: no port can be opened.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], port: int) -> None:
        self.watched = Watched(paths)
        self._socket = _listening(port)
        self.url = url_of(self._socket)
        config = uvicorn.Config(
            application(self.watched),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=HEADERS,
            limit_concurrency=64,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=2,
        )
        self._running = uvicorn.Server(config)

    def serve_forever(self) -> None:
        """Serve until :meth:`shutdown`; in the main thread also until SIGINT or SIGTERM."""
        self._running.run(sockets=[self._socket])

    def shutdown(self) -> None:
        """Stop the server. May be called from any thread."""
        self._running.should_exit = True

    def close(self) -> None:
        """Close the port of a server that has not run."""
        self._socket.close()


def _listening(port: int) -> socket.socket:
    """Open the port, or the next one that is free."""
    last = min(port + ATTEMPTS, 65535) if port else 0
    for tried in (*range(port, last + 1), 0):
        try:
            bound = bound_socket(HOST, tried)
        except OSError:
            if tried == 0:
                raise
            continue
        try:
            bound.listen(64)
            return bound
        except OSError:
            bound.close()
            if tried == 0:
                raise
    raise AssertionError("a loop that ends with port 0 returns or raises")


_servers: dict[tuple[int, int], Server] = {}
"""The servers of this process, by process and wanted port."""


def serve_in_thread(path: str | os.PathLike[str], port: int) -> str:
    """Serve a folder until the process ends, and return the URL of the page.

    The server of an earlier call for the same port shows the folder as another run.

    Args:
        path: the folder.
        port: the wanted port.

    Raises:
        OSError: no port can be opened.
    """
    key = os.getpid(), port
    if key not in _servers:
        server = _servers[key] = Server([path], port)
        threading.Thread(target=server.serve_forever, name="dashboard", daemon=True).start()
    _servers[key].watched.watch(path)
    return _servers[key].url
