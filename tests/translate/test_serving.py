"""The page's server: its answers, its limits, what it refuses."""

import socket
import threading

import numpy as np
import pytest
from jax import monitoring

import lamina
from lamina.errors import InputError, LaminaError
from lamina.extras import extras
from lamina.seq2seq import Seq2Seq
from lamina.translate import serving
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary
from tests.translate.served import JSON, Shouting, ask, is_guarded, served, translate


@pytest.fixture(scope="module")
def running():
    with served() as server:
        yield server


def test_a_translation(running) -> None:
    status, headers, told = translate(running, {"text": "guten Tag"})
    assert status == 200
    assert told["translation"] == "GUTEN TAG"
    assert told["source_tokens"] == ["\u2581guten", "\u2581Tag"]
    assert told["alignment"] == [[0, 0], [1, 1]]
    assert told["attention"] == [[1, 0], [0, 1]]
    assert told["seconds"] >= 0
    assert is_guarded(headers)


@pytest.mark.parametrize(
    ("path", "kind", "part"),
    [
        ("/", "text/html", b"<title>"),
        ("/?text=x", "text/html", b"<title>"),
        ("/page.css", "text/css", b":root"),
        ("/page.js", "text/javascript", b"use strict"),
        ("/healthz", "application/json", {"status": "ok"}),
    ],
)
def test_the_page(running, path, kind, part) -> None:
    status, headers, body = ask(running, "GET", path)
    assert (status, headers.get_content_type()) == (200, kind)
    assert part == body or part in body
    assert is_guarded(headers)


@pytest.mark.parametrize("path", ["/", "/page.js", "/healthz", "/nowhere", "/translate"])
def test_head_is_get_without_a_body(running, path) -> None:
    status, headers, body = ask(running, "HEAD", path)
    expected, others, _ = ask(running, "GET", path)
    assert (status, body) == (expected, b"")
    assert headers["Content-Length"] == others["Content-Length"] != "0"
    assert is_guarded(headers)


@pytest.mark.parametrize("path", ["/nowhere", "/../page.js", "/page/page.js", "/translate/", "//"])
def test_other_paths(running, path) -> None:
    status, headers, told = ask(running, "GET", path)
    assert (status, told) == (404, {"error": "Not Found"})
    assert is_guarded(headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/", 405),
        ("POST", "/", 405),
        ("OPTIONS", "/translate", 405),
        ("GET", "/translate", 405),
        ("PUT", "/translate", 405),
        ("TRACE", "/", 501),
        ("BREW", "/", 501),
    ],
)
def test_other_methods(running, method, path, status) -> None:
    got, headers, told = ask(running, method, path, b"{}" if method == "POST" else None)
    assert got == status
    assert told["error"]
    assert status == 501 or "GET" in headers["Allow"] or "POST" in headers["Allow"]
    assert "Access-Control-Allow-Origin" not in headers
    assert is_guarded(headers)


def test_text_of_any_script(running) -> None:
    for text in ("", "ελληνικά", "\U0001f600 \u200f", "a\x00b", "<b>&amp;</b>"):
        status, _, told = translate(running, {"text": text})
        assert (status, told["translation"]) == (200, text.upper())


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"{", JSON, 400, 'must be {"text": "..."}'),
        (b"[" * 5000, JSON, 413, "too long"),
        (b"[" * 600, JSON, 400, 'must be {"text": "..."}'),
        (b"[]", JSON, 400, 'must be {"text": "..."}'),
        (b'"text"', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": 5}', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": null}', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": ["a"]}', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": "\xff"}', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": "\\ud800"}', JSON, 400, 'must be {"text": "..."}'),
        (b'{"text": "x"}', {}, 415, "application/json"),
        (b'{"text": "x"}', {"Content_Type": "text/plain"}, 415, "application/json"),
        (b'{"text": "x"}', {"Content_Type": "multipart/form-data"}, 415, "application/json"),
        (b'{"text": "' + b"x" * 51 + b'"}', JSON, 413, "longer than 50 characters"),
        (b'{"text": "' + b"x" * 5000 + b'"}', JSON, 413, "too long"),
        (b'{"text": "refuse"}', JSON, 400, "A text is too long to translate."),
        (b"", {**JSON, "Content_Length": "-1"}, 400, "Content-Length"),
        (b'{"text": "x"}', {**JSON, "Host": "evil.example"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": "[::"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": "localhost@evil.example"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": "evil.example@localhost"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": "localhost.evil.example"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": "10.0.0.1"}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Host": ""}, 421, "for another host"),
        (b'{"text": "x"}', {**JSON, "Origin": "http://evil.example"}, 403, "other sites"),
        (b'{"text": "x"}', {**JSON, "Origin": "null"}, 403, "other sites"),
        (b'{"text": "x"}', {**JSON, "Origin": "http://127.0.0.1:1"}, 403, "other sites"),
        (b'{"text": "x"}', {**JSON, "Sec_Fetch_Site": "cross-site"}, 403, "other sites"),
        (b'{"text": "x"}', {**JSON, "Sec_Fetch_Site": "same-site"}, 403, "other sites"),
    ],
)  # fmt: skip
def test_bad_requests(running, body, headers, status, message) -> None:
    got, answer, told = ask(running, "POST", "/translate", body, **headers)
    assert got == status
    assert message in told["error"]
    assert "nobody need know" not in told["error"]
    assert answer["Connection"] == "close"
    assert is_guarded(answer)
    assert translate(running, {"text": "a"})[0] == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]"])
def test_names_of_this_machine(running, host) -> None:
    assert translate(running, {"text": "a"}, Host=host)[0] == 200


def test_the_page_itself_may_ask(running) -> None:
    assert translate(running, {"text": "a"}, Origin=running.url)[0] == 200
    for site in ("same-origin", "none"):
        assert translate(running, {"text": "a"}, Sec_Fetch_Site=site)[0] == 200
    assert ask(running, "GET", "/", Sec_Fetch_Site="cross-site")[0] == 200  # a link to it


def test_kinds_of_json_content(running) -> None:
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        assert translate(running, {"text": "a"}, Content_Type=kind)[0] == 200


def test_a_server_for_others_is_asked_by_any_name() -> None:
    with served(host="0.0.0.0") as server:
        assert ask(server, "GET", "/", Host="translator.example")[0] == 200


def test_an_error_that_nobody_foresaw(running, capfd) -> None:
    status, headers, told = translate(running, {"text": "fail"})
    assert (status, told) == (500, {"error": "The translation failed."})
    assert is_guarded(headers)
    assert translate(running, {"text": "a"})[0] == 200
    seen = capfd.readouterr()
    assert "lamina: RuntimeError in " in seen.err
    assert "served.py, line" in seen.err
    assert "nobody need know" not in seen.err + seen.out


def test_texts_are_written_down_nowhere(capfd, caplog) -> None:
    with served() as server:
        for text in ("secret", "secret " * 20, "refuse secret"):
            translate(server, {"text": text})
        ask(server, "GET", "/secret")
    seen = capfd.readouterr()
    assert "secret" not in seen.out + seen.err + caplog.text


def test_too_many_requests() -> None:
    with served(requests=3) as server:
        found = [translate(server, {"text": "a"}) for _ in range(4)]
        assert [status for status, *_ in found] == [200, 200, 200, 429]
        assert 1 <= int(found[-1][1]["Retry-After"]) <= 20
        assert "try again in" in found[-1][2]["error"]
        assert is_guarded(found[-1][1])
        assert ask(server, "GET", "/")[0] == 200  # the page itself is not counted


def test_texts_that_wait_are_translated_together() -> None:
    translator = Shouting()
    with served(translator, gather=0.2) as server:
        texts = [f"text {number}" for number in range(12)]
        found: dict[str, str] = {}

        def one(text: str) -> None:
            found[text] = translate(server, {"text": text})[2]["translation"]

        threads = [threading.Thread(target=one, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {text: text.upper() for text in texts}
    sizes, *batches = translator.batches
    assert sizes == (16, 1)
    assert sum(map(len, batches)) == 12
    assert len(batches) < 12


def test_it_is_for_this_machine_alone() -> None:
    with serving.server(Shouting(), port=0) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_address[1]}"
        assert server._socket.proto == socket.IPPROTO_TCP  # or asyncio leaves Nagle's delay on


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        with served(host="::1") as server:
            assert server.url == f"http://[::1]:{server.server_address[1]}"
            assert translate(server, {"text": "a"})[0] == 200
    except InputError as error:
        pytest.skip(str(error))


def test_a_port_that_is_taken() -> None:
    with serving.server(Shouting(), port=0) as server, pytest.raises(InputError, match="--port 0"):
        serving.server(Shouting(), port=server.server_address[1])
    with pytest.raises(InputError, match="an address of this machine"):
        serving.server(Shouting(), "192.0.2.1", 0)


def test_the_port_opens_when_all_sizes_are_compiled() -> None:
    class Refused(Shouting):
        def prepare(self, size):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 5)
            super().prepare(size)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    translator = Refused()
    with serving.server(translator, port=port):
        assert translator.batches == [(16, 1)]
        socket.create_connection(("127.0.0.1", port), 5).close()


def test_a_failure_before_the_port_opens_gives_it_back() -> None:
    class Failing(Shouting):
        def prepare(self, size):
            raise RuntimeError("out of memory")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RuntimeError, match="out of memory"):
        serving.server(Failing(), port=port)
    serving.server(Shouting(), port=port).__exit__()


@pytest.mark.parametrize(("beam", "divides"), [(1, True), (1, False), (2, True)])
def test_no_request_waits_for_a_compilation(beam, divides) -> None:
    letters = Vocabulary(tuple("abcdefghij ."))
    model = Seq2Seq(len(letters), len(letters), embedding=4, units=4)
    lamina.set_seed(0)
    model.build((None, 8), (None, 8))
    translator = Translator(model, letters, letters, 20, 12, divides, beam)
    rng = np.random.default_rng(0)
    compiled: list[str] = []
    is_counting = True

    def count(name: str, _: float, **__: object) -> None:
        if is_counting and "compile" in name:
            compiled.append(name)

    monitoring.register_event_duration_secs_listener(count)
    with served(translator, characters=100, batch=4, gather=0.01) as server:
        assert compiled
        compiled.clear()
        statuses: list[int] = []

        def some(texts: list[str]) -> None:
            for text in texts:
                statuses.append(translate(server, {"text": text})[0])

        lengths = rng.permutation(101 if divides else 21)
        texts = ["".join(rng.choice(list("abcdefghij .xyz"), length)) for length in lengths]
        threads = [threading.Thread(target=some, args=(texts[at::8],)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    is_counting = False
    assert statuses == [200] * len(lengths)
    assert compiled == []


def test_the_packages_that_serve_need() -> None:
    with pytest.raises(LaminaError, match="starlette and uvicorn") as raised:  # noqa: SIM117
        with extras("Serving a translator", "serve"):
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
    assert "pip install 'lamina[serve]'" in str(raised.value)
