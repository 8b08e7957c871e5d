"""The ``lamina`` command."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import lamina
from lamina import factories, files
from lamina.errors import LaminaError
from lamina.extras import extras
from lamina.translate import commands

__all__ = ["app", "main"]

app = typer.Typer(
    help="Look into and convert files of models; watch training; train and use translators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_INPUT = typer.Option(
    "--input", help="An input, such as x=float32[64,1]; ? is an unknown size. Repeatable."
)
app.add_typer(commands.app, name="translate")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("demo"),
    seed: Annotated[
        int, typer.Option(help="Random seed of the data, the weights and the batch order.")
    ] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Number of training epochs. Default: 5.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="Number of training examples. Default: 20480.")
    ] = None,
    units: Annotated[
        int | None, typer.Option(min=1, help="Number of recurrent units. Default: 64.")
    ] = None,
    locale: Annotated[
        list[str] | None,
        typer.Option(help="Locale of the dates. May be repeated. Default: all locales."),
    ] = None,
) -> None:
    """Train a model that translates dates in eleven languages into ISO 8601."""
    with extras("The demo"):
        from lamina.translate import demo as dates  # noqa: PLC0415 - needs an optional extra
    given: dict[str, Any] = {"epochs": epochs, "pairs": pairs, "units": units, "locales": locale}
    chosen = {name: value for name, value in given.items() if value is not None}
    dates.run(out, dates.Recipe(seed=seed, **chosen))


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A file of a model, of Lamina or of Keras.")],
) -> None:
    """Print what a file holds: format, version, layers, weights, and what would be refused."""
    typer.echo(files.inspect(file))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A file of a model, of Lamina or of Keras.")],
    target: Annotated[
        Path, typer.Argument(help="The new file: .keras for Keras 3, another name for Lamina.")
    ],
) -> None:
    """Convert a model, and check that both files compute the same on random inputs."""
    typer.echo(files.convert(source, target))


@app.command()
def watch(
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Folders of runs, or with runs in folders below, or single files of logs.",
        ),
    ],
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="TCP port; if taken, the next free one. 0: any."),
    ] = 8100,
) -> None:
    """Serve a page, on this machine only, that shows runs of training: live, ended, side by side.

    It reads the logs of fit(dashboard=True), files of CSVLogger, and the history in checkpoints.
    """
    with extras("Watching runs", "serve"):
        from lamina.training.dashboard.serving import Server  # noqa: PLC0415 - needs an extra
    for directory in directories:
        directory.stat()  # an error for a wrong name
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handled like Ctrl-C
    try:
        server = Server(directories, port)
        typer.echo(f"{server.url}  (stop with Ctrl-C)")
        sys.stdout.flush()
        server.serve_forever()
    except KeyboardInterrupt:
        typer.echo("stopped")


@app.command()
def doctor(
    model: Annotated[
        str, typer.Argument(help="package.module:Factory, a class or function without arguments.")
    ],
    given: Annotated[list[str] | None, _INPUT] = None,
    json: Annotated[bool, typer.Option(help="Print JSON.")] = False,
) -> None:
    """Find what is wrong or unwise in a model. The exit code is 1 if there are errors."""
    specs, named = factories.parse_inputs(given or ())
    found = lamina.doctor(factories.load_factory(model), *specs, **named)
    if json:
        typer.echo(found.to_json())
    else:
        found.show()
    if any(finding.severity == "error" for finding in found):
        raise typer.Exit(1)


@app.command()
def explain(
    model: Annotated[
        str,
        typer.Argument(
            help="package.module:Factory, a class or function without arguments; or a file of a "
            "model, of which no code is run."
        ),
    ],
    given: Annotated[list[str] | None, _INPUT] = None,
    path: Annotated[str | None, typer.Option(help="Show one layer or weight only.")] = None,
    why: Annotated[
        str | None, typer.Option(help="Explain the shapes of the weights with this name or path.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page of HTML to a file.")] = None,
    json: Annotated[bool, typer.Option(help="Print the plan as JSON.")] = False,
    diff: Annotated[
        str | None,
        typer.Option(help="An earlier model, file, or plan in JSON: print what has changed since."),
    ] = None,
) -> None:
    """Show the layers and weights of a model: who calls each, and why it has its shape."""
    report = factories.explanation(model, given or (), path, why)
    earlier = None if diff is None else factories.explanation(diff, given or ()).plan
    if html is not None:
        report.to_html(html, other=earlier)
        typer.echo(str(html))
    if json:
        typer.echo(report.to_json())
    elif earlier is not None:
        typer.echo(str(earlier.diff(report.plan)))
    elif html is None:
        report.show()


def main() -> None:
    """Run the command. An error is printed to standard error, and the exit code is then 2."""
    try:
        app()
    except BrokenPipeError:  # the reader of the pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (LaminaError, OSError, ImportError, UnicodeDecodeError) as error:
        typer.echo(f"lamina: {_message(error)}", err=True)
        sys.exit(2)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
