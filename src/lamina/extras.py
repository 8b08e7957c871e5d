"""Errors for missing optional packages."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from lamina.errors import LaminaError, explain

__all__ = ["extras"]


_PACKAGES = {
    "data": "pillow",
    "plot": "matplotlib",
    "serve": "starlette and uvicorn",
    "translate": "tokenizers, sacrebleu, babel and matplotlib",
}


@contextmanager
def extras(
    what: str, extra: Literal["data", "plot", "serve", "translate"] = "translate"
) -> Generator[None]:
    """Raise an error with the command to install if an import in the block fails.

    Args:
        what: the feature that needs the packages, as the subject of the message.
        extra: the extra of Lamina that installs them.

    Raises:
        LaminaError: a package other than Lamina is missing.
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
                received=f"{error.name} is not installed",
                remedy=f"pip install 'lamina[{extra}]'",
            )
        ) from error
