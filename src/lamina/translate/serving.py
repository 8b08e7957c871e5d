"""The translation server. By default it is reachable from this machine only.

``GET /`` returns the page. ``POST /translate`` takes ``{"text": ...}`` and returns
:meth:`Translation.to_dict`. ``GET /healthz`` is a health check. Waiting texts are translated in
batches. Size, rate and duration of requests are limited, and cross-site requests are refused.
"""

from __future__ import annotations

import socket

import uvicorn
from rich.console import Console
from rich.progress import track

from lamina.errors import InputError, explain
from lamina.translate.connections import connections
from lamina.translate.limits import Limits, Rates
from lamina.translate.site import application
from lamina.translate.translator import Translator
from lamina.web import HEADERS, bound_socket, is_local, url_of

__all__ = ["Limits", "Rates", "Server", "server"]


class Server:
    """Serves one translator on a bound socket. As a context manager, it closes the socket."""

    def __init__(self, translator: Translator, host: str, port: int, limits: Limits) -> None:
        self._socket = bound_socket(host, port)
        config = uvicorn.Config(
            application(translator, limits, local=is_local(host)),
            http=connections(limits),
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",  # error messages could contain texts
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=HEADERS,
            timeout_keep_alive=limits.idle,
            timeout_graceful_shutdown=limits.grace,
        )
        config.load()
        self._running = uvicorn.Server(config)
        self._running.server_state.default_headers = list(config.encoded_headers)

    @property
    def server_address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        return url_of(self._socket)

    def listen(self) -> None:
        """Open the port. Clients can connect and are served once the server runs.

        Raises:
            OSError: another process has opened the port in the meantime.
        """
        self._socket.listen(socket.SOMAXCONN)

    def serve_forever(self) -> None:
        """Serve until :meth:`shutdown`, SIGTERM or SIGINT, then answer pending requests.

        In the main thread, the signal is raised again at the end for the previous handler.
        """
        self._running.run(sockets=[self._socket])

    def shutdown(self) -> None:
        """Stop the server. May be called from any thread."""
        self._running.should_exit = True

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def server(
    translator: Translator,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    *,
    progress: bool = False,
) -> Server:
    """Create a server, compile its translator for all batch sizes, and open the port.

    Args:
        translator: the translator to serve.
        host: IPv4 address, IPv6 address or name to bind to. Default: ``"127.0.0.1"``.
        port: TCP port, in [0, 65535]; 0 selects a free port. Default: 8000.
        limits: limits of the server. Default: ``Limits()``.
        progress: whether to show the progress of the compilation on standard error. Default: False.

    Raises:
        InputError: the server cannot bind to the host and port.
    """
    limits = limits or Limits()
    try:
        bound = Server(translator, host, port, limits)
        try:
            sizes = translator.sizes(limits.batch)
            console = Console(stderr=True)
            for size in track(sizes, "compiling", console=console, disable=not progress):
                translator.prepare(size)
            bound.listen()
        except BaseException:
            bound.__exit__()
            raise
    except OSError as error:
        raise InputError(
            explain(
                f"The server cannot bind to {host}, port {port}.",
                expected="an address of this machine and a free port",
                received=error.strerror or str(error),
                remedy="Use another port; --port 0 selects a free one.",
            )
        ) from error
    return bound
