"""The names that Keras gives to layers and variables in its files."""

from __future__ import annotations

import re

__all__ = ["Unique", "snake"]


def snake(name: str) -> str:
    """Convert the name of a class to the name of its instances, as Keras does.

    >>> snake("BatchNormalization"), snake("Conv2D"), snake("ReLU"), snake("GRUCell")
    ('batch_normalization', 'conv2d', 're_lu', 'gru_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class Unique:
    """Numbers equal names: ``dense``, ``dense_1``, ``dense_2``.

    >>> unique = Unique()
    >>> [unique(name) for name in ("dense", "dense", "lstm")]
    ['dense', 'dense_1', 'lstm']
    """

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        count = self._used.get(name, -1) + 1
        self._used[name] = count
        return f"{name}_{count}" if count else name
