"""A worker process for one library, controlled through pipes.

Separate processes keep threads, caches and memory of the libraries apart.
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
    """The library does not support the row."""


class Worker:
    """The implementation of one library, and its run for the current row."""

    def __init__(self, module: str, function: str) -> None:
        self._make = getattr(importlib.import_module(module), function)
        self._run: Callable[[], Any] = lambda: None
        self._parts = 1

    def open(self, problem: Callable[..., Any], row: dict[str, Any]) -> None:
        """Prepare a row."""
        self._run = lambda: None  # release the previous row first
        made = problem(**row)
        self._parts = getattr(made, "parts", 1)
        self._run = self._make(made)

    def first(self) -> tuple[dict[str, float], Arrays]:
        """Run once, and return the metrics of the first run and the result.

        ``peak`` is the peak memory minus the memory before the run. ``process`` is the peak memory
        of the whole process.
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
        """The results of the next runs."""
        return [arrays_of(wait(self._run())) for _ in range(count)]

    def sample(self, count: int, warm: bool) -> float:
        """Seconds per part of a run, averaged over ``count`` runs, after an optional warm-up
        run."""
        result = wait(self._run()) if warm else None
        begin = time.perf_counter()
        for _ in range(count):
            result = self._run()
        wait(result)
        return (time.perf_counter() - begin) / count / self._parts

    def parts(self) -> int:
        """Number of parts per run."""
        return self._parts

    def calls(self) -> float:
        """Number of Python function calls per part. It is the same in each run."""
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
    """Wait until a result is ready, and return it."""
    for leaf in leaves(result).values():
        if hasattr(leaf, "block_until_ready"):
            leaf.block_until_ready()
        elif getattr(leaf, "is_cuda", False):
            sys.modules["torch"].cuda.synchronize()
    return result


def serve(module: str, function: str) -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keep output of the libraries out of the answers
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
    # Import by name, so that MissingError is the class that the implementations raise.
    from benchmarks.worker import serve as serve_named

    serve_named(*sys.argv[1:])
