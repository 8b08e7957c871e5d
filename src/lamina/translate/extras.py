"""Packages that not every installation has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lamina.errors import LaminaError, explain

__all__ = ["extras"]


@contextmanager
def extras(what: str) -> Generator[None]:
    """Say which packages are missing, if an import within fails for want of one.

    Raises:
        LaminaError: a package that is not Lamina's own is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "lamina":
            raise
        raise LaminaError(
            explain(
                f"{what} needs packages that are not installed.",
                expected="tokenizers, sacrebleu, babel and matplotlib",
                received=f"no {error.name}",
                remedy="pip install 'lamina[translate]'",
            )
        ) from error
