"""The head of an HTTP request, read strictly: what two readers could read differently is refused.

Source: RFC 9112, sections 2.2, 3.2, 5.2, 6.1 to 6.3.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["Head", "RefusedError", "read_head"]

_MOST_BYTES = 16 * 1024
_MOST_FIELDS = 100
_MOST_TARGET = 8 * 1024
_MOST_DIGITS = 18  # of Content-Length
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_VERSIONS = (b"1.0", b"1.1")

_END = re.compile(rb"\r?\n\r?\n")  # of a head; without CR it is found, and then refused
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = rb"(?:%s:[\t -~\x80-\xff]*\r\n)" % _TOKEN
_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/(\d\.\d)\r\n" % _TOKEN)
_HEAD = re.compile(rb"%s(%s*)\r\n" % (_LINE.pattern, _FIELD))
_START = re.compile(_TOKEN + rb"(?:\Z| )")
_TARGET = re.compile(rb'/[!"$-~]*')


class RefusedError(Exception):
    """A request that is answered with an error, after which the connection is closed."""

    def __init__(self, status: HTTPStatus, reason: str, **fields: str) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


class Head(NamedTuple):
    """What the framing of a request says: the bytes of its head and of its body, and whether the
    client waits for ``100 Continue`` before it sends the body."""

    size: int
    length: int
    waits: bool


def read_head(received: bytes | bytearray) -> Head | None:
    """The head at the start of what was received; None if more of it is to come.

    Raises:
        RefusedError: it is malformed, ambiguous, too large, or asks for what is not supported.

    >>> read_head(b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
    Head(size=47, length=5, waits=False)
    """
    if not _START.match(received):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "This is not HTTP.")
    end = _END.search(received, 0, _MOST_BYTES)
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
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Send one Host.")
    length = _length(method, fields)
    return Head(end.end(), length, version == b"1.1" and _waits(fields))


def _check_size(received: bytes | bytearray) -> None:
    """Refuse a head that is too large before its end has come."""
    line = received.find(b"\n")
    if line < 0 and len(received) > _MOST_TARGET:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
    if len(received) >= _MOST_BYTES:
        raise RefusedError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large."
        )


def _fields(lines: bytes) -> dict[bytes, list[bytes]]:
    """The values of each field, by its name in lower case."""
    found: dict[bytes, list[bytes]] = {}
    every = lines.split(b"\r\n")[:-1]
    if len(every) > _MOST_FIELDS:
        raise RefusedError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many header fields."
        )
    for line in every:
        name, _, value = line.partition(b":")
        found.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return found


def _check_line(method: bytes, target: bytes, version: bytes) -> None:
    if version not in _VERSIONS:
        raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Speak HTTP/1.1.")
    if method not in _METHODS:
        raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "There is no such method here.")
    if len(target) > _MOST_TARGET:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
    if not _TARGET.fullmatch(target):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The address must be a path.")


def _length(method: bytes, fields: dict[bytes, list[bytes]]) -> int:
    """The bytes of the body."""
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if len(lengths) + len(codings) > 1:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The length of the body is ambiguous.")
    if codings and method in (b"GET", b"HEAD"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "A request for a page has no body.")
    if codings:
        if codings[0].lower() != b"chunked":
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "There is no such transfer coding here.")
        raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Send Content-Length.")
    if not lengths:
        if method == b"POST":
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Send Content-Length.")
        return 0
    if not re.fullmatch(rb"[0-9]+", lengths[0]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is not a number.")
    if len(lengths[0]) > _MOST_DIGITS:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
    length = int(lengths[0])
    if length and method in (b"GET", b"HEAD"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "A request for a page has no body.")
    return length


def _waits(fields: dict[bytes, list[bytes]]) -> bool:
    expected = fields.get(b"expect", [])
    if any(value.lower() != b"100-continue" for value in expected):
        raise RefusedError(HTTPStatus.EXPECTATION_FAILED, "Nothing can be expected but 100.")
    return bool(expected)
