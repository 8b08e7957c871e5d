"""Importing a library in a new process, including the start of Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "importing"]


@dataclass(frozen=True)
class Problem:
    """No parameters."""


def importing(module: str) -> Callable[[Problem], Callable[[], Any]]:
    """A run that imports a module and returns None."""

    def contender(_: Problem) -> Callable[[], Any]:
        def run() -> None:
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

        return run

    return contender
