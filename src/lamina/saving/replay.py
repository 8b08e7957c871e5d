"""The builds that a file tells of, to be gone through again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import jax.numpy as jnp

from lamina.core.build import make_plan
from lamina.core.node import Tracked, site
from lamina.core.passes import Request
from lamina.core.signature import method_of
from lamina.core.tracking import join, walk
from lamina.errors import FileFormatError, explain
from lamina.saving.making import Maker
from lamina.saving.matching import Wanted, tail
from lamina.saving.metadata import Build, Metadata

__all__ = ["Planned", "lacks", "no_specs", "planned", "request_of"]


def request_of(layer: Tracked, build: Build, maker: Maker, file: str) -> Request:
    """A build as a request to the layer that stands where the built one stood.

    Raises:
        FileFormatError: its specs are not known.
    """
    if build.specs is None:
        raise no_specs(file, join(build.path, build.method))
    training = method_of(type(layer), build.method).training_default
    return Request(layer, build.method, maker.arguments(build.specs), training, site())


def lacks(path: str, missing: Collection[str]) -> bool:
    """Whether something at or below a path is missing."""
    return any(tail(name, path) is not None for name in missing)


@dataclass
class Planned:
    """What the builds would make of a tree: weights, and classes of layers called, by path."""

    weights: dict[str, Wanted] = field(default_factory=dict[str, Wanted])
    calls: dict[str, str] = field(default_factory=dict[str, str])


def planned(root: Tracked, metadata: Metadata, goal: Collection[str], file: str) -> Planned:
    """What the builds would make of a tree; `goal` are the weights to look for."""
    maker = Maker()
    maker.trust(root)
    layers = dict(walk(root).layers.values())
    found = Planned()
    for build in metadata.builds:
        layer = layers.get(build.path)
        missing = [name for name in goal if name not in found.weights]
        if layer is None or (found.calls and not lacks(build.path, missing)):
            continue
        plan = make_plan(request_of(layer, build, maker, file))
        for variable in plan.variables:
            kind = (variable.shape, jnp.dtype(variable.dtype))
            found.weights.setdefault(join(build.path, variable.path), kind)
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
