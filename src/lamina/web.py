"""What the pages that Lamina serves have in common: the address, headers, and refused requests."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "HEADERS",
    "OriginCheck",
    "bound_socket",
    "encoded",
    "error_response",
    "http_error",
    "is_local",
    "json_response",
    "url_of",
]

HEADERS = [
    ("Server", "Lamina"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
"""The headers of all responses: a page loads nothing from elsewhere, and no other site reads it."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d*)?")


class OriginCheck:
    """Middleware that refuses requests for other hosts and requests from other sites.

    Args:
        app: the application behind it.
        local: whether to accept only requests for names of the loopback interface.
    """

    def __init__(self, app: ASGIApp, local: bool) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not self._is_own_host(headers.get("host", "")):
                app = error_response(421, "The request is for another host.")
            elif scope["method"] not in ("GET", "HEAD") and _is_cross_site(headers):
                app = error_response(403, "Requests from other sites are refused.")
        await app(scope, receive, send)

    def _is_own_host(self, host: str) -> bool:
        """Whether the host is this machine; this prevents DNS rebinding."""
        found = _HOST.fullmatch(host)
        return not self._local or (found is not None and is_local(found[1] or found[2]))


def _is_cross_site(headers: Headers) -> bool:
    """Whether the request comes from a page of another origin, by its headers."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def is_local(host: str) -> bool:
    """Whether a host is a name or an address of the loopback interface.

    >>> is_local("localhost"), is_local("::1"), is_local("example.org")
    (True, True, False)
    """
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to a host and port, 0 for a free one, and not listening yet.

    Raises:
        OSError: it cannot be bound, as the port is taken, for example.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets NODELAY
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def url_of(bound: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def http_error(_: Request, error: Exception) -> Response:
    """Answer an HTTPException with its status and detail as JSON."""
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail, error.headers)


def error_response(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``{"error": reason}``, after which the connection is closed."""
    return json_response({"error": reason}, status, {**(headers or {}), "Connection": "close"})


def json_response(
    data: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response of JSON."""
    return Response(encoded(data), status, headers, "application/json")


def encoded(data: Mapping[str, object]) -> bytes:
    """Encode JSON.

    >>> encoded({"a": 1})
    b'{"a": 1}'
    """
    return json.dumps(data, ensure_ascii=False).encode()
