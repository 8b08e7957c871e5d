"""Connections of the server: connection limits, request deadlines, refused requests.

The protocol extends uvicorn's. It buffers a whole request before it passes it on. Thus the framing
is checked first, slow senders meet a deadline, and no response is sent while a request arrives.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from lamina.translate.framing import Head, RefusedError, read_head
from lamina.translate.limits import Limits, client_of

__all__ = ["Connection", "ConnectionLimiter", "connections"]

_LINGER = 2.0  # seconds for a client to read an error response
_STOP_DELAY = 0.2  # seconds for arriving requests when the server stops


class ConnectionLimiter:
    """Limits the open connections, in total and per client.

    At a limit, the connection that has been idle longest is closed.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_closing = False  # each connection answers at most one more request
        self._open: dict[Connection, str] = {}

    def admit(self, connection: Connection, client: str) -> bool:
        """Admit a connection of a client, if the limits allow it."""
        of_client = [one for one, other in self._open.items() if other == client]
        if not self._fits(of_client, self.limits.connections_of_client):
            return False
        if not self._fits(list(self._open), self.limits.connections):
            return False
        self._open[connection] = client
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)

    def _fits(self, members: list[Connection], most: int) -> bool:
        if len(members) < most:
            return True
        idle = [(one.idle_since, id(one), one) for one in members if one.is_idle]
        if not idle:
            return False
        *_, longest = min(idle)
        self.leave(longest)
        longest.timeout_keep_alive_handler()
        return True


class Connection(H11Protocol):
    """A connection that buffers each request completely."""

    limiter: ClassVar[ConnectionLimiter]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.idle_since = 0.0  # time of the last complete response; 0 before the first
        self._received = bytearray()
        self._head: Head | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_ending = False  # incoming data is discarded
        self._is_half_closed = False  # the client has closed its side

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    @property
    def is_idle(self) -> bool:
        """Whether all requests are answered and the responses are sent."""
        asks = self.is_busy or self._received or self._is_ending
        return bool(self.idle_since and not asks and not self.transport.get_write_buffer_size())

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        limits = self.limiter.limits
        if self.client is not None and self.limiter.admit(self, client_of(self.client[0])):
            self._after(_STOP_DELAY if self.limiter.is_closing else limits.deadline, self._expire)
        else:
            self._refuse(self._unavailable("Too many connections; try again soon."))
            if len(self.connections) > 2 * limits.connections:  # no time to linger
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.limiter.leave(self)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._received += data
        self._proceed()

    def eof_received(self) -> bool | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A client that has closed its side may still wait for its response."""
        self._is_half_closed = True
        if self._is_ending or not (self.is_busy or self._received):
            return None
        self._proceed()
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._after(self.limiter.limits.deadline, self.transport.abort)
            return
        self.idle_since = self.loop.time()
        self._proceed()

    def shutdown(self) -> None:
        """Answer the pending or arriving request, then close."""
        self.limiter.is_closing = True
        if self.is_busy:
            self._answer_last()
        elif not self._is_ending:
            self._unset_keepalive_if_required()
            self._after(_STOP_DELAY, self._stop)

    def timeout_keep_alive_handler(self) -> None:
        """Close once the response is sent or a deadline has passed."""
        super().timeout_keep_alive_handler()
        self._is_ending = True
        self._after(self.limiter.limits.deadline, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        self._refuse(RefusedError(HTTPStatus.BAD_REQUEST, "The request is malformed."))

    def _proceed(self) -> None:
        """Pass on the next request if it is complete and the previous one is answered."""
        if self.is_busy:
            if len(self._received) > self.limiter.limits.body:
                self.flow.pause_reading()
            return
        if self._received:
            self._take()
        if self._is_half_closed and not (self.is_busy or self._is_ending):
            if self._received:
                self._refuse(RefusedError(HTTPStatus.BAD_REQUEST, "The request is incomplete."))
            else:
                self.timeout_keep_alive_handler()

    def _take(self) -> None:
        self._unset_keepalive_if_required()
        if self._timer is None:
            self._after(self.limiter.limits.deadline, self._expire)
        try:
            request = self._request()
        except RefusedError as refused:
            self._refuse(refused)
            return
        if request:
            self._stop_timer()
            super().data_received(request)
            if self.is_busy:
                self.cycle.waiting_for_100_continue = False  # already sent
                if self.limiter.is_closing:
                    self._answer_last()

    def _request(self) -> bytes:
        """Remove the next request from the buffer; empty if it is not complete."""
        if self._head is None:
            self._head = head = read_head(self._received)
            if head is not None and head.length > self.limiter.limits.body:
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The text is too long.")
            if head is not None and head.waits:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._head is None or len(self._received) < self._head.size + self._head.length:
            return b""
        end = self._head.size + self._head.length
        request, self._head = bytes(self._received[:end]), None
        del self._received[:end]
        return request

    def _refuse(self, refused: RefusedError) -> None:
        """Send an error response and close after the client could read it."""
        self._is_ending = True
        self._unset_keepalive_if_required()
        is_head = self._received.startswith(b"HEAD ")
        self._received.clear()
        body = json.dumps({"error": str(refused)}).encode()
        fields = [
            *self.server_state.default_headers,
            *((name.encode(), value.encode()) for name, value in refused.fields.items()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        line = f"HTTP/1.1 {refused.status.value} {refused.status.phrase}\r\n".encode()
        head = line + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n"
        self.transport.write(head if is_head else head + body)
        self._after(_LINGER, self.transport.abort)
        if self._is_half_closed:
            self.transport.close()
            return
        try:  # closing with unread data would reset the connection and lose the response
            self.transport.write_eof()
        except OSError:  # the client has disconnected
            self.transport.abort()

    def _unavailable(self, reason: str) -> RefusedError:
        wait = str(math.ceil(self.limiter.limits.deadline))
        return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, reason, Retry_After=wait)

    def _answer_last(self) -> None:
        self.cycle.keep_alive = False
        self.cycle.scope["headers"] = [*self.headers, (b"connection", b"close")]

    def _stop(self) -> None:
        if self._received:
            self._refuse(self._unavailable("The server is stopping."))
        else:
            self.timeout_keep_alive_handler()

    def _expire(self) -> None:
        """Handle an expired deadline."""
        if self._received:
            self._refuse(RefusedError(HTTPStatus.REQUEST_TIMEOUT, "The request took too long."))
        else:
            self.timeout_keep_alive_handler()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def connections(limits: Limits) -> type[Connection]:
    """A connection class whose instances share the limits of one server."""

    class Limited(Connection):
        limiter = ConnectionLimiter(limits)

    return Limited
