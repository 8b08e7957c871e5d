"""The server of the page: what it answers, and what it refuses."""

import http.client
import json
import socket
import threading

import pytest

from lamina.training.dashboard.log import LOG_NAME
from lamina.training.dashboard.serving import Server
from lamina.web import HEADERS

BEGIN = {"event": "begin", "time": 1.0, "version": 1, "model": "M", "step": 0, "epoch": 0}


@pytest.fixture
def server(tmp_path):
    (tmp_path / LOG_NAME).write_text(json.dumps(BEGIN) + "\n")
    made = Server([tmp_path], 0)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join(60)
    assert not thread.is_alive()


def ask(server, path, method="GET", **headers):
    port = int(server.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/charts.js", "/runs", "/nothing"])
def test_every_answer_has_the_headers(server, path):
    status, headers, body = ask(server, path)
    assert status == (404 if path == "/nothing" else 200)
    assert all(headers[name] == value for name, value in HEADERS)
    assert "Access-Control-Allow-Origin" not in headers
    assert body


def test_what_has_not_changed_is_not_sent_again(server):
    status, _, body = ask(server, "/runs?axis=epoch")
    assert status == 200
    shown = json.loads(body)
    assert shown["axis"] == "epoch" and shown["runs"][0]["model"] == "M"
    assert ask(server, f"/runs?axis=epoch&version={shown['version']}")[0] == 204
    assert ask(server, "/runs?version=-1")[0] == 200
    assert ask(server, f"/runs?version={'9' * 4000}")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_other_hosts_are_refused(server, host):
    assert ask(server, "/runs", Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8100"])
def test_names_of_this_machine_are_served(server, host):
    assert ask(server, "/runs", Host=host)[0] == 200


def test_wrong_requests(server):
    assert ask(server, "/runs?axis=size")[0] == 400
    for version in ("-1", "9" * 5000):  # a version that no page has
        assert ask(server, f"/runs?version={version}")[0] == 200
    assert ask(server, "/", "POST")[0] == 405
    assert ask(server, "/", "POST", Origin="http://evil.example")[0] == 403
    assert ask(server, "/page.html")[0] == 404
    assert ask(server, "/../serving.py")[0] == 404


def test_it_listens_on_this_machine_only(server):
    assert server.url.startswith("http://127.0.0.1:")


def test_a_broken_connection_does_no_harm(server):
    port = int(server.url.rpartition(":")[2])
    for data in (b"", b"GET /runs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"\x00\xff" * 1000):
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            client.sendall(data)
    assert ask(server, "/runs")[0] == 200


def test_a_port_that_is_taken_is_passed_over(server, tmp_path):
    port = int(server.url.rpartition(":")[2])
    other = Server([tmp_path], port)
    assert other.url != server.url
    other.close()


def test_a_damaged_file_does_not_end_the_page(server, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "log.csv").write_bytes(b'epoch,a\n0,"\n\xff,\x00\n' + b"1" * 500_000)
    (tmp_path / "y" / "checkpoint-000001").mkdir(parents=True)
    (tmp_path / "y" / "checkpoint-000001" / "checkpoint.json").write_text('{"sha256": 1}')
    server.watched._scanned = 0.0
    status, _, body = ask(server, "/runs")
    assert status == 200
    runs = json.loads(body)["runs"]
    assert len(runs) == 3
    assert runs[1]["notes"] and "cannot be read" in runs[2]["notes"][0]
