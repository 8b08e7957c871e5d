"""The command ``lamina``: train translators, and translate with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.errors import LaminaError
from lamina.translate import commands
from lamina.translate.extras import extras

__all__ = ["app", "main"]

app = typer.Typer(
    help="Neural networks whose weights follow from the shape of the input.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(commands.app, name="translate")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The directory to write to.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Of data, weights and order.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often to see the data.")] = None,
    pairs: Annotated[int | None, typer.Option(min=1, help="Dates to train on.")] = None,
    units: Annotated[int | None, typer.Option(min=1, help="The size of the states.")] = None,
    locale: Annotated[
        list[str] | None, typer.Option(help="A locale to learn; repeat it. All by default.")
    ] = None,
) -> None:
    """Train a model that turns dates in many languages into ISO dates."""
    with extras("The demo"):
        from lamina.translate import demo as dates  # noqa: PLC0415 - needs an optional extra
    given: dict[str, Any] = {"epochs": epochs, "pairs": pairs, "units": units, "locales": locale}
    chosen = {name: value for name, value in given.items() if value is not None}
    dates.run(out, dates.Recipe(seed=seed, **chosen))


def main() -> None:
    """Run the command; what goes wrong is one message on standard error, and exit code 2."""
    try:
        app()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (LaminaError, OSError, UnicodeDecodeError) as error:
        typer.echo(f"lamina: {_plain(error)}", err=True)
        sys.exit(2)


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
