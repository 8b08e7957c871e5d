"""The commands ``lamina translate ...``: train, run, evaluate, serve."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.errors import InputError
from lamina.extras import extras
from lamina.translate import bundle, options
from lamina.translate.lines import LIMITS
from lamina.translate.pairs import Report, held_out, read_pairs
from lamina.translate.text_input import groups_of, texts_of
from lamina.translate.translator import Translation

__all__ = ["app"]

app = typer.Typer(help="Train, run, evaluate and serve translation models.", no_args_is_help=True)

_BATCH = 64  # texts, unless a user types them one by one
_PLOTTED = 12  # maximum number of texts in an attention plot
_MAX_VALIDATION, _VALIDATION_SHARE = 1000, 20  # pairs: one in 20, at most 1000


@app.command("train")
def train(
    pairs: Annotated[
        list[Path],
        typer.Argument(
            help="One file of `source<TAB>translation` lines, or a source and a target file."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output directory.")],
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            help="Validation file, in the format of the training file. "
            "Default: part of the training pairs."
        ),
    ] = None,
    held: Annotated[
        int | None,
        typer.Option(
            "--held-out",
            min=1,
            help="Number of training pairs to validate on if there is no --validation. "
            "Default: 5 %, at most 1000.",
        ),
    ] = None,
    preset: options.Preset = "base",
    tokens: options.Tokens = None,
    vocabulary: options.Vocabulary = None,
    joint: options.Joint = None,
    embedding: options.Embedding = None,
    units: options.Units = None,
    layers: options.Layers = None,
    cell: options.Cell = None,
    attention: options.Attention = None,
    dropout: options.Dropout = None,
    label_smoothing: options.LabelSmoothing = None,
    scheduled_sampling: options.ScheduledSampling = None,
    epochs: options.Epochs = None,
    minutes: options.Minutes = None,
    batch: options.Batch = None,
    buckets: options.Buckets = None,
    learning_rate: options.LearningRate = None,
    average: options.Average = None,
    patience: options.Patience = None,
    longest: options.Longest = None,
    beam: options.TrainedBeam = None,
    length_penalty: options.LengthPenalty = None,
    seed: options.Seed = None,
    swap: options.Swap = False,
    strict: options.Strict = False,
    no_limits: options.Unbounded = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted training in the output directory."),
    ] = False,
) -> None:
    """Train a translation model on sentence pairs."""
    given = dict(locals())
    with extras("Training a translation model"):
        from lamina.translate import recipe, training  # noqa: PLC0415 - needs an optional extra
    names = [field.name for field in dataclasses.fields(recipe.Recipe)]
    chosen = recipe.recipe_of(preset, **{name: given[name] for name in names})
    limits = None if no_limits else LIMITS
    read_options: Any = {"strict": strict, "swap": chosen.swap, "limits": limits}
    training_pairs, report = read_pairs(pairs, longest=chosen.longest, **read_options)
    typer.echo(report)
    if validation:
        validation_pairs, report = read_pairs(validation, **read_options)
        typer.echo(report)
    else:
        count = held or max(1, min(_MAX_VALIDATION, len(training_pairs) // _VALIDATION_SHARE))
        training_pairs, validation_pairs = held_out(training_pairs, count, chosen.seed)
    try:
        training.train(out, training_pairs, validation_pairs, chosen, resume=resume)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command with --resume to continue", err=True)
        raise typer.Exit(130) from None


@app.command("run")
def run(
    directory: Annotated[
        Path, typer.Argument(help="Model directory written by `train` or `lamina demo`.")
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts to translate. Default: lines of standard input."),
    ] = None,
    beam: options.Beam = None,
    attention: Annotated[
        Path | None,
        typer.Option(
            help="Write an attention plot of the first 12 texts to this PNG, SVG or PDF file."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per text, with scores and alignment."),
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Texts per batch. Default: 1 in a terminal, otherwise 64."),
    ] = None,
    strict: options.Strict = False,
) -> None:
    """Translate texts and print one translation per line."""
    translator = bundle.load(directory)
    report, plotted = Report(""), list[Translation]()
    one_by_one = sys.stdin.isatty() or not translator.divides
    number = 0
    for group in groups_of(texts_of(texts, report, strict), batch or (1 if one_by_one else _BATCH)):
        try:
            found = translator.translate(group, beam)
        except InputError as error:
            raise InputError(f"Text {number + 1}: {error}") from None
        number += len(group)
        plotted += [one for one in found if one.tokens][: _PLOTTED - len(plotted)]
        for one in found:
            typer.echo(json.dumps(one.to_dict(), ensure_ascii=False) if as_json else one.text)
        sys.stdout.flush()
    if attention is not None and plotted:
        _draw(plotted, attention)
    if report.skipped:
        typer.echo(f"lamina: {str(report).replace('skipped', 'changed')}", err=True)


@app.command("evaluate")
def evaluate(
    directory: options.Directory,
    test: Annotated[list[Path], typer.Argument(help="Test file, in the format of `train`.")],
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="Compute BLEU and chrF case-insensitively.")
    ] = False,
    beam: options.Beam = None,
    length_penalty: options.LengthPenalty = None,
    tokenize: Annotated[
        str | None,
        typer.Option(help="Tokenizer of sacrebleu, such as 13a, zh or char. Default: by script."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the translations to this file, one per line.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as a JSON object.")
    ] = False,
    swap: Annotated[
        bool | None,
        typer.Option(help="Use the first column as the translation. Default: as in training."),
    ] = None,
    strict: options.Strict = False,
    no_limits: options.Unbounded = False,
) -> None:
    """Translate a test file and print BLEU and chrF."""
    with extras("Evaluating a translation model"):
        from lamina.translate.evaluation import Evaluator  # noqa: PLC0415 - needs an optional extra
    translator = bundle.load(directory)
    if length_penalty is not None:
        translator = dataclasses.replace(translator, length_penalty=length_penalty)
    swapped = translator.swapped if swap is None else swap
    limits = None if no_limits else LIMITS
    pairs, report = read_pairs(test, strict=strict, swap=swapped, limits=limits)
    typer.echo(report, err=as_json)
    began = time.perf_counter()
    found = Evaluator(pairs, lowercase, tokenize)(translator, beam)
    seconds = time.perf_counter() - began
    if out is not None:
        lines = "".join(f"{one.text}\n" for one in found.translations)
        out.write_text(lines, encoding="utf-8")
    if as_json:
        scores = {**found._asdict(), "pairs": len(pairs), "seconds": round(seconds, 1)}
        del scores["translations"]
        typer.echo(json.dumps(scores))
        return
    typer.echo(f"BLEU {found.bleu:.2f}  {found.bleu_signature}")
    typer.echo(f"chrF {found.chrf:.2f}  {found.chrf_signature}")
    typer.echo(f"{len(pairs):,} pairs, beam {beam or translator.beam}, {seconds:.1f} s")


@app.command("serve")
def serve(
    directory: options.Directory,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port; 0 selects a free one.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(help="Address to bind to. The default is reachable from this machine only."),
    ] = "127.0.0.1",
    characters: Annotated[
        int, typer.Option(min=1, help="Maximum number of characters per text.")
    ] = 2000,
    requests: Annotated[
        int, typer.Option(min=1, help="Maximum number of requests per client and minute.")
    ] = 60,
    connections: Annotated[
        int, typer.Option(min=1, help="Maximum number of open connections.")
    ] = 256,
    batch: Annotated[int, typer.Option(min=1, help="Maximum number of texts per batch.")] = 16,
    beam: options.Beam = None,
) -> None:
    """Serve a translation web page that shows the alignment."""
    with extras("Serving a translation model", "serve"):
        from lamina.translate import serving  # noqa: PLC0415 - needs an optional extra
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handled like Ctrl-C
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
    with extras("An attention plot"):
        from lamina.plots import draw_attention  # noqa: PLC0415 - needs an optional extra
    examples = [(one.source_tokens, one.tokens, one.attention) for one in translations]
    draw_attention(examples, path)
