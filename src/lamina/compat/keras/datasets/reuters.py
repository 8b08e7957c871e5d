"""`keras.datasets.reuters`: news of 46 topics, as numbers of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.pickled_arrays import arrays_of
from lamina.compat.keras.datasets.sequences import kept, marked, objects, short, word_index
from lamina.compat.keras.datasets.tables import Split, shuffled
from lamina.compat.keras.missing import missing

__all__ = ["get_label_names", "get_word_index", "load_data"]

_SHA256 = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_MD5 = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves "
    "ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin "
    "strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem "
    "dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Split:
    """Read the news, and their topics.

    Args:
        path: the name of the file in Keras's folder of data sets.
        num_words: the number from which words are too rare. Default None: all are kept.
        skip_top: the number below which words are too common. Default 0.
        maxlen: the length from which texts are left out. Default None: all are kept.
        test_split: the fraction of the texts for the test. Default 0.2.
        seed: the seed of the order of the texts. Default 113.
        start_char: the number that begins a text; None for none. Default 1.
        oov_char: the number of the words that are not kept; None leaves them out. Default 2.
        index_from: what is added to the numbers of words. Default 3.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists of numbers, and of topics.
    """
    found = arrays_of(cached_file(path, f"{STORE}reuters.npz", _SHA256))
    x, y = shuffled(seed, found["x"], found["y"])
    texts, labels = short(marked(x, start_char, index_from), y, maxlen)
    texts = kept(texts, num_words, skip_top, oov_char)
    count = int(len(texts) * (1 - test_split))
    return (
        (objects(texts[:count]), np.array(labels[:count])),
        (objects(texts[count:]), np.array(labels[count:])),
    )


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The numbers of words, without what `index_from` adds.

    Args:
        path: the name of the file in Keras's folder of data sets.
    """
    return word_index(path, "reuters_word_index.json", _MD5)


def get_label_names() -> tuple[str, ...]:
    """The names of the topics, by their numbers."""
    return tuple(_TOPICS.split())


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.reuters", name, __all__)
