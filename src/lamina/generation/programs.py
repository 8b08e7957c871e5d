"""The compiled programs of a model's generation."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina.core.calling.root_call import Root
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import stored_together
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.generation import beams, loop
from lamina.generation.options import Numbers, Options
from lamina.generation.stepping import Incremental, Recomputing, Stepper, logits_of
from lamina.generation.trial import LONGEST, differs_from_prefix, why_not_incremental

__all__ = ["Compiled", "Programs", "programs_of"]


class Compiled(NamedTuple):
    """The programs for one combination of options.

    Attributes:
        begin: ``(values, tokens, padding, room=, total=) -> carry``.
        advance: ``(values, carry, width, until, key, numbers) -> carry``.
        finish: ``carry -> (tokens, lengths)`` of a beam search.
    """

    begin: Callable[..., Any]
    advance: Callable[..., Any]
    finish: Callable[[Any], Any]


class Programs:
    """The programs of a model, as long as its layers do not change.

    Args:
        model: the model, which is built.
        largest_id: a valid token id; smaller ones are valid too.
        length: the length of the sequences of the trial.

    Attributes:
        incremental: whether the model is called incrementally.
    """

    def __init__(self, model: Tracked, largest_id: int, length: int) -> None:
        self._model = model
        self._length = length
        self._tree = walk(model)  # keeps the objects, so that their ids stay valid
        self._contents = _contents(model)
        self._variables = [variable for _, variable in self._tree.variables.values()]
        self._compiled: dict[Options, Compiled] = {}
        values = self.values()
        example = jax.ShapeDtypeStruct((1, length), jnp.int32)
        logits: Any = jax.eval_shape(self._logits, values, example)
        self._vocabulary: int = logits.shape[-1]
        largest_id = max(largest_id, min(self._vocabulary - 1, 7))
        reason = why_not_incremental(model, values, largest_id, length)
        self.incremental = reason is None
        if reason is not None:
            if differs_from_prefix(model, values, largest_id, length):
                raise _not_causal(model)
            _warn_of_recomputing(model, reason)

    def are_valid(self, length: int) -> bool:
        """Returns whether they are for the model's layers, and a trial of this length was made."""
        return self._length >= length and self._contents == _contents(self._model)

    def values(self) -> list[Any]:
        """Returns the current values of the variables, for the programs."""
        return stored_together(self._variables)

    def compiled(self, options: Options) -> Compiled:
        """Returns the programs for these options."""
        if options not in self._compiled:
            self._compiled[options] = self._compile(options)
        return self._compiled[options]

    def _compile(self, options: Options) -> Compiled:
        part: Any = beams if options.beams > 1 else loop

        def begin(values: Any, tokens: Any, padding: Any, *, room: int, total: int) -> Any:
            stepper = self._stepper(values, options)
            sizes = room, total, self._vocabulary
            return part.begin(stepper, tokens, padding, *sizes, options)

        def advance(
            values: Any, carry: Any, width: Any, until: Any, key: Any, numbers: Numbers
        ) -> Any:
            stepper = self._stepper(values, options)
            return part.advance(stepper, carry, width, until, key, options, numbers)

        return Compiled(
            jax.jit(begin, static_argnames=("room", "total")),
            jax.jit(advance, donate_argnums=1),
            jax.jit(functools.partial(beams.best_sequences, options=options)),
        )

    def _stepper(self, values: list[Any], options: Options) -> Stepper:
        given = self._given(values)
        if self.incremental:
            return Incremental(self._model, given, options.beams)
        return Recomputing(self._model, given, options.pad, options.beams)

    def _given(self, values: list[Any]) -> dict[int, Any]:
        return {id(v): value for v, value in zip(self._variables, values, strict=True)}

    def _logits(self, values: list[Any], tokens: jax.Array) -> jax.Array:
        return logits_of(self._model, self._given(values), tokens)


def programs_of(model: Tracked, largest_id: int, length: int) -> Programs:
    """Returns the programs of a model, which is built first if needed.

    Args:
        model: the model.
        largest_id: a valid token id; smaller ones are valid too.
        length: the number of positions of the longest sequence.

    Raises:
        InputError: it does not return logits, or they depend on later positions.
    """
    node = cast(Any, model)._lamina
    held: Programs | None = getattr(node, "generation", None)
    length = min(max(length, 2), LONGEST)
    if held is None or not held.are_valid(length):
        Root(model, "call", (jnp.zeros((1, length), jnp.int32),), {}).ensure_all()
        held = node.generation = Programs(model, largest_id, length)
    return held


def _contents(model: Tracked) -> list[Any]:
    """Returns the path, identity and settings of all layers, and the identity of all variables."""
    tree = walk(model)
    layers = [
        (path, key, one._lamina.dtype, one._lamina.autocast)
        for key, (path, one) in tree.layers.items()
    ]
    return layers + [(path, key) for key, (path, _) in tree.variables.items()]


def _not_causal(model: Tracked) -> InputError:
    return InputError(
        explain(
            f"{type(model).__name__} cannot generate tokens, because its logits at a position "
            "depend on later positions or on the length of the sequence.",
            where=f"made at {model._lamina.made_at}",
            expected="a causal model, whose layers only read earlier positions",
            received="logits that change when tokens are appended",
            remedy="Pass use_causal_mask=True to attention, and padding='causal' to convolutions.",
        )
    )


def _warn_of_recomputing(model: Tracked, reason: str) -> None:
    warnings.warn(
        explain(
            f"{type(model).__name__} generates slowly: each step recomputes the whole sequence.",
            where=f"made at {model._lamina.made_at}",
            expected="positions that are mixed by MultiHeadAttention or GroupedQueryAttention with "
            "use_causal_mask=True only, and looked up by an Embedding or RotaryEmbedding",
            received=reason,
            remedy="Use these layers, or ignore this warning: the tokens are correct.",
        ),
        UserWarning,
        stacklevel=5,
    )
