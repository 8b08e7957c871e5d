"""The command ``lamina``: train a date translator, and translate with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.errors import InputError, LaminaError, explain
from lamina.translate import bundle

__all__ = ["app", "main"]

app = typer.Typer(
    help="Neural networks whose weights follow from the shape of the input.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
translate = typer.Typer(help="Translate with a trained model.", no_args_is_help=True)
app.add_typer(translate, name="translate")


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
    try:
        from lamina.translate import demo as dates  # noqa: PLC0415 - needs an optional extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "lamina":
            raise
        raise _missing(error) from error
    given: dict[str, Any] = {"epochs": epochs, "pairs": pairs, "units": units, "locales": locale}
    chosen = {name: value for name, value in given.items() if value is not None}
    dates.run(out, dates.Recipe(seed=seed, **chosen))


@translate.command("run")
def translate_run(
    directory: Annotated[Path, typer.Argument(help="What `lamina demo` wrote.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, lines of standard input.")
    ] = None,
) -> None:
    """Print the translation of each text, one a line."""
    translator = bundle.load(directory)
    lines: Iterable[str] = texts or (line.rstrip("\r\n") for line in sys.stdin)
    for number, line in enumerate(lines, 1):
        try:
            typer.echo(translator([line])[0])
        except InputError as error:
            raise InputError(f"Text {number}: {error}") from None


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


def _missing(error: ModuleNotFoundError) -> LaminaError:
    return LaminaError(
        explain(
            "The demo needs packages that are not installed.",
            expected="babel and matplotlib",
            received=f"no {error.name}",
            remedy="pip install 'lamina[translate]'",
        )
    )
