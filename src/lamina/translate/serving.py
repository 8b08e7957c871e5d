"""A page to translate on: a small server, reachable from this machine alone unless told otherwise.

``GET /`` is the page; ``POST /translate`` takes ``{"text": ...}`` and answers with what
:meth:`Translation.to_dict` tells. Requests are limited in size, in rate, and in how many are
under way; browsers of other sites cannot make them.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from lamina.errors import InputError, explain
from lamina.translate.translator import Translator

__all__ = ["Limits", "Rates", "Server", "server"]

_BYTES_A_CHARACTER = 12  # in JSON, where each may be written as two escapes
_UNDER_WAY = 32  # connections at once
_PATIENCE = 15.0  # seconds that a client may take to say something
_CLIENTS = 1000  # that rates are kept of
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Limits(NamedTuple):
    """The most characters of a text, and the most requests a minute of one client."""

    characters: int = 2000
    requests: int = 60


class Rates:
    """Counts requests: each client may make so many at once, and as many again in each minute.

    >>> now = [0.0]
    >>> rates = Rates(2, lambda: now[0])
    >>> [rates.wait("a"), rates.wait("a"), rates.wait("a"), rates.wait("b")]
    [0, 0, 30, 0]
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, client: str) -> int:
        """Count a request, if it may be made now; or the seconds until it may be."""
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(client, (float(self._a_minute), now))
            left = min(self._a_minute, left + (now - then) * self._a_minute / 60)
            allowed = left >= 1
            self._left[client] = (left - allowed, now)
            while len(self._left) > _CLIENTS:
                self._left.popitem(last=False)
            return 0 if allowed else math.ceil((1 - left) * 60 / self._a_minute)


class _RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Server(ThreadingHTTPServer):
    """Serves the page of one translator, from threads that take turns with the model."""

    daemon_threads = True

    def __init__(self, translator: Translator, host: str, port: int, limits: Limits) -> None:
        self.translator = translator
        self.limits = limits
        self.rates = Rates(limits.requests)
        self.turn = threading.Lock()
        self.is_loopback = host in _LOOPBACK
        self._room = threading.BoundedSemaphore(_UNDER_WAY)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = cast("tuple[str, int]", self.server_address[:2])
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or said nothing for long, is none of our concern."""


def server(
    translator: Translator, host: str = "127.0.0.1", port: int = 8000, limits: Limits | None = None
) -> Server:
    """A server that is bound, and has translated once, so that the first visitor need not wait.

    Raises:
        InputError: nothing can be bound to the host and port.
    """
    try:
        bound = Server(translator, host, port, limits or Limits())
    except OSError as error:
        raise InputError(
            explain(
                f"Nothing can be served on {host}, port {port}.",
                expected="an address of this machine, and a port that is free",
                received=error.strerror or str(error),
                remedy="Choose another port; --port 0 takes any that is free.",
            )
        ) from error
    translator(["."])
    return bound


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "Lamina", ""
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_HEAD(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._translate)

    def log_message(self, format: str, *args: Any) -> None:
        """What people translate is written down nowhere."""

    def _answer(self, how: Callable[[], None]) -> None:
        try:
            self._check_host()
            how()
        except _RefusedError as refused:
            told = json.dumps({"error": str(refused)}).encode()
            # What more the client sends was not read: the connection serves no more.
            headers = {**refused.headers, "Connection": "close"}
            self._send(refused.status, told, "application/json", headers)

    def _check_host(self) -> None:
        """Let a browser in that asked for this machine, not for a name that was led here."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            host = None
        if self.server.is_loopback and host not in _LOOPBACK:
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "This is not that server.")

    def _page(self) -> None:
        found = _PAGE.get(self.path.partition("?")[0])
        if found is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "There is no such page.")
        name, kind = found
        body = resources.files("lamina.translate").joinpath("page", name).read_bytes()
        self._send(HTTPStatus.OK, body, kind)

    def _translate(self) -> None:
        if self.path != "/translate":
            raise _RefusedError(HTTPStatus.NOT_FOUND, "There is no such page.")
        text = self._text()
        wait = self.server.rates.wait(self.client_address[0])
        if wait:
            raise _RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Too many requests; try again in {wait} s.",
                **{"Retry-After": str(wait)},
            )
        began = time.perf_counter()
        try:
            with self.server.turn:
                (found,) = self.server.translator.translate([text])
        except InputError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, str(error).partition("\n")[0]) from None
        told = {**found.to_dict(), "seconds": round(time.perf_counter() - began, 3)}
        body = json.dumps(told, ensure_ascii=False).encode()
        self._send(HTTPStatus.OK, body, "application/json")

    def _text(self) -> str:
        """The text of a request, which is read no further than it may be long."""
        kind = self.headers.get_content_type()
        if kind != "application/json":  # which browsers send to no other site unasked
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
        most, size = self.server.limits.characters, self.headers.get("Content-Length", "")
        if not size.isdecimal():
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "Send Content-Length.")
        if int(size) > most * _BYTES_A_CHARACTER + 100:
            raise _too_long(most)
        try:
            held = json.loads(self.rfile.read(int(size)))
            text = held["text"]
        except (ValueError, KeyError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, 'Send {"text": "..."}.')
        if len(text) > most:
            raise _too_long(most)
        return text

    def _send(
        self, status: HTTPStatus, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in {**_HEADERS, **own, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _too_long(most: int) -> _RefusedError:
    reason = f"The text is longer than {most:,} characters."
    return _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
