"""The commands ``lamina translate ...``: train, run, evaluate, serve."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lamina.errors import InputError
from lamina.translate import bundle
from lamina.translate.extras import extras
from lamina.translate.lines import LIMITS
from lamina.translate.pairs import Report, held_out, read_pairs
from lamina.translate.text_input import groups_of, texts_of
from lamina.translate.translator import Translation

__all__ = ["app"]

app = typer.Typer(help="Train a translator, and translate with it.", no_args_is_help=True)

_GROUP = 64  # texts translated at once where nobody waits for each
_PICTURED = 12  # texts in a picture of attention, at most
_MOST_HELD_OUT, _SHARE_HELD_OUT = 1000, 20  # pairs; one in so many

Directory = Annotated[Path, typer.Argument(help="What `lamina translate train` wrote.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse lines that cannot be used.")]
Unbounded = Annotated[
    bool,
    typer.Option(
        "--no-limits", help="Read files of more than 10 million lines, 16 MiB a line or 4 GiB."
    ),
]
Beam = Annotated[int | None, typer.Option(min=1, help="Translations followed at once.")]
Count = Annotated[int | None, typer.Option(min=1)]
Share = Annotated[float | None, typer.Option(min=0, max=1)]


@app.command("train")
def train(
    pairs: Annotated[
        list[Path],
        typer.Argument(help="Texts and translations, tab between; or two files of a text a line."),
    ],
    out: Annotated[Path, typer.Option(help="The directory to write to.")],
    validation: Annotated[
        list[Path] | None, typer.Option(help="Pairs to be judged by; some of the others if none.")
    ] = None,
    held: Annotated[
        int | None, typer.Option("--held-out", min=1, help="How many, if none are given.")
    ] = None,
    preset: Annotated[
        Literal["small", "base", "large"], typer.Option(help="The sizes not given by name.")
    ] = "base",
    tokens: Annotated[
        Literal["bpe", "characters", "words"] | None, typer.Option(help="What a token is.")
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(min=8, help="The most tokens of each language.")
    ] = None,
    joint: Annotated[
        bool | None, typer.Option("--joint/--separate", help="One vocabulary for both languages.")
    ] = None,
    embedding: Count = None,
    units: Count = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Of the encoder.")] = None,
    cell: Annotated[Literal["gru", "lstm"] | None, typer.Option()] = None,
    attention: Annotated[Literal["additive", "dot"] | None, typer.Option()] = None,
    dropout: Share = None,
    label_smoothing: Share = None,
    scheduled_sampling: Share = None,
    epochs: Count = None,
    minutes: Annotated[
        float | None, typer.Option(help="The most that training takes; fewer epochs if need be.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Pairs a step, on the mean.")] = None,
    buckets: Annotated[int | None, typer.Option(min=1, help="Sizes of batches.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="The highest.")] = None,
    average: Annotated[
        int | None, typer.Option(min=1, help="Epochs whose last weights are averaged.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs to go on without a better BLEU.")
    ] = None,
    longest: Annotated[
        int | None, typer.Option(min=1, help="The most words of a text to learn from.")
    ] = None,
    beam: Beam = None,
    length_penalty: Annotated[float | None, typer.Option(min=0)] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout.")] = None,
    swap: Annotated[
        bool, typer.Option("--swap", help="The first column is the translation.")
    ] = False,
    strict: Strict = False,
    no_limits: Unbounded = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where training in the directory stopped.")
    ] = False,
) -> None:
    """Train a translator on pairs of texts."""
    given = dict(locals())
    with extras("Training a translator"):
        from lamina.translate import recipe, training  # noqa: PLC0415 - needs an optional extra
    names = [field.name for field in dataclasses.fields(recipe.Recipe)]
    chosen = recipe.recipe_of(preset, **{name: given[name] for name in names})
    limits = None if no_limits else LIMITS
    how: Any = {"strict": strict, "swap": chosen.swap, "limits": limits}
    found, report = read_pairs(pairs, longest=chosen.longest, **how)
    typer.echo(report)
    if validation:
        judged, report = read_pairs(validation, **how)
        typer.echo(report)
    else:
        count = held or max(1, min(_MOST_HELD_OUT, len(found) // _SHARE_HELD_OUT))
        found, judged = held_out(found, count, chosen.seed)
    try:
        training.train(out, found, judged, chosen, resume=resume)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command with --resume goes on", err=True)
        raise typer.Exit(130) from None


@app.command("run")
def run(
    directory: Annotated[Path, typer.Argument(help="What `train` or `lamina demo` wrote.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, lines of standard input.")
    ] = None,
    beam: Beam = None,
    attention: Annotated[
        Path | None, typer.Option(help="A picture of where the model looked, of the first texts.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object a line, with scores and alignment.")
    ] = False,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Texts at once; 1 in a terminal, else 64.")
    ] = None,
    strict: Strict = False,
) -> None:
    """Print the translation of each text, one a line."""
    translator = bundle.load(directory)
    report, pictured = Report(""), list[Translation]()
    alone = sys.stdin.isatty() or not translator.divides
    number = 0
    for group in groups_of(texts_of(texts, report, strict), batch or (1 if alone else _GROUP)):
        try:
            found = translator.translate(group, beam)
        except InputError as error:
            raise InputError(f"Text {number + 1}: {error}") from None
        number += len(group)
        pictured += [one for one in found if one.tokens][: _PICTURED - len(pictured)]
        for one in found:
            typer.echo(json.dumps(one.to_dict(), ensure_ascii=False) if as_json else one.text)
        sys.stdout.flush()
    if attention is not None and pictured:
        _draw(pictured, attention)
    if report.skipped:
        typer.echo(f"lamina: {str(report).replace('skipped', 'read in part')}", err=True)


@app.command("evaluate")
def evaluate(
    directory: Directory,
    test: Annotated[list[Path], typer.Argument(help="Pairs, as for `train`.")],
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="Small and capital letters count as the same.")
    ] = False,
    beam: Beam = None,
    length_penalty: Annotated[float | None, typer.Option(min=0)] = None,
    tokenize: Annotated[
        str | None, typer.Option(help="sacrebleu's way to part texts into words.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file for the translations.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The scores as one object.")] = False,
    swap: Annotated[
        bool | None,
        typer.Option(help="Whether the first column is the translation; as in training."),
    ] = None,
    strict: Strict = False,
    no_limits: Unbounded = False,
) -> None:
    """Print BLEU and chrF of translations of a test file."""
    with extras("Evaluating a translator"):
        from lamina.translate.evaluation import Judge  # noqa: PLC0415 - needs an optional extra
    translator = bundle.load(directory)
    if length_penalty is not None:
        translator = dataclasses.replace(translator, length_penalty=length_penalty)
    swapped = translator.swapped if swap is None else swap
    limits = None if no_limits else LIMITS
    pairs, report = read_pairs(test, strict=strict, swap=swapped, limits=limits)
    typer.echo(report, err=as_json)
    began = time.perf_counter()
    found = Judge(pairs, lowercase, tokenize)(translator, beam)
    seconds = time.perf_counter() - began
    if out is not None:
        lines = "".join(f"{one.text}\n" for one in found.translations)
        out.write_text(lines, encoding="utf-8")
    if as_json:
        told = {**found._asdict(), "pairs": len(pairs), "seconds": round(seconds, 1)}
        del told["translations"]
        typer.echo(json.dumps(told))
        return
    typer.echo(f"BLEU {found.bleu:.2f}  {found.bleu_signature}")
    typer.echo(f"chrF {found.chrf:.2f}  {found.chrf_signature}")
    typer.echo(f"{len(pairs):,} pairs, beam {beam or translator.beam}, {seconds:.1f} s")


@app.command("serve")
def serve(
    directory: Directory,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Who can reach it: this machine alone, unless you say so.")
    ] = "127.0.0.1",
    characters: Annotated[int, typer.Option(min=1, help="The most of a text.")] = 2000,
    requests: Annotated[int, typer.Option(min=1, help="The most a minute of a client.")] = 60,
    connections: Annotated[int, typer.Option(min=1, help="The most that are open.")] = 256,
    batch: Annotated[int, typer.Option(min=1, help="The most texts translated at once.")] = 16,
    beam: Beam = None,
) -> None:
    """Serve a page to translate on, and look at the alignment."""
    with extras("Serving a translator", "serve"):
        from lamina.translate import serving  # noqa: PLC0415 - needs an optional extra
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop, as Ctrl-C is
    try:
        translator = bundle.load(directory)
        if beam is not None:
            translator = dataclasses.replace(translator, beam=beam)
        limits = serving.Limits(characters, requests, connections, batch=batch)
        with serving.server(translator, host, port, limits, progress=True) as running:
            typer.echo(f"{running.url}  (stop with Ctrl-C)")
            sys.stdout.flush()
            running.serve_forever()
    except KeyboardInterrupt:
        typer.echo("stopped")


def _draw(translations: list[Translation], path: Path) -> None:
    with extras("A picture"):
        from lamina.translate.figures import draw_attention  # noqa: PLC0415 - needs an optional extra
    examples = [(one.source_tokens, one.tokens, one.attention) for one in translations]
    draw_attention(examples, path)
