"""The methods of a layer by which a build that a file tells of may enter it."""

from __future__ import annotations

import inspect

from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.saving.allowed_names import ENTRIES
from lamina.saving.lookup import label

__all__ = ["check_entry", "is_entry"]


def is_entry(layer: Tracked, method: str) -> bool:
    """Whether the class defines the method as a way in: `call`, or a public one of its own.

    Its own are functions of the classes below Lamina's, of a name that no class of Lamina's has,
    and those of Lamina's models that are listed. So no file saves, exports or trains anything.
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
    """Let only ways in pass.

    Raises:
        FileFormatError: the method is another one.
    """
    if is_entry(layer, method):
        return
    name = type(layer).__name__
    raise FileFormatError(
        explain(
            f"{name} cannot be built from the specs in {file!r}: they enter {path or 'it'!r} by "
            f"{method[:60]!r}, which is no way in.",
            where=f"{name} was made at {layer._lamina.made_at}",
            expected="call, or a public method that the class itself defines for build(method=)",
            received="nothing of that name" if not hasattr(type(layer), method) else "another one",
            remedy="Give the file of this model; Lamina writes no entry by a method such as save.",
        )
    )
