"""Connections: deadlines, room, framing on the wire, keep-alive, and how they end."""

import contextlib
import http.client
import json
import socket
import struct
import threading

import pytest

from tests.translate.served import (
    CLOSE,
    HEALTH,
    Waiting,
    admits,
    answers,
    ask,
    connect,
    exchange,
    is_guarded,
    post,
    read,
    read_one,
    served,
    translate,
)
from tests.translate.test_framing import BAD


@pytest.fixture(scope="module")
def running():
    with served() as server:
        yield server


def refused(found, status: int) -> None:
    """One answer: an error, told in JSON, after which the connection is closed."""
    ((got, headers, body),) = found
    assert got == status
    assert headers["Connection"] == "close"
    assert headers["Content-Type"] == "application/json"
    assert "Date" in headers
    assert json.loads(body)["error"]
    assert is_guarded(headers)


@pytest.mark.parametrize(("head", "status"), [one for one in BAD if not one[0].startswith(b"HEAD")])
def test_framing_that_is_refused(running, head, status) -> None:
    refused(exchange(running, head), status)
    if head.endswith(b"\r\n\r\n"):  # what stands behind it is not taken as a request
        refused(exchange(running, head + HEALTH), status)


def test_what_is_refused_is_not_answered_with_a_body_to_head(running) -> None:
    ((status, headers, body),) = (
        (status, headers, body)
        for status, headers, body in answers(
            read(connect(running, b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"))
        )
    )
    assert (status, body) == (400, b"")
    assert is_guarded(headers)


def test_a_refusal_after_an_answer(running) -> None:
    first, *rest = exchange(running, HEALTH + b"GET / HTTP/1.1\nHost: a\n\n")
    assert first[0] == 200
    refused(rest, 400)


def test_a_body_that_is_too_large_is_refused_at_once(running) -> None:
    head = post().partition(b"\r\n\r\n")[0].replace(b"Content-Length: 13", b"Content-Length: 9999")
    refused(exchange(running, head + b"\r\n\r\n"), 413)


def test_an_answer_outlives_what_is_still_sent(running) -> None:
    """A refusal is read to its end, however much the client goes on to send."""
    with connect(running) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
        client.sendall(b"x" * 1_000_000)
        refused(answers(read(client)), 413)


def test_requests_in_pieces(running) -> None:
    for step in (1, 7, 40):
        with connect(running) as client:
            data = post("guten Tag", "Connection: close")
            for at in range(0, len(data), step):
                client.sendall(data[at : at + step])
            ((status, _, body),) = answers(read(client))
        assert (status, json.loads(body)["translation"]) == (200, "GUTEN TAG")


def test_requests_in_a_row(running) -> None:
    """Each has its answer, in their order, when they are sent without waiting for any."""
    texts = [f"text {number}" for number in range(20)]
    found = exchange(running, b"".join(map(post, texts)) + CLOSE)
    assert [status for status, *_ in found] == [200] * 21
    told = [json.loads(body)["translation"] for *_, body in found[:-1]]
    assert told == [text.upper() for text in texts]


def test_clients_that_send_no_more(running) -> None:
    """A client may close its side behind its requests; each has its answer."""
    for count in (1, 3):
        with connect(running, post() * count) as client:
            client.shutdown(socket.SHUT_WR)
            assert [status for status, *_ in answers(read(client))] == [200] * count
    for data in (post()[:-1], HEALTH[:-2]):
        with connect(running, data) as client:
            client.shutdown(socket.SHUT_WR)
            refused(answers(read(client)), 400)
    with connect(running) as client:
        client.shutdown(socket.SHUT_WR)
        assert read(client) == b""


def test_http_1_0(running) -> None:
    ((status, headers, body),) = exchange(running, post("a", version="1.0"))
    assert (status, json.loads(body)["translation"]) == (200, "A")
    assert headers["Connection"] == "close"


def test_a_client_that_waits_for_100(running) -> None:
    head, _, body = post("a", "Expect: 100-continue", "Connection: close").partition(b"\r\n\r\n")
    with connect(running, head + b"\r\n\r\n") as client:
        told = client.recv(1000)
        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        ((status, *_),) = answers(read(client))
    assert status == 200
    wrong = head.replace(b"Content-Length: 13", b"Content-Length: 9999")
    refused(exchange(running, wrong + b"\r\n\r\n"), 413)


def test_upgrades_are_not_taken(running) -> None:
    more = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
    found = exchange(running, post("a", *more) + post("b", "Connection: close"))
    assert [status for status, *_ in found] == [200, 200]


def test_nonsense_and_silence_do_no_harm(running) -> None:
    for data in (b"\x16\x03\x01 not http\r\n\r\n", b"", b"POST /translate HTTP/1.1\r\nHost:"):
        connect(running, data).close()
    assert translate(running, {"text": "a"})[0] == 200


def test_a_client_that_goes_away_is_no_harm() -> None:
    translator = Waiting()
    with served(translator) as server:
        connect(server, post("gone")).close()
        assert translator.begun.wait(60)
        translator.go_on.set()
        assert translate(server, {"text": "a"})[0] == 200


def test_the_deadline_of_a_request() -> None:
    begun = [b"G", HEALTH[:-2], post()[:-1], post()[:30]]
    with served(deadline=1.0) as server, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(connect(server, before + data))
            for before in (b"", HEALTH)  # the first and the second request of a connection
            for data in begun
        ]
        found = [answers(read(client)) for client in clients]
    for answered in found[: len(begun)]:
        refused(answered, 408)
    for first, *rest in found[len(begun) :]:
        assert first[0] == 200
        refused(rest, 408)


def test_silence_is_closed() -> None:
    with served(deadline=1.0, idle=1) as server:
        assert exchange(server, b"") == []
        ((status, *_),) = exchange(server, HEALTH)
        assert status == 200


def test_bytes_that_trickle_do_not_move_the_deadline() -> None:
    with served(deadline=0.5) as server, connect(server, HEALTH[:-2] + b"X: ") as client:
        client.settimeout(0.02)
        seen = b""
        while not seen:
            client.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                seen = client.recv(65536)
        client.settimeout(60)
        refused(answers(seen + read(client)), 408)


def test_slow_clients_keep_nobody_out() -> None:
    with served(deadline=60.0) as server, contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(connect(server, b"P"))
        assert translate(server, {"text": "a"})[0] == 200
        assert ask(server, "GET", "/")[0] == 200


def test_there_is_room_for_so_many() -> None:
    with served(connections=3, deadline=60.0) as server, contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server, b"P")) for _ in range(3)]
        for client in held:  # they are admitted in their order
            client.sendall(b"O")
        found = exchange(server, HEALTH)
        refused(found, 503)
        assert int(found[0][1]["Retry-After"]) == 60
        held[0].close()
        assert admits(server)


def test_a_client_has_room_for_so_many() -> None:
    with served(connections_of_client=2, deadline=60.0) as server, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(server, b"P", "127.0.0.1"))
        found = exchange(server, HEALTH)
        refused(found, 503)
        assert "Retry-After" in found[0][1]
        with connect(server, CLOSE, "127.0.0.2") as other:
            assert answers(read(other))[0][0] == 200


@pytest.mark.parametrize("limit", ["connections", "connections_of_client"])
def test_idle_connections_make_room(limit) -> None:
    with served(**{limit: 4}, deadline=60.0, idle=60) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server, HEALTH)) for _ in range(4)]
        for client in idle:
            assert read_one(client) == 200
        for _ in range(4):
            assert read_one(stack.enter_context(connect(server, HEALTH))) == 200
        assert [read(client) for client in idle] == [b""] * 4


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("data", [b"", HEALTH])
def test_clients_that_are_gone_before_their_turn(data, reset, caplog) -> None:
    with served(connections=1, deadline=60.0) as server:
        with connect(server, b"P"):
            for _ in range(500):
                with connect(server, data) as client:
                    how = struct.pack("ii", reset, 0)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
        assert admits(server)
    assert caplog.text == ""


def test_connections_beyond_room_are_bounded() -> None:
    with served(connections=2, deadline=60.0) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server, b"P")) for _ in range(12)]
        statuses = []
        for client in clients[2:]:
            with contextlib.suppress(ConnectionError):
                statuses += [status for status, *_ in answers(read(client))]
        assert set(statuses) == {503}


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    limits = {"characters": 4000, "deadline": 0.5, "idle": 1, "connections": 1}
    with served(**limits) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.server_address)
        client.sendall(post("a " * 1500))
        assert admits(server)  # it held the only room there is


def test_many_clients_that_keep_their_connections() -> None:
    """None is left without an answer: no reset, no empty reply."""
    with served(gather=0.001) as server:
        found: list[tuple[int, bool]] = []

        def one(number: int) -> None:
            client = http.client.HTTPConnection(*server.server_address, timeout=120)
            for at in range(20):
                text = f"{number} text {at}"
                headers = {"Content-Type": "application/json"}
                client.request("POST", "/translate", json.dumps({"text": text}), headers)
                answer = client.getresponse()
                told = json.loads(answer.read())
                found.append((answer.status, told["translation"] == text.upper()))
            client.close()

        threads = [threading.Thread(target=one, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [(200, True)] * 1280
