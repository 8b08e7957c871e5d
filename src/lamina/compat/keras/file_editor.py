"""`keras.saving.KerasFileEditor`: the weights in a file of Keras, by name."""

from __future__ import annotations

import importlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, cast

import lamina
from lamina.compat.keras.utils.arguments import wrong
from lamina.errors import FileFormatError, explain

__all__ = ["KerasFileEditor"]

_Tree = dict[str, Any]
_MOST_RATIO = 1032  # DEFLATE cannot expand data more than this


class KerasFileEditor:
    """Shows, changes and writes the weights of a file of Keras. It needs the extra ``keras``.

    Args:
        filepath: the path of a ``.keras`` or ``.weights.h5`` file.

    Attributes:
        weights_dict: the arrays by name, in dicts by the names of layers.
        config: the config in a ``.keras`` file; None for others.
        metadata: the metadata in a ``.keras`` file; None for others.

    Raises:
        InputError: the file has another ending.
        FileFormatError: the file is damaged, or links to other files.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2, name="out")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save_weights(f"{folder}/a.weights.h5")
    ...     editor = KerasFileEditor(f"{folder}/a.weights.h5")
    >>> editor.summary()
    layers
      dense
        0: (3, 2) float32
        1: (2,) float32
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        self.filepath = os.fspath(filepath)
        self.config: Any = None
        self.metadata: Any = None
        if not self.filepath.endswith(".keras"):
            _check_ending(self.filepath, "a .keras or .weights.h5 file")
        source: Any = self.filepath
        if self.filepath.endswith(".keras"):
            with zipfile.ZipFile(self.filepath) as archive:
                self.config = json.loads(archive.read("config.json"))
                self.metadata = json.loads(archive.read("metadata.json"))
                source = io.BytesIO(archive.read("model.weights.h5"))
        with _h5py().File(source, "r") as file:
            self.weights_dict: _Tree = _read(file)

    def summary(self) -> None:
        """Print the names, shapes and dtypes of the weights."""
        for depth, name, value in _walk(self.weights_dict):
            shown = "" if isinstance(value, dict) else f": {value.shape} {value.dtype}"
            print(f"{'  ' * depth}{name}{shown}")

    def compare(self, reference_model: lamina.Layer) -> dict[str, Any]:
        """Compare the weights with those that a model would write, and print the differences.

        Args:
            reference_model: the model, built.

        Returns:
            A dict: `status` is ``"success"`` or ``"error"``, `error_count` the number of names or
            shapes that differ, and `match_count` the number of weights that agree.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "reference.weights.h5")
            reference_model.save_weights(path)
            with _h5py().File(path, "r") as file:
                wanted = _flat(_read(file))
        own = {path: one for path, one in _flat(self.weights_dict).items() if _is_weight(path)}
        same = 0
        for path in sorted({*own, *wanted}):
            if path not in own or path not in wanted:
                print(f"{path} is missing in the {'file' if path not in own else 'model'}.")
            elif own[path].shape != wanted[path].shape:
                print(f"{path}: {own[path].shape} in the file, {wanted[path].shape} in the model.")
            else:
                same += 1
        errors = len({*own, *wanted}) - same
        status = "error" if errors else "success"
        return {"status": status, "error_count": errors, "match_count": same}

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Rename a layer.

        Args:
            object_name: its name, or its path with ``/``.
            new_name: the new name, without a path.
        """
        if "/" in new_name:
            raise wrong("The new name is a path.", "a name without /", new_name, "Leave out /.")
        around, name = self._found(object_name)
        around[new_name] = around.pop(name)

    def delete_object(self, object_name: str) -> None:
        """Remove a layer with its weights.

        Args:
            object_name: its name, or its path with ``/``.
        """
        around, name = self._found(object_name)
        del around[name]

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add a layer.

        Args:
            object_path: its path.
            weights: its arrays by name, usually ``"0"`` and so on.
        """
        *above, name = object_path.split("/")
        around = self.weights_dict
        for one in above:
            if not isinstance(around.get(one), dict):
                raise _unknown(object_path)
            around = around[one]
        around[name] = _checked(weights)

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Remove one weight of a layer.

        Args:
            object_name: the name of the layer, or its path.
            weight_name: the name of the weight.
        """
        around, name = self._found(object_name)
        if weight_name not in around[name]:
            raise _unknown(f"{object_name}/{weight_name}")
        del around[name][weight_name]

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add weights to a layer.

        Args:
            object_name: the name of the layer, or its path.
            weights: the arrays by name.
        """
        around, name = self._found(object_name)
        around[name].update(_checked(weights))

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write the weights.

        Args:
            filepath: the path of a ``.weights.h5`` file.
        """
        path = os.fspath(filepath)
        _check_ending(path, "a .weights.h5 file")
        with _h5py().File(path, "w") as file:
            for name, value in _flat(self.weights_dict).items():
                above, _, last = name.rpartition("/")
                file.require_group(f"{above}/vars").create_dataset(last, data=value)

    resave_weights = save

    def _found(self, name: str) -> tuple[_Tree, str]:
        """The dict with an entry of a name or path, and its name in it."""
        paths = [path for path in _paths(self.weights_dict) if path == name]
        if "/" not in name:
            paths = [path for path in _paths(self.weights_dict) if path.split("/")[-1] == name]
        if len(paths) != 1:
            raise _unknown(name) if not paths else _several(name, paths)
        *above, last = paths[0].split("/")
        around = self.weights_dict
        for one in above:
            around = around[one]
        return around, last


def _check_ending(path: str, expected: str) -> None:
    if not path.endswith(".weights.h5"):
        raise wrong("The file has another ending.", expected, path, "Name it so.")


def _unknown(name: str) -> Exception:
    return wrong("There is no such entry in the file.", "a name or a path", name, "Call summary().")


def _several(name: str, paths: list[str]) -> Exception:
    return wrong(f"Several entries are named {name!r}.", "a path", ", ".join(paths), "Pass one.")


def _checked(weights: Any) -> _Tree:
    if not isinstance(weights, Mapping):
        raise wrong("The weights have no names.", "a dict of arrays", repr(weights), "Pass a dict.")
    return dict(cast("Mapping[str, Any]", weights))


def _h5py() -> Any:
    return importlib.import_module("h5py")


def _read(group: Any) -> _Tree:
    """The arrays of a group; ``vars`` stands for the entries in it."""
    h5py = _h5py()
    found: _Tree = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refused(name, "a link")
        value = group[name]
        if isinstance(value, h5py.Group):
            inner = _read(value)
            if inner:
                found |= inner if name == "vars" else {name: inner}
        elif value.external or value.is_virtual:
            raise _refused(name, "an array in another file")
        elif value.nbytes > _MOST_RATIO * value.id.get_storage_size():
            raise _refused(name, f"{value.nbytes} bytes that are not in the file")
        else:
            found[name] = value[()]
    return found


def _refused(name: str, received: str) -> Exception:
    return FileFormatError(
        explain(
            "A file of weights cannot be read.",
            where=f"in {name}",
            expected="groups and arrays",
            received=received,
            remedy="Write the file again.",
        )
    )


def _walk(tree: _Tree, depth: int = 0) -> Iterator[tuple[int, str, Any]]:
    for name, value in tree.items():
        yield depth, name, value
        if isinstance(value, dict):
            yield from _walk(cast("_Tree", value), depth + 1)


def _paths(tree: _Tree, above: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield above + name
        if isinstance(value, dict):
            yield from _paths(cast("_Tree", value), f"{above}{name}/")


def _flat(tree: _Tree, above: str = "") -> _Tree:
    found: _Tree = {}
    for name, value in tree.items():
        inner = isinstance(value, dict)
        found |= _flat(cast("_Tree", value), f"{above}{name}/") if inner else {above + name: value}
    return found


def _is_weight(path: str) -> bool:
    """Whether it is a weight of a layer, and not of the optimizer."""
    return not path.startswith("optimizer/")
