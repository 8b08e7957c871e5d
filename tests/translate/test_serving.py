"""The page's server: its answers, its limits, what it refuses."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from lamina.errors import InputError
from lamina.translate import serving
from lamina.translate.serving import Limits, Rates
from lamina.translate.translator import Translation


class Shouting:
    """A translator in capital letters, which looks at the word it writes."""

    def __call__(self, texts):
        return [one.text for one in self.translate(texts)]

    def translate(self, texts, beam=None):
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Translation:
        if text == "refuse":
            raise InputError("A text is too long to translate.\n  more that nobody need know")
        words = tuple("\u2581" + word for word in text.split())
        looked = np.eye(len(words) + 1, len(words), dtype=np.float32)
        upper = tuple(word.upper() for word in words)
        return Translation(text, text.upper(), looked, words, upper, -0.5, len(words) + 1)


@pytest.fixture(scope="module")
def running() -> Iterator[serving.Server]:
    yield from served(Limits(characters=50, requests=10_000))


def served(limits: Limits) -> Iterator[serving.Server]:
    with serving.server(Shouting(), port=0, limits=limits) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: serving.Server, method: str, path: str, body=None, **headers: str):
    """Status, headers, and the body, read as JSON where it is."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, answer.headers, json.loads(data) if is_json and data else data


def translate(server: serving.Server, held: object, **headers: str):
    given = {"Content_Type": "application/json", **headers}
    return ask(server, "POST", "/translate", json.dumps(held).encode(), **given)


def test_a_translation(running) -> None:
    status, headers, told = translate(running, {"text": "guten Tag"})
    assert status == 200
    assert told["translation"] == "GUTEN TAG"
    assert told["source_tokens"] == ["\u2581guten", "\u2581Tag"]
    assert told["alignment"] == [[0, 0], [1, 1]]
    assert told["attention"] == [[1, 0], [0, 1]]
    assert told["seconds"] >= 0
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "kind", "part"),
    [
        ("/", "text/html", b"<title>"),
        ("/?text=x", "text/html", b"<title>"),
        ("/page.css", "text/css", b":root"),
        ("/page.js", "text/javascript", b"use strict"),
    ],
)
def test_the_page(running, path, kind, part) -> None:
    status, headers, body = ask(running, "GET", path)
    assert (status, headers.get_content_type()) == (200, kind)
    assert part in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Python" not in headers["Server"]
    assert ask(running, "HEAD", path)[2] == b""


@pytest.mark.parametrize("path", ["/nothing", "/../serving.py", "/page.js/", "//etc/passwd"])
def test_no_other_file(running, path) -> None:
    status, _, told = ask(running, "GET", path)
    assert (status, told) == (404, {"error": "There is no such page."})


JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b'{"text": "x"}', {}, 415, "application/json"),
        (b'{"text": "x"}', {"Content_Type": "text/plain"}, 415, "application/json"),
        (b"{", JSON, 400, "text"),
        (b"[]", JSON, 400, "text"),
        (b'{"text": 3}', JSON, 400, "text"),
        (b'{"text": "\xff"}', JSON, 400, "text"),
        (b"[" * 600, JSON, 400, "text"),
        (json.dumps({"text": "x" * 51}).encode(), JSON, 413, "longer than 50 characters"),
        (b'{"text": "' + b"x" * 5000 + b'"}', JSON, 413, "longer than 50 characters"),
        (b'{"text": "refuse"}', JSON, 400, "A text is too long to translate."),
        (b"", {**JSON, "Content_Length": "-1"}, 411, "Content-Length"),
        (b'{"text": "x"}', {**JSON, "Host": "evil.example"}, 421, "not that server"),
        (b'{"text": "x"}', {**JSON, "Host": "[::"}, 421, "not that server"),
    ],
)  # fmt: skip
def test_bad_requests(running, body, headers, status, message) -> None:
    got, answer, told = ask(running, "POST", "/translate", body, **headers)
    assert got == status
    assert message in told["error"]
    assert "nobody need know" not in told["error"]
    assert answer["Connection"] == "close"


def test_other_methods_and_paths(running) -> None:
    assert ask(running, "DELETE", "/")[0] == 501
    assert ask(running, "POST", "/", b"{}", **JSON)[0] == 404


def test_nonsense_and_silence_do_no_harm(running) -> None:
    for data in (b"\x16\x03\x01 not http\r\n\r\n", b"", b"POST /translate HTTP/1.1\r\nHost:"):
        with socket.create_connection(running.server_address[:2]) as client:
            client.sendall(data)
    assert translate(running, {"text": "a"})[0] == 200


def test_too_many_requests() -> None:
    for server in served(Limits(characters=50, requests=3)):
        found = [translate(server, {"text": "a"}) for _ in range(4)]
        assert [status for status, *_ in found] == [200, 200, 200, 429]
        assert 1 <= int(found[-1][1]["Retry-After"]) <= 20
        assert "try again in" in found[-1][2]["error"]
        assert ask(server, "GET", "/")[0] == 200  # the page itself is not counted


def test_rates_forget_clients_that_are_gone() -> None:
    now = [0.0]
    rates = Rates(1, lambda: now[0])
    assert rates.wait("a") == 0
    assert rates.wait("a") == 60
    now[0] = 60.0
    assert rates.wait("a") == 0
    for number in range(1200):
        rates.wait(str(number))
    assert len(rates._left) <= 1000


def test_it_is_for_this_machine_alone() -> None:
    with serving.server(Shouting(), port=0) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_address[1]}"


def test_a_port_that_is_taken() -> None:
    with serving.server(Shouting(), port=0) as server, pytest.raises(InputError, match="--port 0"):
        serving.server(Shouting(), port=server.server_address[1])
