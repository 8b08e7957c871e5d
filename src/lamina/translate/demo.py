"""The date translator: dates as people write them, in many languages, to ISO dates.

It makes its own data, trains a model in a minute or two on two cores, shows what it has learnt on
days it has not seen, and leaves everything in one directory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import optax
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import lamina
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.dates import LOCALES, DatePair, make_pairs
from lamina.translate.figures import draw_attention, draw_training
from lamina.translate.translator import Translation, Translator
from lamina.translate.vocabulary import Vocabulary

__all__ = ["Recipe", "run", "train"]

Ids = NDArray[np.int32]

_LONGEST_DATE = 40  # characters; the longest form of all locales has 38
_ISO = len("2024-01-09") + 1  # with the end mark
_HELD_OUT = 1000
_FILES = ("model.safetensors", "translator.json", "training.png", "attention.png")
_EXAMPLE = "2024年1月9日星期二"
_PICTURED = ("en_GB", "zh_CN", "ja_JP", "ko_KR", "ru_RU", "ar_EG", "es_ES", "de_DE")


@dataclass(frozen=True)
class Recipe:
    """What the demo trains, on what, and how long.

    Equal recipes give equal models on the same machine.

    Args:
        seed: of the dates, of the weights, and of the order of training.
        pairs: how many dates to train on; a rest that fills no batch is left out.
        epochs: how often to go through them.
        units: the size of the states.
        embedding: the size of a character's vector.
        batch_size: dates a step.
        learning_rate: the highest; it rises to it in the first tenth of the steps, and falls
            along a cosine in the rest.
        locales: the ways of writing to learn.
        years: the first and the last; of too few centuries it would learn just those.
    """

    seed: int = 0
    pairs: int = 20_480
    epochs: int = 5
    units: int = 64
    embedding: int = 32
    batch_size: int = 64
    learning_rate: float = 4e-3
    locales: Sequence[str] = LOCALES
    years: tuple[int, int] = (1000, 2999)

    def draw(self, count: int, split: Literal["train", "held_out"], salt: int) -> list[DatePair]:
        """Dates of the recipe; each `salt` gives others."""
        seed = 3 * self.seed + salt
        return make_pairs(count, seed=seed, years=self.years, split=split, locales=self.locales)

    def optimizer(self) -> optax.GradientTransformation:
        """Adam under a schedule, its gradients held to a norm of 1."""
        steps = max(1, self.pairs // self.batch_size) * self.epochs
        rate = optax.warmup_cosine_decay_schedule(
            self.learning_rate / 20,
            self.learning_rate,
            max(1, steps // 10),
            max(2, steps),
            self.learning_rate / 100,
        )
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.99))


def run(
    directory: str | os.PathLike[str], recipe: Recipe | None = None, console: Console | None = None
) -> float:
    """Train a date translator, show it, and save it with its pictures.

    Args:
        directory: for ``model.safetensors``, ``translator.json``, ``training.png`` and
            ``attention.png``.
        recipe: what to train.
        console: where to tell of it; standard output if None.

    Returns:
        The share of 1,000 held-out dates that came out right to the last character.

    Raises:
        OSError: the directory cannot be written.
        InputError: the recipe leaves nothing to train on.
        UnknownNameError: one of its locales is unknown.
    """
    recipe, console = recipe or Recipe(), console or Console(highlight=False)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)  # a bad path fails before the training
    translator, history = train(recipe, console)
    held_out = recipe.draw(_HELD_OUT, "held_out", 1)
    translations = translator.translate([pair.text for pair in held_out])
    right = [now.text == pair.iso for now, pair in zip(translations, held_out, strict=True)]
    share = sum(right) / len(right)
    _show(console, held_out, translations)
    console.print(f"[bold]exact match: {share:.1%}[/] of {len(right):,} held-out dates")
    bundle.save(translator, folder)
    draw_training(history, folder / "training.png")
    pictured = _pictured(held_out, translations)
    if pictured:  # a model that has hardly learnt may write nothing at all
        draw_attention(pictured, folder / "attention.png")
    there = ", ".join(name for name in _FILES if (folder / name).exists())
    console.print(f"saved in {os.fspath(folder)}: {there}", soft_wrap=True)
    console.print(f'try: lamina translate run {os.fspath(folder)} "{_EXAMPLE}"', soft_wrap=True)
    return share


def train(recipe: Recipe, console: Console) -> tuple[Translator, dict[str, list[float]]]:
    """A translator trained by a recipe, and its measures by name, a value for each epoch."""
    batch = min(recipe.batch_size, recipe.pairs)
    count = recipe.pairs // batch * batch
    pairs = recipe.draw(count, "train", 0)
    source = Vocabulary.from_texts([pair.text for pair in pairs])
    target = Vocabulary.from_texts(["0123456789-"])
    lamina.set_seed(recipe.seed)
    model = Seq2Seq(
        len(source), len(target), embedding=recipe.embedding, units=recipe.units, name="dates"
    )
    translator = Translator(model, source, target, _LONGEST_DATE, _ISO)
    console.print(
        f"{count:,} dates of the years {recipe.years[0]} to {recipe.years[1]}, "
        f"{len(recipe.locales)} locales, {len(source)} characters, "
        f"such as {', '.join(repr(pair.text) for pair in pairs[:3])}",
        soft_wrap=True,
    )
    console.print(str(model.plan((None, _LONGEST_DATE), (None, _ISO))), soft_wrap=True)
    model.compile(recipe.optimizer())
    validation = recipe.draw(16 * batch, "held_out", 2)
    began = time.perf_counter()
    history = model.fit(
        *_arrays(translator, pairs),
        batch_size=batch,
        epochs=recipe.epochs,
        validation_data=_arrays(translator, validation),
    )
    console.print(f"trained in {time.perf_counter() - began:.0f} s")
    return translator, history.history


def _arrays(translator: Translator, pairs: Sequence[DatePair]) -> tuple[Ids, Ids]:
    target = translator.target.encode([pair.iso for pair in pairs], start=True, end=True)
    return translator.read([pair.text for pair in pairs]), target


def _show(console: Console, pairs: Sequence[DatePair], translations: Sequence[Translation]) -> None:
    """The first held-out date of each locale, and the share of each that came out right."""
    table = Table("locale", "exact", "a held-out date", "became", "", box=None, pad_edge=False)
    for locale in dict.fromkeys(sorted(pair.locale for pair in pairs)):
        of_it = [both for both in zip(pairs, translations, strict=True) if both[0].locale == locale]
        share = sum(now.text == pair.iso for pair, now in of_it) / len(of_it)
        pair, now = of_it[0]
        mark = "" if now.text == pair.iso else f"[red]not {pair.iso}[/]"
        table.add_row(locale, f"{share:.1%}", escape(pair.text), now.text, mark)
    console.print(table)


def _pictured(
    pairs: Sequence[DatePair], translations: Sequence[Translation]
) -> list[tuple[str, str, NDArray[np.float32]]]:
    """The first date of each of several locales, several scripts among them, with attention."""
    first: dict[str, Translation] = {}
    for pair, now in zip(pairs, translations, strict=True):
        if now.text:
            first.setdefault(pair.locale, now)
    chosen = [locale for locale in _PICTURED if locale in first] or list(first)
    return [(first[name].source, first[name].text, first[name].attention) for name in chosen]
