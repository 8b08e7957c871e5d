"""Training a translator on pairs of texts, so that it can be stopped at any moment and go on."""

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
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.buckets import Batches, shapes_for
from lamina.translate.evaluation import Judge, Verdict
from lamina.translate.figures import draw_attention, draw_training
from lamina.translate.pairs import Pair
from lamina.translate.recipe import Recipe
from lamina.translate.subwords import Subwords
from lamina.translate.training_monitor import Clock, Keeper, Pace
from lamina.translate.translator import Translator

__all__ = ["train"]

_FORMAT = "lamina.training/1"
_BEGUN, _CHECKPOINTS, _HISTORY = "training.json", "checkpoints", "history.json"
_USUAL = 0.999  # of the texts; a longer one is translated in parts
_SHOWN = 5  # translations shown at the end, and pictured
_PICTURED_TOKENS = 24  # the most that a pictured text has


@dataclass(frozen=True)
class _Course:
    """A training that was begun: what it learns from, and in which pieces."""

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
) -> Verdict:
    """Train a translator, judge it after each epoch, and keep the best in a directory.

    Args:
        directory: for ``model.safetensors`` and ``translator.json``, from the first epoch on; for
            ``training.png``, ``attention.png`` and ``history.json``; for ``checkpoints/``.
        pairs: what it learns from.
        validation: what it is judged by.
        recipe: what is trained.
        console: where to tell of it; standard output if None.
        resume: go on where an earlier training in the directory stopped, if there is one.

    Returns:
        The verdict on the best translator, by the validation pairs.

    Raises:
        OSError: the directory cannot be written.
        InputError: there is nothing to learn from, or an earlier training in the directory, of
            which resume was not said or which was of other data or of another recipe.
    """
    console = console or Console(highlight=False)
    _some(pairs, validation)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)  # a bad path fails before the training
    course = _begun(folder, pairs, recipe, resume)
    batches = _batches(course, pairs)
    translator = _translator(course, batches)
    model = recipe.model(len(course.source), len(course.target))
    lamina.set_seed(recipe.seed)
    shape = batches.shapes[-1]
    model.build((None, shape.source), (None, shape.target))
    translator.model.build((None, shape.source), (None, shape.target))
    _tell(console, pairs, validation, course, model, batches)
    model.compile(recipe.optimizer(len(batches) * recipe.epochs))
    keeper = Keeper(folder, translator, Judge(validation), recipe)
    clocks = [] if recipe.minutes is None else [Clock(recipe, len(batches))]
    began = time.perf_counter()
    history = model.fit(
        batches,
        epochs=recipe.epochs,
        steps_per_epoch=len(batches),
        callbacks=[batches, Pace(batches), *clocks, keeper],
        checkpoint_dir=folder / _CHECKPOINTS,
        resume=resume,
        keep=2,
    ).history
    console.print(f"trained in {time.perf_counter() - began:.0f} s")
    return _finish(folder, validation, history, console)


def _some(pairs: Sequence[Pair], validation: Sequence[Pair]) -> None:
    if not pairs or not validation:
        raise InputError(
            explain(
                "There is nothing to learn from, or nothing to be judged by.",
                expected="at least one pair of each",
                received=f"{len(pairs):,} pairs to train on, {len(validation):,} to validate",
                remedy="Look at which lines were skipped, and why.",
            )
        )


def _begun(folder: Path, pairs: Sequence[Pair], recipe: Recipe, resume: bool) -> _Course:
    """The training of the folder: the one begun before, or a new one."""
    path = folder / _BEGUN
    digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    wanted = {"format": _FORMAT, "recipe": recipe.to_dict(), "pairs": len(pairs), "sha256": digest}
    if path.exists():
        return _earlier(path, wanted, recipe, resume)
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
    bundle.replace(path, json.dumps(wanted | pieces, ensure_ascii=False) + "\n")
    return _Course(recipe, source, target)


def _earlier(path: Path, wanted: dict[str, Any], recipe: Recipe, resume: bool) -> _Course:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("no regular file")
        held: dict[str, Any] = read_json(path.read_text("utf-8"), os.fspath(path))
        differs = [name for name in wanted if held.get(name) != wanted[name]]
        pieces = [Subwords.from_json(json.dumps(held[name])) for name in ("source", "target")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            explain(
                f"{os.fspath(path)!r} is damaged.",
                expected="JSON of a training that was begun",
                received="other text",
                remedy="Begin anew in another directory.",
            )
        ) from error
    if resume and not differs:
        return _Course(recipe, *pieces)
    raise InputError(
        explain(
            f"{os.fspath(path.parent)!r} holds an earlier training"
            + (" of other data or of another recipe." if resume else "."),
            expected="the same data and options" if resume else "an empty directory, or --resume",
            received=_differences(held, wanted) or "a training that was begun",
            remedy="Give --resume and all as it was, or another directory.",
        )
    )


def _differences(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    old, new = held.get("recipe", {}), wanted["recipe"]
    told = [
        f"{name} {old.get(name)}, now {new[name]}" for name in new if old.get(name) != new[name]
    ]
    if held.get("sha256") != wanted["sha256"]:
        told.append(f"{held.get('pairs')} pairs, now {wanted['pairs']}, not all the same")
    return "; ".join(told)


def _batches(course: _Course, pairs: Sequence[Pair]) -> Batches:
    source = course.source.ids([pair.source for pair in pairs])
    target = course.target.ids([pair.target for pair in pairs])
    marked = [[Subwords.start, *row, Subwords.end] for row in target]
    recipe = course.recipe
    shapes = shapes_for([*map(len, source)], [*map(len, marked)], recipe.batch, recipe.buckets)
    return Batches(source, marked, shapes, recipe.seed)


def _translator(course: _Course, batches: Batches) -> Translator:
    """What is judged and kept; texts that are longer than nearly all it learnt from are divided."""
    recipe = course.recipe
    source, target = batches.sizes(_USUAL)
    model = recipe.model(len(course.source), len(course.target))
    return Translator(
        model,
        course.source,
        course.target,
        source_length=source,
        target_length=2 * target,
        divides=True,
        beam=recipe.beam,
        length_penalty=recipe.length_penalty,
        swapped=recipe.swap,
    )


def _tell(
    console: Console,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    course: _Course,
    model: Seq2Seq,
    batches: Batches,
) -> None:
    shapes = ", ".join(f"{s}>{t} x {rows}" for s, t, rows in batches.shapes)
    console.print(
        f"{len(pairs):,} pairs to train on, {len(validation):,} to validate; "
        f"{len(course.source):,} and {len(course.target):,} tokens; "
        f"{model.count_params():,} parameters",
        soft_wrap=True,
    )
    console.print(
        f"{len(batches):,} steps an epoch, of {batches.tokens / len(batches):,.0f} target tokens; "
        f"buckets {shapes}",
        soft_wrap=True,
    )


def _finish(
    folder: Path, validation: Sequence[Pair], history: dict[str, list[float]], console: Console
) -> Verdict:
    """Judge the best translator with its beam, show it, and draw the pictures."""
    translator = bundle.load(folder)
    found = Judge(validation)(translator)
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
    draw_training({name: history[name] for name in curves}, folder / "training.png")
    pictured = [
        (one.source_tokens, one.tokens, one.attention)
        for one in found.translations
        if one.tokens and max(len(one.tokens), len(one.source_tokens)) <= _PICTURED_TOKENS
    ][:_SHOWN]
    if pictured:
        draw_attention(pictured, folder / "attention.png")
    there = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_file()))
    console.print(f"saved in {os.fspath(folder)}: {there}", soft_wrap=True)
    console.print(
        f"try: lamina translate run {os.fspath(folder)} {json.dumps(validation[0].source)}",
        soft_wrap=True,
        markup=False,
    )
    return found
