"""What a file says beside its arrays: how the layer was built, what is shared, what is frozen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from lamina.core.tree.walk import Tree
from lamina.errors import BuildError, FileFormatError, explain
from lamina.json_text import excess, read_json
from lamina.saving.build_methods import is_entry
from lamina.saving.encoding import Recorder
from lamina.saving.inputs import recorded_inputs

__all__ = ["Build", "Metadata", "describe", "parse", "text"]

FORMAT = "lamina"
VERSION = 1


@dataclass(frozen=True)
class Build:
    """How a layer of the tree was built: entered by which method, on what specs.

    ``specs`` are as a file holds them; None where an input was of a kind that no file can hold.
    """

    path: str
    method: str
    specs: Any


@dataclass
class Metadata:
    """What is known of a file's weights.

    Attributes:
        builds: in the order in which they are to be gone through again.
        aliases: other paths of shared weights, with the path each is stored under.
        frozen_layers: paths of layers whose own `trainable` is False.
        frozen_weights: paths of weights whose own `trainable` is False.
        dtypes: of arrays that are stored as bytes, by the name in the file.
        model: the root's class and arguments; None where the file holds weights alone.
    """

    builds: list[Build] = field(default_factory=list[Build])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    frozen_layers: list[str] = field(default_factory=list[str])
    frozen_weights: list[str] = field(default_factory=list[str])
    dtypes: dict[str, str] = field(default_factory=dict[str, str])
    model: Any = None

    def renamed(self, rename: Callable[[str], str]) -> Metadata:
        """The same, of a tree whose attributes have other names."""
        return Metadata(
            [replace(b, path=rename(b.path) if b.path else "") for b in self.builds],
            {rename(alias): rename(path) for alias, path in self.aliases.items()},
            [rename(path) for path in self.frozen_layers],
            [rename(path) for path in self.frozen_weights],
            self.dtypes,
            self.model,
        )


def _builds_of(tree: Tree, recorder: Recorder | None) -> list[Build]:
    """How each layer was built, from the root down.

    Of a layer that was entered from outside all entries count; of the others it is how they were
    first reached, for what the builds of the layers above do not come to again. Entries by methods
    that no file may enter by are left out.
    """
    found: list[Build] = []
    for path, layer in tree.layers.values():
        built = layer._lamina.built
        if built is not None:
            entries = built.entries or {built.method: built.inputs}
            found += [
                Build(path, method, recorded_inputs(layer, method, specs, recorder))
                for method, specs in entries.items()
                if is_entry(layer, method)
            ]
    return found


def describe(tree: Tree, recorder: Recorder | None = None) -> Metadata:
    """All that a file says of a tree, but for the root's class; of a whole model with a recorder,
    which may name classes of inputs."""
    weights = {path for path, variable in tree.variables.values() if not variable.trainable}
    layers = [path for path, layer in tree.layers.values() if not layer._lamina.trainable]
    return Metadata(_builds_of(tree, recorder), tree.all_aliases(), layers, sorted(weights))


def text(metadata: Metadata) -> dict[str, str]:
    """The metadata as a file holds it: one text, so that equal trees give equal files.

    Raises:
        BuildError: it is larger or deeper than what would be read again.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "builds": [vars(build) for build in metadata.builds],
        "aliases": metadata.aliases,
        "frozen_layers": metadata.frozen_layers,
        "frozen_weights": metadata.frozen_weights,
        "dtypes": metadata.dtypes,
        "model": metadata.model,
    }
    written = json.dumps(content, sort_keys=True, allow_nan=False)
    problem = excess(written)
    if problem is not None:
        raise BuildError(
            explain(
                "The description of the model is too large to be read again.",
                expected="fewer layers, and fewer of them in each other",
                received=problem,
                remedy="Use save_weights, or save the model in parts.",
            )
        )
    return {FORMAT: written}


def parse(given: dict[str, str], path: str) -> Metadata:
    """The metadata of a file; empty where another library wrote it.

    Raises:
        FileFormatError: it is damaged, or of a later version.
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
            _texts(content["dtypes"]),
            content["model"],
        )
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        received = f"{type(error).__name__}: {str(error)[:200]}"
        raise _bad_metadata(path, received, "the JSON that Lamina writes") from error


def _parsed_builds(builds: Any) -> list[Build]:
    found = [Build(_text(b["path"]), _text(b["method"]), b["specs"]) for b in builds]
    if len({(build.path, build.method) for build in found}) != len(found):
        raise ValueError("a layer is built twice by one method")
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
            remedy="Save the file again, with this version of Lamina.",
        )
    )
