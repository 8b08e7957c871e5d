"""The builds that a file tells of, to be gone through again."""

from __future__ import annotations

from collections.abc import Collection

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

__all__ = ["lacks", "no_specs", "planned", "request_of"]


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


def planned(
    root: Tracked, metadata: Metadata, goal: Collection[str], file: str
) -> dict[str, Wanted]:
    """The weights that a tree would have after the builds, by path; `goal` is what to look for."""
    maker = Maker()
    maker.trust(root)
    layers = dict(walk(root).layers.values())
    wanted: dict[str, Wanted] = {}
    for build in metadata.builds:
        layer = layers.get(build.path)
        missing = [name for name in goal if name not in wanted]
        if layer is None or (wanted and not lacks(build.path, missing)):
            continue
        for variable in make_plan(request_of(layer, build, maker, file)).variables:
            kind = (variable.shape, jnp.dtype(variable.dtype))
            wanted.setdefault(join(build.path, variable.path), kind)
    return wanted


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
