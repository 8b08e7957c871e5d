"""Limits of the server: sizes, request rates, connections, timeouts."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Limits", "Rates", "client_of"]

_CLIENTS = 1000  # maximum number of clients whose rates are stored
_BYTES_PER_CHARACTER = 12  # in JSON, as two escape sequences
_OTHER_BYTES = 100  # of the JSON object


class Limits(NamedTuple):
    """Limits of a server.

    Attributes:
        characters: maximum number of characters per text.
        requests: maximum number of requests per client and minute.
        connections: maximum number of open connections.
        connections_of_client: maximum number of open connections per client.
        batch: maximum number of texts per batch.
        gather: seconds that the first text of a batch waits for more texts.
        deadline: seconds in which a whole request must arrive.
        idle: seconds that a connection may stay open between two requests.
        grace: seconds in which pending requests are answered after a stop.
    """

    characters: int = 2000
    requests: int = 60
    connections: int = 256
    connections_of_client: int = 128
    batch: int = 16
    gather: float = 0.005
    deadline: float = 10.0
    idle: int = 15
    grace: int = 8

    @property
    def body(self) -> int:
        """Maximum size of a request body in bytes."""
        return self.characters * _BYTES_PER_CHARACTER + _OTHER_BYTES


class Rates:
    """Rate limits per client, as token buckets that refill once per minute.

    Args:
        per_minute: capacity of a bucket, and tokens added per minute.
        clock: clock in seconds. Default: :func:`time.monotonic`.

    >>> now = [0.0]
    >>> rates = Rates(2, lambda: now[0])
    >>> [rates.wait("a"), rates.wait("a"), rates.wait("a"), rates.wait("b")]
    [0, 0, 30, 0]
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Count a request and return 0, or return the seconds until it is allowed."""
        now = self._clock()
        left, then = self._left.pop(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        while len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return 0 if allowed else math.ceil((1 - left) * 60 / self._per_minute)


def client_of(address: str) -> str:
    """The client of an address: an IPv4 address, or the /64 network of an IPv6 address.

    >>> [client_of(address) for address in ("10.0.0.7", "::ffff:10.0.0.7", "2001:db8::9:7%eth0")]
    ['10.0.0.7', '10.0.0.7', '2001:db8::']
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False).network_address)
