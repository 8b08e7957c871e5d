"""The metadata of a file: how layers were built, and which weights are shared or frozen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from lamina.core.building.quantization import quantization_of
from lamina.core.tree.walk import Tree
from lamina.errors import BuildError, FileFormatError, explain
from lamina.json_text import excess, read_json
from lamina.saving.build_inputs import encoded_inputs
from lamina.saving.build_methods import is_allowed
from lamina.saving.encoding import Encoder
from lamina.saving.header import Entry

__all__ = ["Build", "Metadata", "Training", "describe", "parse", "text", "weight_entries"]

FORMAT = "lamina"
VERSION = 1


@dataclass(frozen=True)
class Build:
    """One build of a layer.

    Attributes:
        path: the path of the layer.
        method: the method that the build called.
        specs: the inputs as JSON; None if an input cannot be stored.
    """

    path: str
    method: str
    specs: Any


@dataclass(frozen=True)
class Training:
    """The state of training in a file.

    Attributes:
        names: the names of the arrays by their names in the file.
        seed: of dropout and of the order of the data, at least 0.
        epochs: the number of epochs trained, at least 0.
    """

    names: dict[str, str]
    seed: int
    epochs: int


@dataclass
class Metadata:
    """The metadata of a file.

    Attributes:
        builds: the builds, in the order in which to repeat them.
        aliases: other paths of shared weights, with the path that each is stored under.
        frozen_layers: paths of layers whose own `trainable` is False.
        frozen_weights: paths of weights whose own `trainable` is False.
        thawed: paths of layers and weights that train below a frozen layer.
        quantized: the options of quantized layers as JSON, by path.
        dtypes: dtypes of the arrays that are stored as bytes, by their names in the file.
        model: the class and arguments of the root as JSON; None in a file of weights.
        compiled: the arguments of `compile` as JSON; None if the model was not compiled.
        training: the arrays of training in the file; None if there are none.
    """

    builds: list[Build] = field(default_factory=list[Build])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    frozen_layers: list[str] = field(default_factory=list[str])
    frozen_weights: list[str] = field(default_factory=list[str])
    thawed: list[str] = field(default_factory=list[str])
    quantized: dict[str, Any] = field(default_factory=dict[str, Any])
    dtypes: dict[str, str] = field(default_factory=dict[str, str])
    model: Any = None
    compiled: Any = None
    training: Training | None = None

    def renamed(self, rename: Callable[[str], str]) -> Metadata:
        """Return a copy with every path renamed by a function."""
        return Metadata(
            [replace(b, path=rename(b.path) if b.path else "") for b in self.builds],
            {rename(alias): rename(path) for alias, path in self.aliases.items()},
            [rename(path) for path in self.frozen_layers],
            [rename(path) for path in self.frozen_weights],
            [rename(path) for path in self.thawed],
            {rename(path) if path else "": one for path, one in self.quantized.items()},
            self.dtypes,
            self.model,
            self.compiled,
            self.training,
        )


def _builds_of(tree: Tree, encoder: Encoder | None) -> list[Build]:
    """The builds of each layer, from the root down.

    For a layer that the user called, all calls are listed; for the others the first one, in case
    the builds of the layers above do not reach it again. Methods that no file may name are left
    out.
    """
    found: list[Build] = []
    for path, layer in tree.layers.values():
        built = layer._lamina.built
        if built is not None:
            entries = built.entries or {built.method: built.inputs}
            found += [
                Build(path, method, encoded_inputs(layer, method, specs, encoder))
                for method, specs in entries.items()
                if is_allowed(layer, method)
            ]
    return found


def describe(tree: Tree, encoder: Encoder | None = None) -> Metadata:
    """Make the metadata of a tree, without the class of the root.

    Args:
        tree: the tree.
        encoder: the encoder of a whole model, which may name classes of inputs; None (default)
            for a file of weights.

    Returns:
        The metadata.
    """
    weights = {path for path, variable in tree.variables.values() if not variable.trainable}
    layers = [path for path, layer in tree.layers.values() if not layer._lamina.trainable]
    thawed = _thawed(tree, set(layers))
    aliases = tree.all_aliases()
    quantized = {
        path: (encoder or Encoder()).record(config, f"the quantization of {path}")
        for path, layer in tree.layers.values()
        if (config := quantization_of(layer)) is not None
    }
    builds = _builds_of(tree, encoder)
    return Metadata(builds, aliases, layers, sorted(weights), thawed, quantized)


def _thawed(tree: Tree, frozen: set[str]) -> list[str]:
    """The paths of the layers and weights that were made trainable below a frozen layer."""
    if not frozen:
        return []
    assigned = [
        path
        for path, layer in tree.layers.values()
        if layer._lamina.trainable and not layer._lamina.inherits
    ]
    assigned += [p for p, v in tree.variables.values() if v.trainable and not v.inherits]
    return sorted(path for path in assigned if frozen.intersection(_above(path)))


def _above(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(len(parts))]


def weight_entries(entries: Mapping[str, Entry], metadata: Metadata) -> dict[str, Entry]:
    """Return the entries of a file without the arrays of training."""
    training = metadata.training
    names = set[str]() if training is None else training.names.keys()
    return {name: entry for name, entry in entries.items() if name not in names}


def text(metadata: Metadata) -> dict[str, str]:
    """Encode the metadata as one sorted text, so that equal trees give equal files.

    Args:
        metadata: the metadata.

    Returns:
        A dict of one entry, for the header of the file.

    Raises:
        BuildError: the text exceeds the limits of reading.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "builds": [vars(build) for build in metadata.builds],
        "aliases": metadata.aliases,
        "frozen_layers": metadata.frozen_layers,
        "frozen_weights": metadata.frozen_weights,
        "thawed": metadata.thawed,
        "quantized": metadata.quantized,
        "dtypes": metadata.dtypes,
        "model": metadata.model,
        "compiled": metadata.compiled,
        "training": None if metadata.training is None else vars(metadata.training),
    }
    written = json.dumps(content, sort_keys=True, allow_nan=False)
    problem = excess(written)
    if problem is not None:
        raise BuildError(
            explain(
                "The description of the model is too large to be read again.",
                expected="fewer layers, or fewer levels of nesting",
                received=problem,
                remedy="Use save_weights, or save the model in parts.",
            )
        )
    return {FORMAT: written}


def parse(given: dict[str, str], path: str) -> Metadata:
    """Parse the metadata of a file.

    Args:
        given: the texts in the header of the file.
        path: the path of the file, for errors.

    Returns:
        The metadata; empty if another library wrote the file.

    Raises:
        FileFormatError: the metadata is damaged, or of another version.
    """
    if FORMAT not in given:
        return Metadata()
    content = read_json(given[FORMAT], f"The metadata of {path!r}")
    try:
        if content["version"] != VERSION:
            raise _bad_metadata(path, f"version {content['version']!r}", f"version {VERSION}")
        return Metadata(
            _parsed_builds(content["builds"]),
            _texts(content["aliases"]),
            _list_of_texts(content["frozen_layers"]),
            _list_of_texts(content["frozen_weights"]),
            _list_of_texts(content.get("thawed", [])),
            dict(content.get("quantized", {})),
            _texts(content["dtypes"]),
            content["model"],
            content.get("compiled"),
            _training(content.get("training")),
        )
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        received = f"{type(error).__name__}: {str(error)[:200]}"
        raise _bad_metadata(path, received, "the JSON that Lamina writes") from error


def _training(described: Any) -> Training | None:
    if described is None:
        return None
    counts = [described[name] for name in ("seed", "epochs")]
    if not all(type(count) is int and 0 <= count < 1 << 63 for count in counts):
        raise ValueError("the seed or the number of epochs is not a count")
    return Training(_texts(described["names"]), *counts)


def _parsed_builds(builds: Any) -> list[Build]:
    found = [Build(_text(b["path"]), _text(b["method"]), b["specs"]) for b in builds]
    if len({(build.path, build.method) for build in found}) != len(found):
        raise ValueError("a layer is built twice by the same method")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is expected, not a {type(value).__name__}")
    return value


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is expected, not a {type(value).__name__}")
    return {name: _text(item) for name, item in cast("dict[str, Any]", value).items()}


def _list_of_texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"a list is expected, not a {type(value).__name__}")
    return [_text(item) for item in cast("list[Any]", value)]


def _bad_metadata(path: str, received: str, expected: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} has metadata that cannot be read.",
            expected=expected,
            received=received,
            remedy="Save the file again with this version of Lamina.",
        )
    )
