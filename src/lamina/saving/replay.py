"""The builds that a file tells of, to be gone through again."""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp

from lamina.core.build import Request, make_plan
from lamina.core.node import Tracked, site
from lamina.core.signature import method_of
from lamina.core.tracking import join, walk
from lamina.errors import FileFormatError, explain
from lamina.saving.making import Maker
from lamina.saving.matching import Wanted
from lamina.saving.metadata import Build, Metadata

__all__ = ["no_specs", "planned", "requests"]


def requests(root: Tracked, metadata: Metadata, file: str) -> Iterator[tuple[str, Request]]:
    """The builds as requests to a tree, with the path of the layer that each enters.

    Raises:
        FileFormatError: the specs of one are not known.
    """
    maker = Maker()
    maker.trust(root)
    layers = {path: layer for path, layer in walk(root).layers.values()}
    for build in metadata.builds:
        if build.path in layers:
            yield build.path, _request(layers[build.path], build, maker, file)


def _request(layer: Tracked, build: Build, maker: Maker, file: str) -> Request:
    if build.specs is None:
        raise no_specs(file, join(build.path, build.method))
    training = method_of(type(layer), build.method).training_default
    return Request(layer, build.method, maker.arguments(build.specs), training, site())


def planned(root: Tracked, metadata: Metadata, file: str) -> dict[str, Wanted]:
    """The weights that a tree would have after the builds, by path."""
    wanted: dict[str, Wanted] = {}
    for path, request in requests(root, metadata, file):
        for variable in make_plan(request).variables:
            wanted[join(path, variable.path)] = (variable.shape, jnp.dtype(variable.dtype))
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
