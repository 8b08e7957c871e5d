"""`lamina.generate`: token sequences from a decoder-only model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina.core.running.keys import as_key
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.generation.options import Numbers, Options, check_number, checked_count, stop_ids
from lamina.generation.programs import Compiled, Programs, programs_of
from lamina.generation.prompts import as_rows, padded, width_for
from lamina.layer import Layer

__all__ = ["generate"]


def generate(
    model: Layer,
    prompts: Any,
    max_new_tokens: int = 64,
    *,
    mask: Any = None,
    num_beams: int = 1,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    length_penalty: float = 1.0,
    stop: int | Sequence[int] = (),
    pad_id: int = 0,
    max_length: int | None = None,
    rng: Any = None,
    stream: bool = False,
) -> Any:
    """Generate tokens after each prompt with a decoder-only model.

    The model is any layer from token ids ``[batch, time]`` to logits ``[batch, time, vocabulary]``
    of the next token. It is called on the new tokens only: MultiHeadAttention and
    GroupedQueryAttention with ``use_causal_mask=True`` keep keys and values in a cache, and
    Embedding and RotaryEmbedding look up positions from the end of the cache on. The first call
    compares these logits with those of a call on a whole sequence. A model for which they differ
    is called on the whole sequence at each step, with a warning.

    All steps run in one compiled loop, which ends when all sequences have ended. A program is
    compiled for each batch size, and for each power of two of the length of the longest prompt and
    of ``max_new_tokens``; with ``max_length``, the loop is compiled once for all lengths up to it.

    Args:
        model: the model.
        prompts: a list of sequences of token ids, of any lengths, or an integer array ``[batch,
            time]``.
        max_new_tokens: maximum number of tokens after each prompt, a positive integer; 64 by
            default.
        mask: bool ``[batch, time]``, False at padding of an array of prompts; None by default.
        num_beams: number of beams of a beam search, a positive integer; 1 (default) for none.
        temperature: divisor of the logits for sampling, positive; 1 with ``top_k`` or ``top_p``.
            Without these three (default), the most probable token is chosen.
        top_k: sample from the k most probable tokens, a positive integer; all if None (default).
        top_p: sample from the most probable tokens whose probabilities sum to at least p, in
            (0, 1], after ``top_k``; all if None (default).
        repetition_penalty: divide positive logits of tokens that occurred in the prompt or output
            by this number, and multiply negative ones, positive; 1 (default) for no penalty. A
            beam search applies it to log-probabilities.
        length_penalty: exponent e of the scores of a beam search, ``log p / n^e`` for n new tokens;
            1 by default. A larger exponent favours long sequences.
        stop: token id or ids that end a sequence; none by default.
        pad_id: token id of padding, in streams and in the inputs of the model; 0 by default.
        max_length: bound on the length of prompt and new tokens together; None (default) for the
            lengths of this call.
        rng: key or integer seed of the sampling, which needs one; None by default.
        stream: return an iterator of the tokens of each step instead; False by default.

    Returns:
        The new tokens of each prompt, a list of int32 arrays; a stop id is the last of them. With
        ``stream``, an iterator of int32 arrays ``[batch]``, with ``pad_id`` after the end of a
        sequence.

    Raises:
        InputError: an option is out of range, a prompt is empty, the model does not return logits,
            the logits depend on later positions, or a logit is NaN, as for ids or positions outside
            of an Embedding.

    Source: beam search as in Hugging Face's transformers, without early stopping; top-k: Fan et
    al., arXiv 1805.04833; top-p: Holtzman et al., arXiv 1904.09751.

    >>> import lamina
    >>> class Counting(lamina.Layer):
    ...     def call(self, tokens):
    ...         return 9.0 * jax.nn.one_hot(tokens + 1, 10)
    >>> [new.tolist() for new in generate(Counting(), [[1], [2, 3]], 5, stop=6)]
    [[2, 3, 4, 5, 6], [4, 5, 6]]
    """
    rows = as_rows(prompts, mask)
    samples = temperature is not None or top_k is not None or top_p is not None
    new = checked_count("max_new_tokens", max_new_tokens)
    top_p = 1.0 if top_p is None else check_number("top_p", top_p, "a number in (0, 1]", high=1)
    positive = "a positive number"
    if temperature is not None:
        check_number("temperature", temperature, positive)
    numbers = Numbers(
        np.int32(new),
        stop_ids(stop),
        np.float32(1 if temperature is None else temperature),
        np.float32(top_p),
        np.float32(check_number("repetition_penalty", repetition_penalty, positive)),
        np.float32(check_number("length_penalty", length_penalty, "a finite number", -np.inf)),
    )
    options = Options(
        checked_count("num_beams", num_beams),
        samples,
        None if top_k is None else checked_count("top_k", top_k),
        top_p < 1,
        repetition_penalty != 1,
        checked_count("pad_id", pad_id, 0),
    )
    if options.beams > 1 and (samples or stream):
        raise _conflict("num_beams > 1", "a temperature, top_k or top_p" if samples else "stream")
    if samples and rng is None:
        raise _conflict("sampling", "rng=None", "Pass rng=0 or a jax.random.key.")
    longest = max(len(row) for row in rows)
    if max_length is not None and checked_count("max_length", max_length) < longest + new:
        received = f"a prompt of {longest} tokens and max_new_tokens={new}"
        raise _conflict(f"max_length={max_length}", received, "Increase max_length.")
    if not isinstance(model, Tracked):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _conflict("a Lamina layer as the model", f"a {type(model).__name__}")
    programs = programs_of(model, int(max(row.max() for row in rows)), longest + new - 1)
    sizes = _sizes(longest, new, max_length, programs.incremental)
    key = as_key(0 if rng is None else rng)
    run = _Run(programs, programs.compiled(options), sizes, rows, options, numbers, key)
    return run.stream() if stream else run.all()


class _Sizes(NamedTuple):
    """The sizes of the arrays: prompts without the last token, new tokens, and both."""

    width: int
    room: int
    total: int


def _sizes(longest: int, new: int, bound: int | None, incremental: bool) -> _Sizes:
    before = max(longest - 1, 1)
    if not incremental:  # positions behind the sequence may be out of a table
        return _Sizes(before, new, bound or before + 1 + new)
    width, room = width_for(before), width_for(new)
    if bound is None:
        return _Sizes(width, room, width + room)
    width = max(before, min(width, bound - new))
    return _Sizes(width, bound, max(bound, width + new))


class _Run(NamedTuple):
    """One call of :func:`generate`."""

    programs: Programs
    compiled: Compiled
    sizes: _Sizes
    rows: list[np.ndarray]
    options: Options
    numbers: Numbers
    key: jax.Array

    def all(self) -> list[np.ndarray]:
        """Returns the new tokens of each prompt."""
        values = self.programs.values()
        carry = self._advanced(values, self._begun(values), self.numbers.limit)
        if self.options.beams > 1:
            tokens, lengths = (np.asarray(array) for array in self.compiled.finish(carry))
            return [row[:length] for row, length in zip(tokens, lengths, strict=True)]
        tokens = np.asarray(carry.tokens)[:, : int(carry.step)]
        return [self._until_stop(row) for row in tokens]

    def stream(self) -> Iterator[np.ndarray]:
        """Returns an iterator of the tokens of each step."""
        values = self.programs.values()
        carry = self._begun(values)
        for index in range(int(self.numbers.limit)):
            carry = self._advanced(values, carry, np.int32(index + 1))
            yield np.array(carry.token)
            if np.all(carry.ended):
                return

    def _begun(self, values: list[Any]) -> Any:
        width, room, total = self.sizes
        tokens, padding = padded(self.rows, width + 1, self.options.pad)
        return self.compiled.begin(values, tokens, padding, room=room, total=total)

    def _advanced(self, values: list[Any], carry: Any, until: Any) -> Any:
        width = np.int32(self.sizes.width)
        carry = self.compiled.advance(values, carry, width, until, self.key, self.numbers)
        broken = np.asarray(carry.broken)
        if broken.any():
            raise _not_finite(int(np.argmax(broken)), int(carry.step))
        return carry

    def _until_stop(self, row: np.ndarray) -> np.ndarray:
        ends = np.flatnonzero(np.isin(row, self.numbers.stop))
        return row[: ends[0] + 1] if ends.size else row


def _not_finite(row: int, step: int) -> InputError:
    return InputError(
        explain(
            f"The logits of new token {step} of prompt {row} are NaN.",
            expected="token ids and positions within the tables of the model, and finite weights",
            received="NaN, such as an Embedding returns for an id outside of its table",
            remedy="Check the ids of the prompt; pass fewer max_new_tokens if the sequence is "
            "longer than the model's table of positions.",
        )
    )


def _conflict(expected: str, received: str, remedy: str | None = None) -> InputError:
    return InputError(
        explain(
            "Tokens cannot be generated with these arguments.",
            expected=expected,
            received=received,
            remedy=remedy or "Leave one of them out.",
        )
    )
