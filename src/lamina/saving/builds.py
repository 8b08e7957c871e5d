"""The builds that a file tells of, to be gone through again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import jax.numpy as jnp

from lamina.core.base.sites import site
from lamina.core.building.request import Request
from lamina.core.building.transaction import make_plan
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import join, walk
from lamina.errors import FileFormatError, explain
from lamina.saving.build_methods import check_entry
from lamina.saving.inputs import inputs_of
from lamina.saving.lookup import Names
from lamina.saving.matching import Wanted
from lamina.saving.metadata import Build, Metadata

__all__ = ["Missing", "Planned", "no_specs", "planned", "request_of"]


def request_of(layer: Tracked, build: Build, file: str, classes: Names | None) -> Request:
    """A build as a request to the layer that stands where the built one stood.

    Args:
        layer: that stands there.
        build: of the file.
        file: its path, for errors.
        classes: of a whole model, what the names of classes among its inputs stand for.

    Raises:
        FileFormatError: the method is no way in, or its specs are not known.
    """
    check_entry(layer, build.method, build.path, file)
    if build.specs is None:
        raise no_specs(file, join(build.path, build.method))
    specs = inputs_of(build.specs, classes=classes)
    training = method_of(type(layer), build.method).training_default
    return Request(layer, build.method, specs, training, site())


class Missing:
    """Names of weights that are yet to be made, known by the paths that they stand below."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self._below: dict[str, int] = {}
        for name in self.names:
            self._count(name, 1)

    def found(self, name: str) -> None:
        if name in self.names:
            self.names.remove(name)
            self._count(name, -1)

    def at(self, path: str) -> bool:
        """Whether something at or below a path is missing."""
        return self._below.get(path, 0) > 0

    def _count(self, name: str, more: int) -> None:
        above = name
        while above:
            self._below[above] = self._below.get(above, 0) + more
            above = above.rpartition(".")[0]
        self._below[""] = self._below.get("", 0) + more


@dataclass
class Planned:
    """What the builds would make of a tree: weights, and classes of layers called, by path."""

    weights: dict[str, Wanted] = field(default_factory=dict[str, Wanted])
    calls: dict[str, str] = field(default_factory=dict[str, str])


def planned(
    root: Tracked, metadata: Metadata, goal: Iterable[str], file: str, classes: Names | None
) -> Planned:
    """What the builds would make of a tree; `goal` are the weights to look for."""
    layers = dict(walk(root).layers.values())
    found, missing = Planned(), Missing(goal)
    for build in metadata.builds:
        layer = layers.get(build.path)
        if layer is None or (found.calls and not missing.at(build.path)):
            continue
        plan = make_plan(request_of(layer, build, file, classes))
        for variable in plan.variables:
            kind = (variable.shape, jnp.dtype(variable.dtype))
            found.weights.setdefault(join(build.path, variable.path), kind)
            missing.found(join(build.path, variable.path))
        for call in plan.calls:
            found.calls.setdefault(join(build.path, call.path) or "the root", call.layer)
    return found


def no_specs(file: str, name: str) -> FileFormatError:
    """A file does not say for which inputs something was built."""
    return FileFormatError(
        explain(
            f"{file!r} does not say for which inputs {name} was built.",
            expected="specs in the file's metadata, or a layer that is built",
            received="a file without them, and a layer that is not built",
            remedy="Call the layer once, or build(...) it, and load the weights then.",
        )
    )
