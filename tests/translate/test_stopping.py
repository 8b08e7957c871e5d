"""How a server ends: real processes, real signals."""

import contextlib
import http.client
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.translate.served import HEALTH, answers, is_guarded, post, read, read_one

JSON = {"Content-Type": "application/json"}
ROOT = Path(__file__).resolve().parents[2]
SERVE = """
import sys
import threading
import typer
from pathlib import Path
from lamina.translate import bundle, commands
from lamina.translate import serving
from tests.translate.served import Waiting

class Told(Waiting):
    def translate(self, texts, beam=None, *, batch=None):
        print("begun", flush=True)
        return super().translate(texts)

def listen():
    sys.stdin.readline()
    translator.go_on.set()

translator = Told()
threading.Thread(target=listen, daemon=True).start()
bundle.load = lambda directory: translator
serving.Limits = lambda *given, **named: Limits(*given, **named)._replace(**OPTIONS)
commands.app(["serve", ".", "--port", "0"])
"""


@contextlib.contextmanager
def running(**options) -> Iterator[tuple[subprocess.Popen, tuple[str, int]]]:
    """The command, serving a translator that waits for a line of standard input."""
    setting = f"from lamina.translate.limits import Limits\nOPTIONS = {options!r}\n"
    command = [sys.executable, "-c", setting + SERVE]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            host, port = process.stdout.readline().split()[0].removeprefix("http://").split(":")
            yield process, (host, int(port))
        finally:
            process.kill()


def ended(process: subprocess.Popen, *, code: int = 0) -> None:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == "stopped\n"
    assert "Traceback" not in err


def closes(address: tuple[str, int]) -> bool:
    """Whether the port is closed, at last."""
    for _ in range(3000):
        try:
            socket.create_connection(address, 60).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered(sent) -> None:
    with running(grace=60) as (process, address), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, 60)) for _ in range(5)]
        idle, half, *asking = clients
        idle.sendall(HEALTH)
        half.sendall(post()[:-1])
        for client in asking:
            client.sendall(post("guten Tag"))
        assert process.stdout.readline() == "begun\n"
        process.send_signal(sent)
        assert closes(address)
        (answer,) = answers(read(idle))
        assert answer[0] == 200
        (refused,) = answers(read(half))
        assert refused[0] == 503
        assert "Retry-After" in refused[1]
        process.stdin.write("go on\n")
        process.stdin.flush()
        for client in asking:
            ((status, headers, body),) = answers(read(client))
            assert (status, json.loads(body)["translation"]) == (200, "GUTEN TAG")
            assert headers["Connection"] == "close"
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.endswith("stopped\n")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops(sent) -> None:
    with running(grace=60) as (process, address):
        with socket.create_connection(address, 60) as client:
            client.sendall(HEALTH)
            assert read_one(client) == 200
            process.send_signal(sent)
            assert read(client) == b""
        ended(process)


def test_no_request_is_lost() -> None:
    """Clients that ask on and on have an answer to each request until the port is closed."""
    found: list[int | str] = []

    def ask(address: tuple[str, int]) -> None:
        client = http.client.HTTPConnection(*address, timeout=60)
        for number in itertools.count():
            if number == 1:
                connected.wait(60)
            try:
                client.request("POST", "/translate", '{"text": "a"}', JSON)
                answer = client.getresponse()
                answer.read()
                found.append(answer.status)
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException) as error:
                found.append(repr(error))
                return

    connected = threading.Barrier(9)
    with running(grace=60, requests=10**9) as (process, address):
        process.stdin.write("go on\n")
        process.stdin.flush()
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        connected.wait(60)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert set(found) == {200}


def test_the_grace_has_an_end() -> None:
    with running(grace=1) as (process, address), socket.create_connection(address, 60) as client:
        client.sendall(post())
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        ((status, headers, _),) = answers(read(client))
        assert (status, headers["Connection"]) == (503, "close")
        assert "Retry-After" in headers
        assert is_guarded(headers)
        ended(process)


def test_a_second_interrupt_does_not_wait() -> None:
    with running(grace=600) as (process, address), socket.create_connection(address, 60) as client:
        client.sendall(post())
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert closes(address)
        process.send_signal(signal.SIGINT)
        ended(process)
