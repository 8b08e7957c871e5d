"""What a file says beside its arrays: how the layer was built, what is shared, what is frozen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from lamina.core.specs import Arguments
from lamina.core.tracking import Tree
from lamina.errors import FileFormatError, explain
from lamina.saving.recording import Recorder, UnrecordableError

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


def _builds_of(tree: Tree) -> list[Build]:
    """How each layer was built, from the root down.

    Of a layer that was entered from outside all entries count; of the others it is how they were
    first reached, for what the builds of the layers above do not come to again.
    """
    found: list[Build] = []
    for path, layer in tree.layers.values():
        built = layer._lamina.built
        if built is not None:
            entries = built.entries or {built.method: built.inputs}
            found += [Build(path, method, _recorded(specs)) for method, specs in entries.items()]
    return found


def describe(tree: Tree) -> Metadata:
    """All that a file says of a tree, but for the root's class."""
    weights = {path for path, variable in tree.variables.values() if not variable.trainable}
    layers = [path for path, layer in tree.layers.values() if not layer._lamina.trainable]
    return Metadata(_builds_of(tree), tree.all_aliases(), layers, sorted(weights))


def text(metadata: Metadata) -> dict[str, str]:
    """The metadata as a file holds it: one text, so that equal trees give equal files."""
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
    return {FORMAT: json.dumps(content, sort_keys=True, allow_nan=False)}


def _recorded(specs: Arguments) -> Any:
    try:
        return Recorder().arguments(specs, "the specs")
    except UnrecordableError:
        return None


def parse(given: dict[str, str], path: str) -> Metadata:
    """The metadata of a file; empty where another library wrote it.

    Raises:
        FileFormatError: it is damaged, or of a later version.
    """
    if FORMAT not in given:
        return Metadata()
    try:
        content = cast("dict[str, Any]", json.loads(given[FORMAT]))
        if content["version"] != VERSION:
            raise _bad_metadata(path, f"version {content['version']!r}", f"version {VERSION}")
        return Metadata(
            [
                Build(str(build["path"]), str(build["method"]), build["specs"])
                for build in content["builds"]
            ],
            {str(alias): str(path) for alias, path in content["aliases"].items()},
            [str(path) for path in content["frozen_layers"]],
            [str(path) for path in content["frozen_weights"]],
            {str(path): str(dtype) for path, dtype in content["dtypes"].items()},
            content["model"],
        )
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        received = f"{type(error).__name__}: {error}"
        raise _bad_metadata(path, received, "the JSON that Lamina writes") from error


def _bad_metadata(path: str, received: str, expected: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} has metadata that cannot be read.",
            expected=expected,
            received=received,
            remedy="Save the file again, with this version of Lamina.",
        )
    )
