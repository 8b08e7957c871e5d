"""The demo: a model that translates written dates in many languages into ISO 8601.

It generates its data, trains a model for one or two minutes on two cores, evaluates it on held-out
days and saves everything to one directory.
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
from lamina.plots import draw_attention, plot_history
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.dates import LOCALES, DatePair, make_pairs
from lamina.translate.translator import Translation, Translator
from lamina.translate.vocabulary import Vocabulary

__all__ = ["Recipe", "run", "train"]

Ids = NDArray[np.int32]

_MAX_DATE = 40  # characters; the longest date of all locales has 38
_ISO = len("2024-01-09") + 1  # with the end token
_HELD_OUT = 1000
_FILES = ("model.safetensors", "translator.json", "training.png", "attention.png")
_EXAMPLE = "2024年1月9日星期二"
_PLOTTED_LOCALES = ("en_GB", "zh_CN", "ja_JP", "ko_KR", "ru_RU", "ar_EG", "es_ES", "de_DE")


@dataclass(frozen=True)
class Recipe:
    """Data, model size and hyperparameters of the demo.

    Equal recipes give equal models on the same machine.

    Args:
        seed: random seed of the dates, the weights and the batch order.
        pairs: number of training pairs; an incomplete last batch is dropped.
        epochs: number of epochs.
        units: number of recurrent units.
        embedding: size of the character embeddings.
        batch_size: pairs per batch.
        learning_rate: peak learning rate. It increases linearly in the first 10 % of the steps and
            then follows a cosine decay.
        locales: locales of the dates.
        years: first and last year. With few centuries, the model would not learn other years.
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

    def sample(self, count: int, split: Literal["train", "held_out"], salt: int) -> list[DatePair]:
        """Sample dates; each ``salt`` gives a different sample."""
        seed = 3 * self.seed + salt
        return make_pairs(count, seed=seed, years=self.years, split=split, locales=self.locales)

    def optimizer(self) -> optax.GradientTransformation:
        """Adam with a learning rate schedule and gradients clipped to a global norm of 1."""
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
    """Train a date translator, evaluate it, and save it with plots.

    Args:
        directory: output directory for ``model.safetensors``, ``translator.json``,
            ``training.png`` and ``attention.png``.
        recipe: data and hyperparameters. Default: ``Recipe()``.
        console: console for messages. Default: standard output.

    Returns:
        The fraction of 1,000 held-out dates that are translated without error.

    Raises:
        OSError: the directory cannot be written to.
        InputError: the recipe has no training data.
        UnknownNameError: a locale is unknown.
    """
    recipe, console = recipe or Recipe(), console or Console(highlight=False)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)  # an invalid path fails before training
    translator, history = train(recipe, console)
    held_out = recipe.sample(_HELD_OUT, "held_out", 1)
    translations = translator.translate([pair.text for pair in held_out])
    correct = [found.text == pair.iso for found, pair in zip(translations, held_out, strict=True)]
    accuracy = sum(correct) / len(correct)
    _show(console, held_out, translations)
    console.print(f"[bold]exact match: {accuracy:.1%}[/] of {len(correct):,} held-out dates")
    bundle.save(translator, folder)
    plot_history(history, folder / "training.png")
    plotted = _to_plot(held_out, translations)
    if plotted:  # an untrained model may generate empty texts
        draw_attention(plotted, folder / "attention.png")
    files = ", ".join(name for name in _FILES if (folder / name).exists())
    console.print(f"saved in {os.fspath(folder)}: {files}", soft_wrap=True, markup=False)
    console.print(
        f'to use it: lamina translate run {os.fspath(folder)} "{_EXAMPLE}"',
        soft_wrap=True,
        markup=False,
    )
    return accuracy


def train(recipe: Recipe, console: Console) -> tuple[Translator, dict[str, list[float]]]:
    """Train a translator; return it and its metrics, one value per epoch."""
    batch = min(recipe.batch_size, recipe.pairs)
    count = recipe.pairs // batch * batch
    pairs = recipe.sample(count, "train", 0)
    source = Vocabulary.from_texts([pair.text for pair in pairs])
    target = Vocabulary.from_texts(["0123456789-"])
    lamina.set_seed(recipe.seed)
    model = Seq2Seq(
        len(source), len(target), embedding=recipe.embedding, units=recipe.units, name="dates"
    )
    translator = Translator(model, source, target, _MAX_DATE, _ISO)
    console.print(
        f"{count:,} dates from {recipe.years[0]} to {recipe.years[1]}, "
        f"{len(recipe.locales)} locales, {len(source)} characters, "
        f"for example {', '.join(repr(pair.text) for pair in pairs[:3])}",
        soft_wrap=True,
        markup=False,
    )
    console.print(str(model.plan((None, _MAX_DATE), (None, _ISO))), soft_wrap=True, markup=False)
    model.compile(recipe.optimizer())
    validation = recipe.sample(16 * batch, "held_out", 2)
    started = time.perf_counter()
    history = model.fit(
        *_arrays(translator, pairs),
        batch_size=batch,
        epochs=recipe.epochs,
        validation_data=_arrays(translator, validation),
    )
    console.print(f"trained in {time.perf_counter() - started:.0f} s")
    return translator, history.history


def _arrays(translator: Translator, pairs: Sequence[DatePair]) -> tuple[Ids, Ids]:
    target = translator.target.encode([pair.iso for pair in pairs], start=True, end=True)
    return translator.read([pair.text for pair in pairs]), target


def _show(console: Console, pairs: Sequence[DatePair], translations: Sequence[Translation]) -> None:
    """Print the first held-out date and the accuracy of each locale."""
    table = Table(
        "locale", "exact match", "held-out date", "translation", "", box=None, pad_edge=False
    )
    for locale in dict.fromkeys(sorted(pair.locale for pair in pairs)):
        results = [
            both for both in zip(pairs, translations, strict=True) if both[0].locale == locale
        ]
        accuracy = sum(found.text == pair.iso for pair, found in results) / len(results)
        pair, found = results[0]
        mark = "" if found.text == pair.iso else f"[red]expected {pair.iso}[/]"
        table.add_row(locale, f"{accuracy:.1%}", escape(pair.text), found.text, mark)
    console.print(table)


def _to_plot(
    pairs: Sequence[DatePair], translations: Sequence[Translation]
) -> list[tuple[str, str, NDArray[np.float32]]]:
    """The first date of several locales with different scripts, with its attention."""
    first: dict[str, Translation] = {}
    for pair, found in zip(pairs, translations, strict=True):
        if found.text:
            first.setdefault(pair.locale, found)
    chosen = [locale for locale in _PLOTTED_LOCALES if locale in first] or list(first)
    return [(first[name].source, first[name].text, first[name].attention) for name in chosen]
