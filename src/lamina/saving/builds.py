"""Repeating the builds that a file describes."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from lamina.core.base.sites import site
from lamina.core.building.quantization import adopting
from lamina.core.building.request import Request
from lamina.core.building.transaction import make_plan
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import join, walk
from lamina.errors import FileFormatError, explain
from lamina.saving.build_inputs import decoded_inputs
from lamina.saving.build_methods import check_entry
from lamina.saving.decoding import Decoder
from lamina.saving.lookup import Names
from lamina.saving.matching import Wanted
from lamina.saving.metadata import Build, Metadata

__all__ = ["Missing", "Planned", "missing_specs", "planned", "quantization_of_file", "request_of"]


def request_of(layer: Tracked, build: Build, file: str, classes: Names | None) -> Request:
    """Make the request to build a layer as a file describes it.

    Args:
        layer: the layer at the path of the build.
        build: the build in the file.
        file: the path of the file, for errors.
        classes: the classes that inputs of a whole model may name; None for a file of weights.

    Returns:
        The request.

    Raises:
        FileFormatError: the method is not allowed, or the specs are not in the file.
    """
    check_entry(layer, build.method, build.path, file)
    if build.specs is None:
        raise missing_specs(file, join(build.path, build.method))
    specs = decoded_inputs(build.specs, classes=classes)
    training = method_of(type(layer), build.method).training_default
    return Request(layer, build.method, specs, training, site())


@contextmanager
def quantization_of_file(metadata: Metadata, prefix: str) -> Generator[None]:
    """In a `with` block, layers that are built have the quantization that a file describes.

    Args:
        metadata: the metadata of the file.
        prefix: the path of the layer that is built.
    """

    def found(path: str) -> Any:
        described = metadata.quantized.get(join(prefix, path) if path else prefix)
        return None if described is None else Decoder(Names()).make(described)

    with adopting(found):
        yield


class Missing:
    """The names of weights that are not made yet, counted by the paths above them.

    Args:
        names: the paths of the weights.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self._below: dict[str, int] = {}
        for name in self.names:
            self._count(name, 1)

    def found(self, name: str) -> None:
        """Remove the name of a weight that is made."""
        if name in self.names:
            self.names.remove(name)
            self._count(name, -1)

    def at(self, path: str) -> bool:
        """Check whether a weight at or below a path is missing."""
        return self._below.get(path, 0) > 0

    def _count(self, name: str, more: int) -> None:
        above = name
        while above:
            self._below[above] = self._below.get(above, 0) + more
            above = above.rpartition(".")[0]
        self._below[""] = self._below.get("", 0) + more


@dataclass
class Planned:
    """The weights that builds would make, and the classes of the layers they call, by path."""

    weights: dict[str, Wanted] = field(default_factory=dict[str, Wanted])
    calls: dict[str, str] = field(default_factory=dict[str, str])


def planned(
    root: Tracked, metadata: Metadata, goal: Iterable[str], file: str, classes: Names | None
) -> Planned:
    """Plan the builds of a file without carrying them out.

    Args:
        root: the root of the tree.
        metadata: the metadata of the file.
        goal: the paths of the weights to look for.
        file: the path of the file, for errors.
        classes: the classes that inputs may name; None for a file of weights.

    Returns:
        The planned weights and calls.

    Raises:
        FileFormatError: a build is not allowed, or its specs are not in the file.
        BuildError: a build fails.
    """
    layers = dict(walk(root).layers.values())
    found, missing = Planned(), Missing(goal)
    for build in metadata.builds:
        layer = layers.get(build.path)
        if layer is None or (found.calls and not missing.at(build.path)):
            continue
        with quantization_of_file(metadata, build.path):
            plan = make_plan(request_of(layer, build, file, classes))
        for variable in plan.variables:
            kind = (variable.shape, jnp.dtype(variable.dtype))
            found.weights.setdefault(join(build.path, variable.path), kind)
            missing.found(join(build.path, variable.path))
        for call in plan.calls:
            found.calls.setdefault(join(build.path, call.path) or "the root", call.layer)
    return found


def missing_specs(file: str, name: str) -> FileFormatError:
    """Make the error of a file without the specs of a build."""
    return FileFormatError(
        explain(
            f"{file!r} does not contain the input specs of {name}.",
            expected="specs in the file's metadata, or a built layer",
            received="a file without specs, and an unbuilt layer",
            remedy="Call the layer once, or call build(...), before load_weights.",
        )
    )
