"""What a translator is made of and how it is trained, by name of preset or of option."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import jax.numpy as jnp
import optax

from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.seq2seq import Seq2Seq

__all__ = ["PRESETS", "Recipe", "recipe_of"]

_RISE = 1 / 20  # the share of the training in which the learning rate rises
_B2 = 0.99  # of Adam


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how long. The defaults are those of the preset `base`.

    Args:
        tokens: ``"bpe"``, ``"characters"`` or ``"words"``.
        vocabulary: the most tokens of each language.
        joint: whether both languages share one vocabulary.
        embedding: the size of a token's vector.
        units: the size of the states, in each direction of the encoder.
        layers: of the encoder.
        cell: of encoder and decoder, ``"gru"`` or ``"lstm"``.
        attention: ``"additive"`` or ``"dot"``.
        dropout: of embeddings, of the encoder's values, and of what the output sees.
        label_smoothing: the share of each label that is spread over all tokens.
        scheduled_sampling: the share of tokens replaced by the model's own guess; slow.
        epochs: how often the pairs are seen, at most.
        minutes: the most that training takes, the last judging apart; None is no limit. Where the
            epochs would take longer, the learning rate follows the clock in place of the steps,
            and the same data and seed need not give the same weights.
        batch: pairs a step, on the mean; fewer of long texts, more of short ones.
        buckets: the most sizes that batches have; each is compiled by itself.
        learning_rate: the highest; it rises to it in the first twentieth of the steps, and falls
            along a cosine in the rest.
        average: how many epochs' last weights the model is the mean of.
        patience: how many epochs without a better BLEU are borne.
        longest: the most words a text may have to be learnt from.
        swap: whether the first column of the pairs is the translation.
        beam: how many translations are followed at once.
        length_penalty: of the beam search.
        seed: of weights, order and dropout.
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
        """A model for so many tokens of each language."""
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
        """The learning rate when a share of the training is done, from 0 to 1."""
        falls = (done - _RISE) / (1 - _RISE)
        rising = 0.05 + 0.95 * done / _RISE
        falling = 0.01 + 0.99 * (1 + jnp.cos(jnp.pi * falls)) / 2
        return self.learning_rate * jnp.where(done < _RISE, rising, falling)

    def optimizer(self, steps: int) -> optax.GradientTransformation:
        """Adam for so many steps, its gradients held to a norm of 1; with a limit of time, a clock
        sets its learning rate."""
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
"""Recipes by name: to try whether all is well; for some ten thousand pairs; for hundreds of
thousands."""

_SIZES = "embedding", "units", "layers", "batch", "buckets", "longest", "beam"
_TIMES = "epochs", "average", "patience"
_LEAST = {"vocabulary": 8, "minutes": 1 / 60, **dict.fromkeys(_SIZES + _TIMES, 1)}
_SHARES = ("dropout", "label_smoothing", "scheduled_sampling")


def recipe_of(preset: str, **options: Any) -> Recipe:
    """The recipe of a preset, with options of its own; those that are None are the preset's.

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
                    f"Out of range for a recipe: {name.replace('_', ' ')}.",
                    expected=f"a number from {low:.2g} {'up' if high is None else 'to 1'}",
                    received=f"{name}={value}",
                    remedy="Correct it, or leave it to the preset.",
                )
            )
    return replace(PRESETS[preset], **given)
