"""The options of generation, checked: those that select a program, and those passed to it."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex

import numpy as np

from lamina.errors import InputError, explain

__all__ = ["Numbers", "Options", "check_number", "checked_count", "stop_ids"]


class Options(NamedTuple):
    """Options that select a program.

    Attributes:
        beams: number of beams; 1 for no beam search.
        samples: whether tokens are sampled.
        top_k: number of the most probable tokens to sample from; None for all.
        has_top_p: whether top_p is below 1.
        penalizes: whether repetition is penalized.
        pad: the token id of padding.
    """

    beams: int
    samples: bool
    top_k: int | None
    has_top_p: bool
    penalizes: bool
    pad: int


class Numbers(NamedTuple):
    """Options that are arguments of the program.

    Attributes:
        limit: maximum number of new tokens.
        stop: ids that end a sequence.
        temperature: divisor of the logits.
        top_p: probability of the tokens to sample from.
        repetition_penalty: penalty of tokens that occurred before.
        length_penalty: exponent of the length in the scores of beams.
    """

    limit: Any
    stop: Any
    temperature: Any
    top_p: Any
    repetition_penalty: Any
    length_penalty: Any


def checked_count(name: str, value: Any, low: int = 1) -> int:
    """Returns an integer option, at least ``low``.

    Raises:
        InputError: it is not such an integer.

    >>> checked_count("beams", 4)
    4
    """
    if not isinstance(value, bool) and isinstance(value, SupportsIndex):
        number = operator.index(value)
        if number >= low:
            return number
    raise _invalid(name, value, "a positive integer" if low == 1 else f"an integer >= {low}")


def check_number(
    name: str, value: Any, expected: str, low: float = 0.0, high: float = math.inf
) -> float:
    """Returns a number option in (low, high].

    Args:
        name: the name of the option.
        value: its value.
        expected: the range in words.
        low: the lower bound, which is excluded.
        high: the upper bound.

    Raises:
        InputError: it is not such a number.

    >>> check_number("top_p", 0.5, "a number in (0, 1]", high=1.0)
    0.5
    """
    if not isinstance(value, bool) and isinstance(value, SupportsFloat):
        number = float(value)
        if math.isfinite(number) and low < number <= high:
            return number
    raise _invalid(name, value, expected)


def stop_ids(stop: Any) -> np.ndarray:
    """Returns the ids that end a sequence, int32 ``[ids]``.

    Raises:
        InputError: an id is not an integer >= 0.

    >>> stop_ids(2).tolist(), stop_ids((2, 5)).tolist()
    ([2], [2, 5])
    """
    ids: list[Any] = [stop] if isinstance(stop, SupportsIndex) else list(stop)
    return np.array([checked_count("stop", one, 0) for one in ids], np.int32)


def _invalid(name: str, value: object, expected: str) -> InputError:
    return InputError(
        explain(
            f"Tokens cannot be generated with this {name}.",
            expected=expected,
            received=f"{name}={value!r}",
            remedy=f"Correct {name}, or leave it out.",
        )
    )
