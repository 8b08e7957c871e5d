"""Strict parsing of HTTP request heads: ambiguous requests are refused.

Source: RFC 9112, sections 2.2, 3.2, 5.2, 6.1 to 6.3.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["Head", "RefusedError", "read_head"]

_MAX_BYTES = 16 * 1024
_MAX_FIELDS = 100
_MAX_TARGET = 8 * 1024
_MAX_DIGITS = 18  # of Content-Length
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_VERSIONS = (b"1.0", b"1.1")

_END = re.compile(rb"\r?\n\r?\n")  # of a head; line ends without CR are found, and refused later
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = rb"(?:%s:[\t -~\x80-\xff]*\r\n)" % _TOKEN
_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/(\d\.\d)\r\n" % _TOKEN)
_HEAD = re.compile(rb"%s(%s*)\r\n" % (_LINE.pattern, _FIELD))
_START = re.compile(_TOKEN + rb"(?:\Z| )")
_TARGET = re.compile(rb'/[!"$-~]*')


class RefusedError(Exception):
    """A request that receives an error response, after which the connection is closed."""

    def __init__(self, status: HTTPStatus, reason: str, **fields: str) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


class Head(NamedTuple):
    """The framing of a request.

    Attributes:
        size: bytes of the head.
        length: bytes of the body.
        waits: whether the client waits for ``100 Continue`` before it sends the body.
    """

    size: int
    length: int
    waits: bool


def read_head(received: bytes | bytearray) -> Head | None:
    """Parse the head at the start of the received data; None if it is not complete.

    Raises:
        RefusedError: the head is malformed, ambiguous, too large or not supported.

    >>> read_head(b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
    Head(size=47, length=5, waits=False)
    """
    if not _START.match(received):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The request is not HTTP.")
    end = _END.search(received, 0, _MAX_BYTES)
    if end is None:
        _check_size(received)
        return None
    found = _HEAD.fullmatch(received, 0, end.end())
    if found is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The head of the request is malformed.")
    method, target, version, lines = found.groups()
    fields = _fields(lines)
    _check_line(method, target, version)
    if len(fields.get(b"host", ())) != 1:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The request must have one Host header.")
    length = _length(method, fields)
    return Head(end.end(), length, version == b"1.1" and _waits(fields))


def _check_size(received: bytes | bytearray) -> None:
    """Refuse an incomplete head that is too large."""
    line = received.find(b"\n")
    if line < 0 and len(received) > _MAX_TARGET:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
    if len(received) >= _MAX_BYTES:
        raise RefusedError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large."
        )


def _fields(lines: bytes) -> dict[bytes, list[bytes]]:
    """Values by field name in lower case."""
    found: dict[bytes, list[bytes]] = {}
    every = lines.split(b"\r\n")[:-1]
    if len(every) > _MAX_FIELDS:
        raise RefusedError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many header fields."
        )
    for line in every:
        name, _, value = line.partition(b":")
        found.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return found


def _check_line(method: bytes, target: bytes, version: bytes) -> None:
    if version not in _VERSIONS:
        raise RefusedError(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The server supports HTTP/1.0 and HTTP/1.1."
        )
    if method not in _METHODS:
        raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "The method is not supported.")
    if len(target) > _MAX_TARGET:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
    if not _TARGET.fullmatch(target):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The address is not a path.")


def _length(method: bytes, fields: dict[bytes, list[bytes]]) -> int:
    """The length of the body in bytes."""
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if len(lengths) + len(codings) > 1:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The length of the body is ambiguous.")
    if codings and method in (b"GET", b"HEAD"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "GET and HEAD requests must not have a body.")
    if codings:
        if codings[0].lower() != b"chunked":
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "The transfer coding is not supported.")
        raise RefusedError(
            HTTPStatus.LENGTH_REQUIRED, "The request must have a Content-Length header."
        )
    if not lengths:
        if method == b"POST":
            raise RefusedError(
                HTTPStatus.LENGTH_REQUIRED, "The request must have a Content-Length header."
            )
        return 0
    if not re.fullmatch(rb"[0-9]+", lengths[0]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is not a number.")
    if len(lengths[0]) > _MAX_DIGITS:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
    length = int(lengths[0])
    if length and method in (b"GET", b"HEAD"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "GET and HEAD requests must not have a body.")
    return length


def _waits(fields: dict[bytes, list[bytes]]) -> bool:
    expected = fields.get(b"expect", [])
    if any(value.lower() != b"100-continue" for value in expected):
        raise RefusedError(HTTPStatus.EXPECTATION_FAILED, "Only Expect: 100-continue is supported.")
    return bool(expected)
