"""Renaming the paths of a file to the paths of a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from lamina.errors import InputError, explain, nearest

__all__ = ["renaming", "tail"]


def renaming(rename: Mapping[str, str] | None, names: list[str]) -> Callable[[str], str]:
    """Make a function that renames paths of the file to paths of the tree.

    Args:
        rename: new names by old ones, of whole paths or of prefixes; None for no renaming.
        names: all names in the file.

    Returns:
        The function.

    Raises:
        InputError: an old name is not in the file, or two entries get the same name.
    """
    if not isinstance(rename, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            explain(
                "rename is not a dict.",
                expected="{name in the file: name in the tree}",
                received=repr(rename),
                remedy="Write rename={'old': 'new'}.",
            )
        )
    given = dict(rename or {})
    for old in given:
        if not any(tail(name, old) is not None for name in names):
            raise InputError(
                explain(
                    f"rename contains {old!r}, which is not in the file.",
                    expected="paths in the file, or prefixes of them up to a dot",
                    received=repr(old),
                    remedy=nearest(old, {*names, *(name.rpartition(".")[0] for name in names)}),
                )
            )

    def new_name(name: str) -> str:
        for old in sorted(given, key=len, reverse=True):
            rest = tail(name, old)
            if rest is not None:
                return ".".join(part for part in (given[old], rest) if part)
        return name

    made = [new_name(name) for name in names]
    counts = Counter(made)
    twice = next((name for name in made if counts[name] > 1), None) if given else None
    if twice is not None:
        both = [name for name, renamed in zip(names, made, strict=True) if renamed == twice]
        raise InputError(
            explain(
                f"rename maps two entries of the file to {twice!r}.",
                expected="a unique name for each entry",
                received=", ".join(both),
                remedy="Rename the other entry too.",
            )
        )
    return new_name


def tail(name: str, start: str) -> str | None:
    """Return the rest of a path after a prefix.

    Args:
        name: a path.
        start: a prefix, up to a dot.

    Returns:
        The rest; None if the path does not have the prefix.

    >>> tail("encoder.dense.kernel", "encoder"), tail("encoder", "decoder")
    ('dense.kernel', None)
    """
    if not start:
        return name
    if name == start:
        return ""
    return name[len(start) + 1 :] if name.startswith(start + ".") else None
