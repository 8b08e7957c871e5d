"""The methods by which a build that a file describes may call a layer."""

from __future__ import annotations

import inspect

from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.saving.allowed_names import ENTRIES
from lamina.saving.lookup import label

__all__ = ["check_entry", "is_allowed"]


def is_allowed(layer: Tracked, method: str) -> bool:
    """Check whether a file may name a method: `call`, or a public method of the user's class.

    Methods of Lamina's classes are not allowed unless they are listed, nor are methods that
    override one of them. So no file can save, export or train anything.

    Args:
        layer: the layer that is built.
        method: the name of the method.

    Returns:
        Whether the method is allowed.
    """
    if method == "call":
        return True
    kinds = type(layer).__mro__
    ours = next(at for at, kind in enumerate(kinds) if kind.__module__.startswith("lamina."))
    listed = any(f"{label(kind)}:{method}" in ENTRIES for kind in kinds)
    if listed:
        return True
    known = any(method in vars(kind) for kind in kinds[ours:])
    own = next((vars(kind)[method] for kind in kinds[:ours] if method in vars(kind)), None)
    return not method.startswith("_") and not known and inspect.isfunction(own)


def check_entry(layer: Tracked, method: str, path: str, file: str) -> None:
    """Raise an error if a file may not name a method.

    Args:
        layer: the layer that is built.
        method: the name of the method.
        path: the path of the layer in its tree.
        file: the path of the file.

    Raises:
        FileFormatError: the method is not allowed.
    """
    if is_allowed(layer, method):
        return
    name = type(layer).__name__
    raise FileFormatError(
        explain(
            f"{name} cannot be built from the specs in {file!r}: they call {path or 'it'!r} by "
            f"{method[:60]!r}, which is not a method for builds.",
            where=f"{name} was made at {layer._lamina.made_at}",
            expected="call, or a public method that the class itself defines for build(method=)",
            received="no such method" if not hasattr(type(layer), method) else "another method",
            remedy="Pass the file of this model; Lamina does not write such methods.",
        )
    )
