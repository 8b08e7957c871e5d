"""Training of a translator on sentence pairs, resumable after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import lamina
from lamina.errors import FileFormatError, InputError, explain
from lamina.json_text import read_json
from lamina.plots import draw_attention, plot_history
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.buckets import Batches, shapes_for
from lamina.translate.evaluation import Evaluator, Scores
from lamina.translate.pairs import Pair
from lamina.translate.recipe import Recipe
from lamina.translate.subwords import Subwords
from lamina.translate.training_monitor import BestTranslator, Throughput, TimeLimit
from lamina.translate.translator import Translator

__all__ = ["train"]

_FORMAT = "lamina.training/1"
_SETUP, _CHECKPOINTS, _HISTORY = "training.json", "checkpoints", "history.json"
_FITTING = 0.999  # fraction of the texts that fit the model; longer ones are translated in parts
_SHOWN = 5  # translations printed and plotted at the end
_MAX_PLOTTED_TOKENS = 24  # per text


@dataclass(frozen=True)
class _Setup:
    """A recipe and the vocabularies learned from its training pairs."""

    recipe: Recipe
    source: Subwords
    target: Subwords


def train(
    directory: str | os.PathLike[str],
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    recipe: Recipe,
    *,
    console: Console | None = None,
    resume: bool = False,
) -> Scores:
    """Train a translator, evaluate it after each epoch, and save the best one.

    Args:
        directory: output directory. It receives the translator (``model.safetensors`` and
            ``translator.json``) from the first epoch on, ``checkpoints/``, and at the end
            ``training.png``, ``attention.png`` and ``history.json``.
        pairs: training pairs.
        validation: validation pairs.
        recipe: model size and hyperparameters.
        console: console for messages. Default: standard output.
        resume: continue an interrupted training in the directory, if there is one. Default: False.

    Returns:
        The scores of the best translator on the validation pairs.

    Raises:
        OSError: the directory cannot be written to.
        InputError: there are no training pairs or no validation pairs; or the directory contains
            an earlier training, and ``resume`` is False or its data or recipe differ.
    """
    console = console or Console(highlight=False)
    _check_pairs(pairs, validation)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)  # an invalid path fails before training
    setup = _load_or_start(folder, pairs, recipe, resume)
    batches = _batches(setup, pairs)
    translator = _translator(setup, batches)
    model = recipe.model(len(setup.source), len(setup.target))
    lamina.set_seed(recipe.seed)
    shape = batches.shapes[-1]
    model.build((None, shape.source), (None, shape.target))
    translator.model.build((None, shape.source), (None, shape.target))
    _print_setup(console, pairs, validation, setup, model, batches)
    model.compile(recipe.optimizer(len(batches) * recipe.epochs))
    best = BestTranslator(folder, translator, Evaluator(validation), recipe)
    time_limit = [] if recipe.minutes is None else [TimeLimit(recipe, len(batches))]
    started = time.perf_counter()
    history = model.fit(
        batches,
        epochs=recipe.epochs,
        steps_per_epoch=len(batches),
        callbacks=[batches, Throughput(batches), *time_limit, best],
        checkpoint_dir=folder / _CHECKPOINTS,
        resume=resume,
        keep=2,
    ).history
    console.print(f"trained in {time.perf_counter() - started:.0f} s")
    return _finish(folder, validation, history, console)


def _check_pairs(pairs: Sequence[Pair], validation: Sequence[Pair]) -> None:
    if not pairs or not validation:
        raise InputError(
            explain(
                "There are no pairs to train or to validate on.",
                expected="at least one training pair and one validation pair",
                received=f"{len(pairs):,} training pairs, {len(validation):,} validation pairs",
                remedy="Check the report of skipped lines.",
            )
        )


def _load_or_start(folder: Path, pairs: Sequence[Pair], recipe: Recipe, resume: bool) -> _Setup:
    """The setup stored in the folder, or a new one, which is stored."""
    path = folder / _SETUP
    digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    current = {"format": _FORMAT, "recipe": recipe.to_dict(), "pairs": len(pairs), "sha256": digest}
    if path.exists():
        return _stored(path, current, recipe, resume)
    source_texts, target_texts = zip(*pairs, strict=True)
    if recipe.joint:
        source = target = Subwords.learn(
            [*source_texts, *target_texts], recipe.vocabulary, recipe.tokens
        )
    else:
        source, target = (
            Subwords.learn(texts, recipe.vocabulary, recipe.tokens)
            for texts in (source_texts, target_texts)
        )
    pieces = {"source": json.loads(source.to_json()), "target": json.loads(target.to_json())}
    bundle.replace(path, json.dumps(current | pieces, ensure_ascii=False) + "\n")
    return _Setup(recipe, source, target)


def _stored(path: Path, current: dict[str, Any], recipe: Recipe, resume: bool) -> _Setup:
    try:
        if not path.is_file():  # reading a pipe would block
            raise ValueError("not a regular file")
        stored: dict[str, Any] = read_json(path.read_text("utf-8"), os.fspath(path))
        differs = [name for name in current if stored.get(name) != current[name]]
        pieces = [Subwords.from_json(json.dumps(stored[name])) for name in ("source", "target")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            explain(
                f"{os.fspath(path)!r} is damaged.",
                expected="JSON written by `lamina translate train`",
                received="other contents",
                remedy="Start a new training in another directory.",
            )
        ) from error
    if resume and not differs:
        return _Setup(recipe, *pieces)
    raise InputError(
        explain(
            f"{os.fspath(path.parent)!r} contains an earlier training"
            + (" with other data or another recipe." if resume else "."),
            expected="the same data and options" if resume else "an empty directory, or --resume",
            received=_differences(stored, current) or "the files of an earlier training",
            remedy="Use --resume with the same data and options, or another directory.",
        )
    )


def _differences(stored: dict[str, Any], current: dict[str, Any]) -> str:
    old, new = stored.get("recipe", {}), current["recipe"]
    differences = [
        f"{name} {old.get(name)}, now {new[name]}" for name in new if old.get(name) != new[name]
    ]
    if stored.get("sha256") != current["sha256"]:
        differences.append(
            f"{stored.get('pairs')} pairs, now {current['pairs']} pairs with other contents"
        )
    return "; ".join(differences)


def _batches(setup: _Setup, pairs: Sequence[Pair]) -> Batches:
    source = setup.source.ids([pair.source for pair in pairs])
    target = setup.target.ids([pair.target for pair in pairs])
    delimited = [[Subwords.start, *row, Subwords.end] for row in target]
    recipe = setup.recipe
    shapes = shapes_for([*map(len, source)], [*map(len, delimited)], recipe.batch, recipe.buckets)
    return Batches(source, delimited, shapes, recipe.seed)


def _translator(setup: _Setup, batches: Batches) -> Translator:
    """The translator to evaluate and save; it translates unusually long texts in parts."""
    recipe = setup.recipe
    source, target = batches.sizes(_FITTING)
    model = recipe.model(len(setup.source), len(setup.target))
    return Translator(
        model,
        setup.source,
        setup.target,
        source_length=source,
        target_length=2 * target,
        divides=True,
        beam=recipe.beam,
        length_penalty=recipe.length_penalty,
        swapped=recipe.swap,
    )


def _print_setup(
    console: Console,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    setup: _Setup,
    model: Seq2Seq,
    batches: Batches,
) -> None:
    shapes = ", ".join(f"{s}>{t} x {rows}" for s, t, rows in batches.shapes)
    console.print(
        f"{len(pairs):,} training pairs, {len(validation):,} validation pairs; "
        f"vocabularies of {len(setup.source):,} and {len(setup.target):,} tokens; "
        f"{model.count_params():,} parameters",
        soft_wrap=True,
    )
    console.print(
        f"{len(batches):,} steps per epoch; {batches.tokens / len(batches):,.0f} target tokens "
        f"per step; batch shapes {shapes}",
        soft_wrap=True,
    )


def _finish(
    folder: Path, validation: Sequence[Pair], history: dict[str, list[float]], console: Console
) -> Scores:
    """Evaluate the best translator with its beam, print examples, and draw the plots."""
    translator = bundle.load(folder)
    found = Evaluator(validation)(translator)
    table = Table("source", "translation", "reference", box=None, pad_edge=False)
    for pair, translation in [*zip(validation, found.translations, strict=True)][:_SHOWN]:
        table.add_row(*map(escape, (pair.source, translation.text, pair.target)))
    console.print(table)
    console.print(
        f"[bold]BLEU {found.bleu:.1f}, chrF {found.chrf:.1f}[/] on the validation pairs, "
        f"beam {translator.beam}"
    )
    bundle.replace(folder / _HISTORY, json.dumps(history, indent=1) + "\n")
    curves = ("loss", "val_loss", "val_bleu", "val_chrf")
    best = {"bleu": "max", "chrf": "max"}
    plot_history({name: history[name] for name in curves}, folder / "training.png", best=best)
    plotted = [
        (one.source_tokens, one.tokens, one.attention)
        for one in found.translations
        if one.tokens and max(len(one.tokens), len(one.source_tokens)) <= _MAX_PLOTTED_TOKENS
    ][:_SHOWN]
    if plotted:
        draw_attention(plotted, folder / "attention.png")
    files = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_file()))
    console.print(f"saved in {os.fspath(folder)}: {files}", soft_wrap=True, markup=False)
    console.print(
        f"to use it: lamina translate run {os.fspath(folder)} {json.dumps(validation[0].source)}",
        soft_wrap=True,
        markup=False,
    )
    return found
