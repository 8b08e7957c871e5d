"""Packages that not every installation has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from lamina.errors import LaminaError, explain

__all__ = ["extras"]


_PACKAGES = {
    "serve": "starlette and uvicorn",
    "translate": "tokenizers, sacrebleu, babel and matplotlib",
}


@contextmanager
def extras(what: str, extra: Literal["serve", "translate"] = "translate") -> Generator[None]:
    """Say which packages are missing, if an import within fails for want of one.

    Args:
        what: needs the packages, for people.
        extra: brings them.

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
                expected=_PACKAGES[extra],
                received=f"no {error.name}",
                remedy=f"pip install 'lamina[{extra}]'",
            )
        ) from error
