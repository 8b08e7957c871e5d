"""The server in a separate process, with client threads in this process."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np

from benchmarks.serving import Problem
from benchmarks.worker import MissingError
from lamina.seq2seq import Seq2Seq
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary

IMPOSSIBLE = -1e4
LOGIT_SCALE = 30  # of the random model, so that rounding does not decide between outputs


def together(problem: Problem) -> Callable[[], np.ndarray]:
    return _Clients(problem, problem.clients)


def alone(problem: Problem) -> Callable[[], np.ndarray]:
    return _Clients(problem, 1)


class _Clients:
    """Clients that request translations of all texts."""

    def __init__(self, problem: Problem, count: int) -> None:
        self._problem, self._count = problem, count
        command = [sys.executable, "-m", __name__, json.dumps(asdict(problem))]
        # The server exits when its standard input closes, and thus with this process.
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise MissingError("the server does not start: starlette and uvicorn are needed")
        self._port = int(line)

    def __call__(self) -> np.ndarray:
        """The log-probability of each translation."""
        found = np.empty(self._problem.requests, np.float32)
        shares = [slice(at, None, self._count) for at in range(self._count)]
        with ThreadPoolExecutor(self._count) as pool:
            answers = pool.map(self._ask, [self._problem.texts[share] for share in shares])
            for share, scores in zip(shares, answers, strict=True):
                found[share] = scores
        return found

    def _ask(self, texts: list[str]) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            return [_answer(connection, text) for text in texts]


def _answer(connection: http.client.HTTPConnection, text: str) -> float:
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/translate", json.dumps({"text": text}), headers)
    return json.loads(connection.getresponse().read())["log_probability"]


def _translator(problem: Problem) -> Translator:
    letters = Vocabulary(tuple(problem.characters))
    size = len(letters)
    model = Seq2Seq(size, size, embedding=problem.embedding, units=problem.units)
    model.build((None, problem.length), (None, problem.written), seed=0)
    values = model.values()
    kernel, bias = values["decoder.output.kernel"], values["decoder.output.bias"]
    values["decoder.output.kernel"] = kernel * LOGIT_SCALE
    values["decoder.output.bias"] = bias.at[model.end].set(IMPOSSIBLE)
    model.set_values(values)
    return Translator(model, letters, letters, problem.length, problem.written)


def _serve(problem: Problem) -> None:
    from lamina.translate import serving  # noqa: PLC0415 - needs an optional extra

    limits = serving.Limits(requests=10**9)
    with serving.server(_translator(problem), port=0, limits=limits) as running:
        print(running.server_address[1], flush=True)

        def stop() -> None:
            sys.stdin.read()
            running.shutdown()

        threading.Thread(target=stop, daemon=True).start()
        running.serve_forever()


if __name__ == "__main__":
    _serve(Problem(**json.loads(sys.argv[1])))
