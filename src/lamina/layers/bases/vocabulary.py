"""`Vocabulary`: the tokens of a lookup layer with their indices and weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

__all__ = ["Vocabulary", "most_frequent"]


class Vocabulary:
    """The tokens of a lookup layer. A token's index is its position behind the special tokens.

    Args:
        special: the mask and out-of-vocabulary tokens.
        tokens: the other tokens.
        weights: the inverse document frequency of all tokens, with the special ones; None (default)
            without any.

    >>> Vocabulary([""], ["a", "b"]).index
    {'a': 1, 'b': 2}
    """

    def __init__(
        self,
        special: Sequence[Any] = (),
        tokens: Sequence[Any] = (),
        weights: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self.special = list(special)
        self.tokens = list(tokens)
        self.weights = weights

    def __len__(self) -> int:
        return len(self.special) + len(self.tokens)

    @cached_property
    def index(self) -> dict[Any, int]:
        """The index of each token."""
        return {token: at for at, token in enumerate(self.tokens, len(self.special))}

    @cached_property
    def ordered(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The tokens, if they are integers, in ascending order, and the index of each."""
        keys = np.array(self.tokens, np.int64)
        order = np.argsort(keys)
        return keys[order], order + len(self.special)


def most_frequent(
    documents: Iterable[Sequence[Any]],
    without: Iterable[Any],
    size: int | None,
    weighs: bool = True,
) -> tuple[list[Any], np.ndarray[Any, Any]]:
    """Find the most frequent tokens of documents, and their inverse document frequencies.

    Tokens of equal frequency come in descending order. The weight of a token that occurs in ``d``
    of ``n`` documents is ``log(1 + n / (1 + d))``.

    Args:
        documents: lists of tokens.
        without: tokens to leave out.
        size: the largest number of tokens; None for all.
        weighs: whether documents are told apart, for the weights; True by default.

    Returns:
        The tokens, and their weights, float32; without `weighs`, no weights.

    >>> most_frequent([["b", "a"], ["c", "a"]], ["c"], 2)[0]
    ['a', 'b']
    """
    counts: Counter[Any] = Counter()
    occurs: Counter[Any] = Counter()
    number = 0
    if not weighs:
        counts.update(chain.from_iterable(documents))
        documents = ()
    for document in documents:
        counts.update(document)
        occurs.update(set(document))
        number += 1
    for token in without:
        counts.pop(token, None)
    ordered = sorted(counts, reverse=True)
    ordered.sort(key=counts.__getitem__, reverse=True)  # which keeps the order of equal ones
    ordered = ordered[:size]
    if not weighs:
        return ordered, np.zeros(0, "float32")
    documents_of = np.array([occurs[token] for token in ordered], np.float64)
    return ordered, np.log(1 + number / (1 + documents_of)).astype("float32")
