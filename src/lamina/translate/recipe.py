"""Recipes: model size and training hyperparameters of a translator, with presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import jax.numpy as jnp
import optax

from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.seq2seq import Seq2Seq

__all__ = ["PRESETS", "Recipe", "recipe_of"]

_WARMUP = 1 / 20  # fraction of the training in which the learning rate increases
_B2 = 0.99  # decay rate of Adam's second moment


@dataclass(frozen=True)
class Recipe:
    """Model size and training hyperparameters. The defaults are the preset `base`.

    Args:
        tokens: ``"bpe"``, ``"characters"`` or ``"words"``.
        vocabulary: maximum vocabulary size per language, at least 8.
        joint: whether both languages share one vocabulary.
        embedding: size of the token embeddings.
        units: number of recurrent units, per direction of the encoder.
        layers: number of encoder layers.
        cell: recurrent cell of encoder and decoder, ``"gru"`` or ``"lstm"``.
        attention: score function, ``"additive"`` or ``"dot"``.
        dropout: dropout rate of the embeddings, the encoder outputs and the inputs of the output
            layer, in [0, 1].
        label_smoothing: probability spread over all tokens, in [0, 1].
        scheduled_sampling: fraction of target inputs replaced by the model's predictions, in
            [0, 1]. Slow.
        epochs: maximum number of epochs.
        minutes: maximum training time in minutes, without the final evaluation; None for no limit.
            If the limit is reached before the last epoch, the learning rate follows the time, and
            equal data and seeds may give different weights.
        batch: average number of pairs per batch. Batches of long texts have fewer pairs.
        buckets: maximum number of batch shapes. Each shape is compiled once.
        learning_rate: peak learning rate. It increases linearly in the first 5 % of the training
            and then follows a cosine decay.
        average: number of epochs whose final weights are averaged.
        patience: number of epochs without a better BLEU after which training stops.
        longest: maximum number of words in a training text.
        swap: whether the first column of the pairs is the translation.
        beam: default beam width of the trained model.
        length_penalty: length normalization exponent of the beam search, non-negative.
        seed: random seed of weights, batch order and dropout.
    """

    tokens: Literal["bpe", "characters", "words"] = "bpe"
    vocabulary: int = 4000
    joint: bool = False
    embedding: int = 256
    units: int = 256
    layers: int = 1
    cell: Literal["gru", "lstm"] = "gru"
    attention: Literal["additive", "dot"] = "additive"
    dropout: float = 0.35
    label_smoothing: float = 0.1
    scheduled_sampling: float = 0.0
    epochs: int = 18
    minutes: float | None = None
    batch: int = 64
    buckets: int = 8
    learning_rate: float = 2e-3
    average: int = 3
    patience: int = 5
    longest: int = 80
    swap: bool = False
    beam: int = 5
    length_penalty: float = 1.0
    seed: int = 0

    def model(self, source: int, target: int) -> Seq2Seq:
        """An unbuilt model.

        Args:
            source: size of the source vocabulary.
            target: size of the target vocabulary.
        """
        return Seq2Seq(
            source,
            target,
            embedding=self.embedding,
            units=self.units,
            num_layers=self.layers,
            cell=self.cell,
            attention=self.attention,
            dropout=self.dropout,
            deep_output=True,
            tied=True,
            label_smoothing=self.label_smoothing,
            scheduled_sampling=self.scheduled_sampling,
            name="translator",
        )

    def rate(self, done: Any) -> Any:
        """The learning rate after the fraction ``done`` of the training, in [0, 1]."""
        decayed = (done - _WARMUP) / (1 - _WARMUP)
        warmup = 0.05 + 0.95 * done / _WARMUP
        decay = 0.01 + 0.99 * (1 + jnp.cos(jnp.pi * decayed)) / 2
        return self.learning_rate * jnp.where(done < _WARMUP, warmup, decay)

    def optimizer(self, steps: int) -> optax.GradientTransformation:
        """Adam with gradients clipped to a global norm of 1.

        Args:
            steps: number of training steps, for the learning rate schedule. With a time limit, the
                learning rate is set during training instead.
        """
        if self.minutes is None:
            adam = optax.adam(lambda count: self.rate(count / steps), b2=_B2)
        else:
            settable = optax.inject_hyperparams(optax.adam, static_args="b2")
            adam = settable(learning_rate=float(self.rate(0)), b2=_B2)
        return optax.chain(optax.clip_by_global_norm(1.0), adam)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PRESETS = {
    "small": Recipe(
        vocabulary=3000,
        embedding=96,
        units=128,
        dropout=0.2,
        epochs=8,
        buckets=4,
        learning_rate=4e-3,
        average=1,
    ),
    "base": Recipe(),
    "large": Recipe(
        vocabulary=8000,
        embedding=384,
        units=512,
        layers=2,
        epochs=24,
        learning_rate=1e-3,
    ),
}
"""Recipes by name: ``small`` for a quick test, ``base`` for tens of thousands of pairs, ``large``
for hundreds of thousands."""

_SIZES = "embedding", "units", "layers", "batch", "buckets", "longest", "beam"
_TIMES = "epochs", "average", "patience"
_LEAST = {"vocabulary": 8, "minutes": 1 / 60, **dict.fromkeys(_SIZES + _TIMES, 1)}
_SHARES = ("dropout", "label_smoothing", "scheduled_sampling")


def recipe_of(preset: str, **options: Any) -> Recipe:
    """A preset with some options replaced.

    Args:
        preset: ``"small"``, ``"base"`` or ``"large"``.
        options: fields of :class:`Recipe`. Options that are None keep the preset's value.

    Raises:
        UnknownNameError: there is no preset or option of that name.
        InputError: an option is out of range.

    >>> recipe_of("small", epochs=3, units=None).epochs
    3
    """
    if preset not in PRESETS:
        raise UnknownNameError(
            explain(f"There is no preset {preset!r}.", remedy=nearest(preset, PRESETS))
        )
    given = {name: value for name, value in options.items() if value is not None}
    known = [field.name for field in fields(Recipe)]
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError(
                explain(f"There is no option {name!r}.", remedy=nearest(name, known))
            )
        low, high = _LEAST.get(name, 0), 1.0 if name in _SHARES else None
        if isinstance(value, int | float) and (value < low or (high is not None and value > high)):
            raise InputError(
                explain(
                    f"The option {name!r} of a recipe is out of range.",
                    expected=f"a number >= {low:.2g}" if high is None else "a number in [0, 1]",
                    received=f"{name}={value}",
                    remedy="Correct the value, or omit it to use the preset.",
                )
            )
    return replace(PRESETS[preset], **given)
