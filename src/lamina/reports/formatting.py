"""Formatting of specs, places and numbers in reports."""

from __future__ import annotations

import functools
import inspect
import math
import os
from typing import Any

from lamina.core.base.sites import Site
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Spec, map_specs
from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError

__all__ = ["count", "inputs_text", "place", "size_text", "source_of", "specs_text"]


def inputs_text(layer: Tracked) -> str:
    """Describe the inputs that a layer was built for.

    Args:
        layer: a layer.

    Returns:
        The specs by name, as text; empty if the layer is not built.
    """
    built = layer._lamina.built
    if built is None:
        return ""
    try:
        named = method_of(type(layer), built.method).bind(built.inputs.args, built.inputs.kwargs)
    except LaminaError:
        return str(built.inputs)
    given = [f"{name}: {specs_text(value)}" for name, value in named.items() if value is not None]
    return ", ".join(given) or "nothing"


def specs_text(tree: Any) -> str:
    """Format specs, and containers of specs, in one line.

    Args:
        tree: specs, and lists, tuples and dicts of them.

    Returns:
        The text.
    """
    if isinstance(tree, Spec):
        return str(tree)
    if isinstance(tree, dict | list | tuple):
        words = map_specs(_Words, tree)
        return repr(words)
    return repr(tree)


class _Words(Spec):
    """A spec whose repr is its short text, for use in lists and dicts."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.shape, spec.dtype)

    def __repr__(self) -> str:
        return str(self)


def source_of(kind: type) -> str:
    """Return where a class is defined.

    Args:
        kind: a class.

    Returns:
        File and line; or the module if there is no source.
    """
    found = _source_site(kind)
    return f"{kind.__module__} (source not available)" if found is None else place(found)


@functools.lru_cache(256)
def _source_site(kind: type) -> Site | None:
    try:
        return Site(str(inspect.getsourcefile(kind)), inspect.getsourcelines(kind)[1])
    except (OSError, TypeError):
        return None


def place(at: Site) -> str:
    """Format a line of a file, relative to the working directory if the file is below it.

    Args:
        at: file and line.

    Returns:
        The text ``file:line``.
    """
    try:
        relative = os.path.relpath(at.file)
    except ValueError:  # on another drive
        return str(at)
    return (
        str(at) if relative.startswith("..") or at.file.startswith("<") else f"{relative}:{at.line}"
    )


def count(number: int, noun: str) -> str:
    """Format a number with a noun in the right number.

    Args:
        number: a non-negative integer.
        noun: the noun in the singular.

    Returns:
        The text.

    >>> count(1, "layer"), count(1200, "parameter")
    ('1 layer', '1,200 parameters')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(nbytes: int) -> str:
    """Format a number of bytes in bytes, KiB, MiB, GiB or TiB.

    Args:
        nbytes: a non-negative integer.

    Returns:
        The text.

    >>> size_text(407080)
    '397.5 KiB'
    """
    power = min(int(math.log(max(nbytes, 1), 1024)), 4)
    if power == 0:
        return count(nbytes, "byte")
    return f"{nbytes / 1024**power:,.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"
