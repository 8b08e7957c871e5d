"""Weights to a file and back: strict, and all or nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from lamina.core.base.lock import LOCK
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import stored_together
from lamina.core.tree.walk import Tree, walk
from lamina.errors import BuildError, explain
from lamina.saving.files import TensorFile, storable, write
from lamina.saving.loading import Loading, reading
from lamina.saving.metadata import Metadata, describe, text

__all__ = ["load_weights", "save_weights", "write_tree"]


def save_weights(layer: Tracked, path: str | os.PathLike[str]) -> None:
    """Write all weights of a tree to a safetensors file, whole or not at all.

    The file also says from which input specs the tree was built, which weights are shared, and
    what is frozen.

    Args:
        layer: the root, built.
        path: of the file; one that is there is replaced.

    Raises:
        BuildError: the layer is not built.
        OSError: the file cannot be written; the old one is as it was.
    """
    write_tree(layer, path)


def load_weights(
    layer: Tracked, path: str | os.PathLike[str], rename: Mapping[str, str] | None = None
) -> None:
    """Give a tree the weights of a file.

    A layer that is not built is built from the specs in the file; nothing is drawn.

    Args:
        layer: the root.
        path: of the file.
        rename: the tree's names by the file's: of weights, or of all below an attribute.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or of another model. Nothing was changed.
    """
    with TensorFile(path) as file:
        loading = Loading(layer, file, rename)
        with reading(file.path):
            loading.run()


def write_tree(
    layer: Tracked, path: str | os.PathLike[str], metadata: Metadata | None = None
) -> None:
    """Write a tree's weights, and what is known of them; by default what any file says."""
    with LOCK:
        tree = walk(layer)
        if metadata is None:
            metadata = describe(tree)
        _check_built(layer, tree)
        arrays: dict[str, np.ndarray] = {}
        values = stored_together([variable for _, variable in tree.variables.values()])
        for (name, _), value in zip(tree.variables.values(), values, strict=True):
            arrays[name], dtype = storable(np.asarray(value))
            if dtype is not None:
                metadata.dtypes[name] = dtype
        write(path, arrays, text(metadata))


def _check_built(layer: Tracked, tree: Tree) -> None:
    unbuilt = [path for path, variable in tree.variables.values() if not variable.built]
    built = any(layer._lamina.built is not None for _, layer in tree.layers.values())
    if built and not unbuilt:
        return
    name = type(layer).__name__
    raise BuildError(
        explain(
            f"{name} is not built: it has no weights to save."
            if not built
            else f"{name} is not wholly built: {', '.join(unbuilt)} have no value yet.",
            where=f"made at {layer._lamina.made_at}",
            expected="a built layer",
            received="one that was never called" if not built else "new layers in it",
            remedy="Call it once, or build(...) it, and save it then.",
        )
    )
