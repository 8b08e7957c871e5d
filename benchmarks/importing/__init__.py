"""Importing a library, in a process that does nothing else; Python's own start counts as well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "importing"]


@dataclass(frozen=True)
class Problem:
    """Nothing to choose."""


def importing(module: str) -> Callable[[Problem], Callable[[], Any]]:
    """A contender that imports a module; its result is nothing, which agrees with all."""

    def contender(_: Problem) -> Callable[[], Any]:
        def run() -> None:
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

        return run

    return contender
