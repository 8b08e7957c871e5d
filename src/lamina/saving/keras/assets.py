"""The vocabularies that lookup layers keep beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.core.tree.node import Tracked
from lamina.saving.keras.archive import Container
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.walk import layers_of, listed_base

__all__ = ["IDF_WEIGHTS", "load_vocabularies"]

IDF_WEIGHTS = "idf_weights"
"""The name of the weights of tokens among the variables of a lookup layer."""


def load_vocabularies(
    root: Tracked, container: Container, arrays: Mapping[str, StoredArray]
) -> None:
    """Give lookup layers the vocabularies of an archive; those in configs are there already.

    Args:
        root: the model.
        container: the archive or folder.
        arrays: the arrays of the file, by their path.
    """
    names = set(container.names())
    for path, layer in layers_of(root):
        place: Any = layer
        if not hasattr(layer, "set_vocabulary"):
            continue
        for inner in (path, f"{path}/_lookup_layer"):
            name = f"assets/{inner}/vocabulary.txt"
            if name in names:
                lines = container.text(name).splitlines()
                while lines and not lines[-1]:
                    lines.pop()
                tokens = list(map(int, lines)) if listed_base(layer) == "IntegerLookup" else lines
                weights = arrays.get(f"{inner}/vars/{IDF_WEIGHTS}")
                given = None if weights is None else weights.read().tolist()
                place.set_vocabulary(tokens, given)
                break
