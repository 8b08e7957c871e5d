"""How a server ends: real processes, real signals."""

import contextlib
import http.client
import itertools
import json
import os
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
import json
import os
import socket
import sys
import threading
from lamina.translate import bundle, commands, serving
from lamina.translate.limits import Limits
from tests.translate.served import Waiting

class Told(Waiting):
    def translate(self, texts, beam=None, *, batch=None):
        print("begun", flush=True)
        return super().translate(texts)

def listen():
    sys.stdin.readline()
    translator.go_on.set()

with socket.socket(fileno=int(sys.argv[1])) as channel:
    while True:
        asked, pipes, *_ = socket.recv_fds(channel, 1000, 3)
        if not asked:
            sys.exit()
        child = os.fork()
        if not child:
            break
        for pipe in pipes:
            os.close(pipe)
        channel.send(b"%d\\n" % child)
        channel.send(b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
for number, pipe in enumerate(pipes):
    os.dup2(pipe, number)
    os.close(pipe)
options = json.loads(asked)
translator = Told()
threading.Thread(target=listen, daemon=True).start()
bundle.load = lambda directory: translator
serving.Limits = lambda *given, **named: Limits(*given, **named)._replace(**options)
commands.app(["serve", ".", "--port", "0"])
"""
"""It imports the libraries once, and forks for each server that it is asked for."""


class Forked:
    """A process that runs the command, serving a translator that waits for a line of input."""

    def __init__(self, channel: socket.socket, options: dict[str, int]) -> None:
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        socket.send_fds(channel, [json.dumps(options).encode()], theirs)
        for pipe in theirs:
            os.close(pipe)
        self.stdin = os.fdopen(pipes[0][1], "w", encoding="utf-8")
        self.stdout = os.fdopen(pipes[1][0], encoding="utf-8")
        self.stderr = os.fdopen(pipes[2][0], encoding="utf-8")
        self._channel = channel
        self.pid = int(channel.recv(20))
        self.returncode: int | None = None

    def send_signal(self, sent: signal.Signals) -> None:
        os.kill(self.pid, sent)

    def communicate(self) -> tuple[str, str]:
        """What else it writes until it ends: too little to fill a pipe."""
        self.returncode = int(self._channel.recv(20))
        return self.stdout.read(), self.stderr.read()

    def close(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                self.send_signal(signal.SIGKILL)
            self._channel.recv(20)
        for pipe in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture(scope="module")
def channel() -> Iterator[socket.socket]:
    """Where to ask for servers."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    command = [sys.executable, "-c", SERVE, str(theirs.fileno())]
    with subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()]):
        theirs.close()
        with ours:
            yield ours


@pytest.fixture
def running(channel):
    """Start a server; its process, and its address."""
    started: list[Forked] = []

    def run(**options: int) -> tuple[Forked, tuple[str, int]]:
        process = Forked(channel, options)
        started.append(process)
        host, port = process.stdout.readline().split()[0].removeprefix("http://").split(":")
        return process, (host, int(port))

    yield run
    for process in started:
        process.close()


def ended(process: Forked, *, code: int = 0) -> None:
    out, err = process.communicate()
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
def test_what_is_under_way_is_answered(running, sent) -> None:
    process, address = running(grace=60)
    with contextlib.ExitStack() as stack:
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
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert out.endswith("stopped\n")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops(running, sent) -> None:
    process, address = running(grace=60)
    with socket.create_connection(address, 60) as client:
        client.sendall(HEALTH)
        assert read_one(client) == 200
        process.send_signal(sent)
        assert read(client) == b""
    ended(process)


def test_no_request_is_lost(running) -> None:
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
    process, address = running(grace=60, requests=10**9)
    process.stdin.write("go on\n")
    process.stdin.flush()
    threads = [threading.Thread(target=ask, args=(address,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    connected.wait(60)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    process.communicate()
    assert process.returncode == 0
    assert set(found) == {200}


def test_the_grace_has_an_end(running) -> None:
    process, address = running(grace=1)
    with socket.create_connection(address, 60) as client:
        client.sendall(post())
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        ((status, headers, _),) = answers(read(client))
        assert (status, headers["Connection"]) == (503, "close")
        assert "Retry-After" in headers
        assert is_guarded(headers)
        ended(process)


def test_a_second_interrupt_does_not_wait(running) -> None:
    process, address = running(grace=600)
    with socket.create_connection(address, 60) as client:
        client.sendall(post())
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert closes(address)
        process.send_signal(signal.SIGINT)
        ended(process)
