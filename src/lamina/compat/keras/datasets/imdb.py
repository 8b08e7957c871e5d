"""`keras.datasets.imdb`: reviews of films, as numbers of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.pickled_arrays import arrays_of
from lamina.compat.keras.datasets.sequences import kept, marked, objects, short, word_index
from lamina.compat.keras.datasets.tables import Split
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import wrong

__all__ = ["get_word_index", "load_data"]

_SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_MD5 = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Split:
    """Read the reviews, and whether they are favourable.

    Args:
        path: the name of the file in Keras's folder of data sets.
        num_words: the number from which words are too rare. Default None: all are kept.
        skip_top: the number below which words are too common. Default 0.
        maxlen: the length from which texts are left out. Default None: all are kept.
        seed: the seed of the order of the texts. Default 113.
        start_char: the number that begins a text; None for none. Default 1.
        oov_char: the number of the words that are not kept; None leaves them out. Default 2.
        index_from: what is added to the numbers of words. Default 3.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists of numbers, and of 0 and 1.

    Raises:
        InputError: no text is shorter than `maxlen`.
    """
    found = arrays_of(cached_file(path, f"{STORE}imdb.npz", _SHA256))
    random = np.random.RandomState(seed)
    parts: list[tuple[Any, Any]] = []
    for name in ("train", "test"):
        x, y = found[f"x_{name}"], found[f"y_{name}"]
        order = np.arange(len(x))
        random.shuffle(order)
        texts, labels = short(marked(x[order], start_char, index_from), y[order], maxlen)
        if not texts:
            raise wrong(
                "No text is shorter than maxlen.", "a greater maxlen", maxlen, "Pass maxlen=None."
            )
        parts.append((texts, labels))
    (first, y_train), (second, y_test) = parts
    texts = kept(first + second, num_words, skip_top, oov_char)
    x_train, x_test = objects(texts[: len(first)]), objects(texts[len(first) :])
    return (x_train, np.array(y_train)), (x_test, np.array(y_test))


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The numbers of words, without what `index_from` adds.

    Args:
        path: the name of the file in Keras's folder of data sets.
    """
    return word_index(path, "imdb_word_index.json", _MD5)


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.imdb", name, __all__)
