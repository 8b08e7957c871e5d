"""A process of its own for one contender: it does what it is told over a pipe, and answers.

Each contender has a process, so that none meets another's threads, caches or memory.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import machine
from benchmarks.agreement import Arrays, arrays_of, leaves

__all__ = ["MissingError", "Worker", "serve"]


class MissingError(Exception):
    """The library has not what the row asks for."""


class Worker:
    """One contender, and the run that it made for a row."""

    def __init__(self, module: str, function: str) -> None:
        self._make = getattr(importlib.import_module(module), function)
        self._run: Callable[[], Any] = lambda: None
        self._parts = 1

    def open(self, problem: Callable[..., Any], row: dict[str, Any]) -> None:
        """Set up for a row."""
        self._run = lambda: None  # what the row before held is let go first
        made = problem(**row)
        self._parts = getattr(made, "parts", 1)
        self._run = self._make(made)

    def first(self) -> tuple[dict[str, float], Arrays]:
        """Run once: what is measured of it by name, and the result.

        The peak is what the run holds beside all that was there before it; that of the process
        has the libraries, the data and what was set up in it.
        """
        machine.forget_peak()
        held = machine.peak()
        begin = time.perf_counter()
        result = wait(self._run())
        seconds = (time.perf_counter() - begin) / self._parts
        whole = machine.peak()
        figures = {"first": seconds, "peak": float(max(whole - held, 1)), "process": float(whole)}
        return figures, arrays_of(result)

    def results(self, count: int) -> list[Arrays]:
        """What the next runs return."""
        return [arrays_of(wait(self._run())) for _ in range(count)]

    def sample(self, count: int, warm: bool) -> float:
        """Seconds a part of a run, over some; one before them, not counted, warms caches up."""
        result = wait(self._run()) if warm else None
        begin = time.perf_counter()
        for _ in range(count):
            result = self._run()
        wait(result)
        return (time.perf_counter() - begin) / count / self._parts

    def parts(self) -> int:
        """How many parts a run has."""
        return self._parts

    def calls(self) -> float:
        """Calls of functions that Python sees in a run: they are the same at every run."""
        seen = 0

        def see(_: Any, event: str, __: Any) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        sys.setprofile(see)
        try:
            result = self._run()
        finally:
            sys.setprofile(None)
        wait(result)
        return seen / self._parts


def wait(result: Any) -> Any:
    """The result, once it is ready."""
    for leaf in leaves(result).values():
        if hasattr(leaf, "block_until_ready"):
            leaf.block_until_ready()
        elif getattr(leaf, "is_cuda", False):
            sys.modules["torch"].cuda.synchronize()
    return result


def serve(module: str, function: str) -> None:
    """Answer questions until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print does not get among the answers
    held: Worker | None = None
    while True:
        try:
            name, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            held = held or Worker(module, function)
            answer = "done", getattr(held, name)(*args)
        except MissingError as error:
            answer = "missing", str(error)
        except Exception as error:
            answer = "failed", f"{type(error).__name__}: {error}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    # Contenders raise the class of the module that has a name, not that of the one that runs.
    from benchmarks.worker import serve as serve_named

    serve_named(*sys.argv[1:])
