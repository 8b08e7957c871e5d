"""A server in a thread, a translator for it that needs no model, and ways to ask."""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np

from lamina.errors import InputError
from lamina.translate import serving
from lamina.translate.translator import Translation

JSON = {"Content_Type": "application/json"}
CLOSE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SECURITY = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "Lamina",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Shouting:
    """A translator in capital letters, which looks at the word it writes."""

    def __init__(self) -> None:
        self.batches = []

    def check(self, text):
        if text == "refuse":
            raise InputError("A text is too long to translate.\n  more that nobody need know")

    def sizes(self, batch):
        return [(batch, 1)]

    def prepare(self, size):
        self.batches.append(size)

    def translate(self, texts, beam=None, *, batch=None):
        self.batches.append(texts)
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Translation:
        if text == "fail":
            raise RuntimeError(f"nobody need know of {text}")
        words = tuple("\u2581" + word for word in text.split())
        looked = np.eye(len(words) + 1, len(words), dtype=np.float32)
        upper = tuple(word.upper() for word in words)
        return Translation(text, text.upper(), looked, words, upper, -0.5, len(words) + 1)


class Waiting(Shouting):
    """It translates nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def translate(self, texts, beam=None, *, batch=None):
        self.begun.set()
        assert self.go_on.wait(60)
        return super().translate(texts)


@contextlib.contextmanager
def served(translator=None, host: str = "127.0.0.1", **limits) -> Iterator[serving.Server]:
    given = serving.Limits(**{"characters": 50, "requests": 10_000, "gather": 0.0, **limits})
    with serving.server(translator or Shouting(), host, port=0, limits=given) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: serving.Server, method: str, path: str, body=None, **headers: str):
    """Status, headers, and the body, read as JSON where it is."""
    connection = http.client.HTTPConnection(*server.server_address, timeout=60)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, answer.headers, json.loads(data) if is_json and data else data


def translate(server: serving.Server, held: object, **headers: str):
    return ask(server, "POST", "/translate", json.dumps(held).encode(), **{**JSON, **headers})


def connect(server: serving.Server, data: bytes = b"", source: str = "") -> socket.socket:
    """A connection of a client at an address, which has sent something."""
    origin = (source, 0) if source else None
    client = socket.create_connection(server.server_address, 60, origin)
    client.sendall(data)
    return client


def read(client: socket.socket) -> bytes:
    """All that comes until the server closes; a reset is an error."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_one(client: socket.socket) -> int:
    """The status of the next answer of a connection that stays open."""
    with http.client.HTTPResponse(client) as answer:
        answer.begin()
        answer.read()
        return answer.status


def exchange(server: serving.Server, data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send bytes, and read the answers until the server closes."""
    with connect(server, data) as client:
        return answers(read(client))


def admits(server: serving.Server) -> bool:
    """Whether the server answers a new client, at last."""
    for _ in range(3000):
        with contextlib.suppress(ConnectionError):
            if [status for status, *_ in exchange(server, CLOSE)] == [200]:
                return True
        time.sleep(0.01)
    return False


def answers(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers in a row of bytes: status, headers and body of each."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", line)[1])
        headers = {name.title(): value for name, value in (one.split(": ", 1) for one in lines)}
        size = int(headers.get("Content-Length", 0))
        found.append((status, headers, data[:size]))
        data = data[size:]
    return found


def post(text: str = "a", *more: str, version: str = "1.1") -> bytes:
    """A request to translate, as it is sent."""
    body = json.dumps({"text": text})
    lines = [
        f"POST /translate HTTP/{version}",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join([*lines, "", body]).encode()


def is_guarded(headers) -> bool:
    """Whether an answer has all headers that guard a page."""
    policy = headers["Content-Security-Policy"]
    return "default-src 'none'" in policy and all(
        headers[name] == value for name, value in SECURITY.items()
    )
