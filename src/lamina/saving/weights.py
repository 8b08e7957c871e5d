"""Saving and loading weights: every name must match, and all are loaded or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lamina.core.base.lock import LOCK
from lamina.core.base.processes import is_main_process, to_host
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import stored_together
from lamina.core.tree.walk import Tree, walk
from lamina.errors import BuildError, InputError, explain
from lamina.lazy import lazily
from lamina.saving.files import TensorFile, storable, write
from lamina.saving.keras.formats import format_of, is_for_keras
from lamina.saving.load_errors import reading
from lamina.saving.loading import Loading
from lamina.saving.metadata import Metadata, describe, text
from lamina.saving.stored_arrays import StoredArrays

if TYPE_CHECKING:
    from lamina.saving.keras import loading as keras
    from lamina.saving.keras import writing as keras_writing
else:
    keras = lazily("lamina.saving.keras.loading")
    keras_writing = lazily("lamina.saving.keras.writing")

__all__ = ["check_overwrite", "load_arrays", "load_weights", "save_weights", "write_tree"]


def check_overwrite(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Check that a file may be written.

    Args:
        path: the path of the file.
        overwrite: whether an existing file may be replaced.

    Raises:
        FileExistsError: it exists, and may not be replaced.
    """
    if not overwrite and os.path.exists(path):
        raise FileExistsError(
            explain(
                "The file already exists.",
                expected="a new file, or overwrite=True",
                received=f"{os.fspath(path)!r} and overwrite=False",
                remedy="Choose another path, or leave overwrite out.",
            )
        )


def save_weights(layer: Tracked, path: str | os.PathLike[str]) -> None:
    """Write all weights of a layer and its sublayers to a safetensors file.

    The file also stores the input specs of the build, and which weights are shared or frozen. The
    states of stateful layers are not stored.

    Args:
        layer: the root, built.
        path: the path of the file; an existing file is replaced.

    Raises:
        BuildError: the layer is not built.
        InputError: the name of the file is for whole models of Keras.
        OSError: the file cannot be written; an old file is unchanged.
    """
    if is_for_keras(path, weights=True):
        keras_writing.save_weights(layer, path)
    else:
        write_tree(layer, path)


def load_weights(
    layer: Tracked,
    path: str | os.PathLike[str],
    rename: Mapping[str, str] | None = None,
    skip_mismatch: bool = False,
    by_name: bool = False,
) -> None:
    """Load the weights of a file of Lamina or of Keras into a layer and its sublayers.

    An unbuilt layer is built from the specs in the file; no initial values are drawn.

    Args:
        layer: the root.
        path: the path of the file.
        rename: names in the layer by names in the file, of weights or of prefixes of their paths;
            None (default) for no renaming.
        skip_mismatch: whether to load only the weights whose name and shape match, and to list
            all others in a warning; False by default.
        by_name: whether the layers of a legacy file of Keras are found by their names, and all
            others keep their values; False by default.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: the file is damaged, or of another model. Nothing was changed.
        InputError: a name in `rename` is not in the file, or an option is not for its format.
    """
    if format_of(path) is not None:
        if rename:
            raise _no_such_option("rename", path, "weights by Keras's order of attributes")
        keras.load_weights(layer, os.fsdecode(path), by_name, skip_mismatch)
        return
    if by_name:
        raise _no_such_option("by_name", path, "weights by their paths")
    with TensorFile(path) as file:
        loading = Loading(layer, file, rename, partial=skip_mismatch)
        with reading(file.path):
            loading.run()


def _no_such_option(name: str, path: str | os.PathLike[str], by: str) -> InputError:
    return InputError(
        explain(
            f"load_weights has no use for {name}= with {os.fspath(path)!r}.",
            expected=f"a file of the other kind: this one holds {by}",
            received=f"{name}=",
            remedy=f"Leave out {name}.",
        )
    )


def load_arrays(layer: Tracked, arrays: StoredArrays) -> None:
    """Load weights as :func:`load_weights` does, each onto the devices of its variable.

    Args:
        layer: the root.
        arrays: the weights.

    Raises:
        FileFormatError: they belong to another model. Nothing was changed.
    """
    with reading(arrays.path):
        Loading(layer, arrays).run()


def write_tree(
    layer: Tracked,
    path: str | os.PathLike[str],
    metadata: Metadata | None = None,
    training: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the weights of a tree and metadata; of several processes, the first one writes.

    Args:
        layer: the root, built.
        path: the path of the file; an existing file is replaced.
        metadata: the metadata; None (default) for that of a file of weights.
        training: further arrays by their names in the file; None (default) for none.

    Raises:
        BuildError: the layer is not built.
        OSError: the file cannot be written; an old file is unchanged.
    """
    with LOCK:
        tree = walk(layer)
        if metadata is None:
            metadata = describe(tree)
        _check_built(layer, tree)
        arrays: dict[str, np.ndarray] = {}
        weights = {name: v for name, v in tree.variables.values() if v.is_weight}
        values = stored_together(list(weights.values()))
        pairs = [*zip(weights, values, strict=True), *(training or {}).items()]
        for name, value in pairs:
            arrays[name], dtype = storable(to_host(value))
            if dtype is not None:
                metadata.dtypes[name] = dtype
        if is_main_process():
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
            else f"{name} is partly built: {', '.join(unbuilt)} have no value yet.",
            where=f"made at {layer._lamina.made_at}",
            expected="a built layer",
            received="an unbuilt layer" if not built else "new layers in it",
            remedy="Call it once, or call build(...), before saving.",
        )
    )
