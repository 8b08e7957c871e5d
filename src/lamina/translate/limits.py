"""The limits of a server: sizes, rates, connections, times."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Limits", "Rates", "client_of"]

_CLIENTS = 1000  # whose rates are kept
_BYTES_A_CHARACTER = 12  # in JSON, where each may be written as two escapes
_BYTES_BESIDE = 100  # the rest of the JSON object


class Limits(NamedTuple):
    """The limits of a server.

    Attributes:
        characters: the most characters of a text.
        requests: the most requests a minute of one client.
        connections: the most open connections.
        connections_of_client: the most open connections of one client.
        batch: the most texts that are translated together.
        gather: seconds that a text waits for others to be translated with.
        deadline: seconds in which a request must have arrived, head and body together.
        idle: seconds that a connection may stay open between two requests.
        grace: seconds that a stop leaves to the requests under way.
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
        """The most bytes of a request's body."""
        return self.characters * _BYTES_A_CHARACTER + _BYTES_BESIDE


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

    def wait(self, client: str) -> int:
        """Count a request, if it may be made now; or the seconds until it may be."""
        now = self._clock()
        left, then = self._left.pop(client, (float(self._a_minute), now))
        left = min(self._a_minute, left + (now - then) * self._a_minute / 60)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        while len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return 0 if allowed else math.ceil((1 - left) * 60 / self._a_minute)


def client_of(address: str) -> str:
    """The client behind an address: an IPv4 address, or the /64 network of an IPv6 address.

    >>> [client_of(address) for address in ("10.0.0.7", "::ffff:10.0.0.7", "2001:db8::9:7%eth0")]
    ['10.0.0.7', '10.0.0.7', '2001:db8::']
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False).network_address)
