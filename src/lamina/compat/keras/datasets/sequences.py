"""Texts as lists of the numbers of words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import STORE, cached_file

__all__ = ["kept", "marked", "objects", "short", "word_index"]

Texts = list[list[int]]


def marked(texts: Any, start_char: int | None, index_from: int) -> Texts:
    """Texts with the number of a start, and with all others shifted.

    Args:
        texts: lists of numbers.
        start_char: the number of the start; None for none.
        index_from: what is added to the others.
    """
    first = [] if start_char is None else [start_char]
    return [first + [word + index_from for word in text] for text in texts]


def short(texts: Texts, labels: Any, maxlen: int | None) -> tuple[Texts, list[Any]]:
    """The texts of less than `maxlen` words, with their labels.

    Args:
        texts: lists of numbers.
        labels: their labels.
        maxlen: the length; None for all.
    """
    pairs = [
        pair for pair in zip(texts, labels, strict=True) if not maxlen or len(pair[0]) < maxlen
    ]
    return [text for text, _ in pairs], [label for _, label in pairs]


def kept(texts: Texts, num_words: int | None, skip_top: int, oov_char: int | None) -> Texts:
    """Texts without words that are too rare or too common.

    Args:
        texts: lists of numbers.
        num_words: the number from which words are too rare; None for the greatest in the texts.
        skip_top: the number below which words are too common.
        oov_char: what stands for them; None leaves them out.
    """
    end = num_words or max(map(max, texts))
    if oov_char is None:
        return [[word for word in text if skip_top <= word < end] for text in texts]
    return [[word if skip_top <= word < end else oov_char for word in text] for text in texts]


def objects(texts: Texts) -> np.ndarray:
    """Lists as an array of objects."""
    return np.array(texts, dtype=object)


def word_index(path: str, name: str, digest: str) -> dict[str, int]:
    """The numbers of words.

    Args:
        path: the name of the file in Keras's folder of data sets.
        name: the name under which it is published.
        digest: its MD5.
    """
    file: Any = cached_file(path, STORE + name, digest)
    return json.loads(file.read_text("utf-8"))
