"""Matching the arrays of a file to the weights of a tree, and reporting mismatches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.errors import FileFormatError, explain, nearest
from lamina.saving.header import Entry

__all__ = ["Match", "Wanted", "cast", "match", "mismatch_error", "skipped"]

Wanted = tuple[tuple[int, ...], Any]
"""The shape and dtype of a weight."""

_MOST_PAIRS = 100_000  # the most pairs of names to compare for a remedy
_MOST_LINES = 200  # the most entries that an error lists
_MOST_NEAR = 100  # the most names, and characters of each, to search for a similar one

_KINDS = (np.bool_, jnp.integer, jnp.floating, jnp.complexfloating)


@dataclass
class Match:
    """The result of comparing a tree with a file.

    Attributes:
        sources: the name of the entry of each weight, by path.
        missing: weights without an entry, by path.
        unexpected: entries without a weight, by name.
        differing: weights whose entry has another shape or kind of dtype, by path.
        doubtful: entries of shared weights that are stored twice, with the other path; the values
            must be equal.
    """

    sources: dict[str, str] = field(default_factory=dict[str, str])
    missing: dict[str, Wanted] = field(default_factory=dict[str, Wanted])
    unexpected: dict[str, Entry] = field(default_factory=dict[str, Entry])
    differing: dict[str, tuple[Wanted, Entry]] = field(
        default_factory=dict[str, tuple[Wanted, Entry]]
    )
    doubtful: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def fits(self) -> bool:
        """Whether every weight has an entry, and every entry a weight."""
        return not (self.missing or self.unexpected or self.differing)


def match(
    wanted: Mapping[str, Wanted],
    tree_aliases: Mapping[str, str],
    entries: Mapping[str, Entry],
    file_aliases: Mapping[str, str],
) -> Match:
    """Compare the weights of a tree with the entries of a file.

    Args:
        wanted: the shape and dtype of each weight, by path.
        tree_aliases: other paths of shared weights in the tree.
        entries: the entries of the file, by name.
        file_aliases: other paths of shared weights in the file.

    Returns:
        What matches and what does not.
    """
    found = Match()
    for path, (shape, dtype) in wanted.items():
        name = path if path in entries else file_aliases.get(path)
        if name is None or name not in entries:
            found.missing[path] = (shape, dtype)
            continue
        found.sources[path] = name
        entry = entries[name]
        if entry.shape != shape or _kind(entry.dtype) != _kind(dtype):
            found.differing[path] = ((shape, dtype), entry)
    used = set(found.sources.values())
    for name, entry in entries.items():
        if name in used:
            continue
        if tree_aliases.get(name) in found.sources:
            found.doubtful[name] = tree_aliases[name]
        else:
            found.unexpected[name] = entry
    return found


def _kind(dtype: Any) -> int:
    """The kind of a dtype; arrays are cast within a kind only."""
    return next((i for i, kind in enumerate(_KINDS) if jnp.issubdtype(dtype, kind)), -1)


def cast(array: Any, dtype: Any, path: str) -> Any:
    """Cast an array to a weight's dtype; integers must keep their values.

    Args:
        array: the array, of NumPy or JAX.
        dtype: the dtype of the weight.
        path: the path of the weight, for the error.

    Returns:
        The array in the dtype.

    Raises:
        FileFormatError: an integer is out of range.
    """
    with np.errstate(over="ignore"):
        made = array.astype(dtype, copy=False)
    if jnp.issubdtype(dtype, jnp.integer) and not bool((made == array).all()):
        raise FileFormatError(
            explain(
                f"The values of {path!r} in the file are out of range of {dtype}.",
                expected=str(dtype),
                received=str(array.dtype),
                remedy="Make the weight with the dtype of the file.",
            )
        )
    return made


def mismatch_error(file: str, model: str, found: Match, made_at: object) -> FileFormatError:
    """Make the error that lists every mismatch.

    Args:
        file: the path of the file.
        model: the name of the model's class.
        found: the result of :func:`match`.
        made_at: where the model was made.

    Returns:
        The error, to raise.
    """
    lines = _lines(found)
    count = len(lines)
    symptom = f"{file!r} does not match {model}: {count} entr{'y' if count == 1 else 'ies'}."
    weights = len(found.missing) + len(found.sources)
    entries = len(found.unexpected) + len(found.sources) + len(found.doubtful)
    return FileFormatError(
        explain(
            "\n".join([symptom, *_shortened(lines)]),
            where=f"{model} was made at {made_at}",
            expected=f"one entry for each of {weights} weights; nothing was changed",
            received=f"{entries} entries",
            remedy=_remedy(found),
        )
    )


def skipped(file: str, model: str, found: Match, made_at: object) -> str:
    """Make the text of the warning that lists what a partial load left out.

    Args:
        file: the path of the file.
        model: the name of the model's class.
        found: the result of :func:`match`.
        made_at: where the model was made.

    Returns:
        The text.
    """
    lines = _lines(found)
    symptom = f"{len(lines)} weights of {model} and entries of {file!r} were skipped."
    return explain(
        "\n".join([symptom, *_shortened(lines)]),
        where=f"{model} was made at {made_at}",
        received=f"{len(found.sources)} weights with an entry of the same name and shape",
        remedy="Pass rename={old: new} for weights of other names; the weights that are missing "
        "or of another shape keep their values.",
    )


def _lines(found: Match) -> list[str]:
    """A line for each mismatch."""
    lines = [f"  missing:    {path} {_text(*wanted)}" for path, wanted in found.missing.items()]
    lines += [
        f"  unexpected: {path} {_text(entry.shape, entry.dtype)}"
        for path, entry in found.unexpected.items()
    ]
    for path, (wanted, entry) in found.differing.items():
        word = "shape:     " if wanted[0] != entry.shape else "dtype:     "
        lines.append(
            f"  {word} {path}, expected {_text(*wanted)}, got {_text(entry.shape, entry.dtype)}"
        )
    return lines


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"  and {more:,} more"]


def _text(shape: tuple[int, ...], dtype: Any) -> str:
    return f"{shape} {dtype}"


def _remedy(found: Match) -> str:
    renames = _renames(found)
    if renames:
        return f"If these are the same weights under other names, pass rename={renames!r}."
    names = [name for name in found.unexpected if len(name) <= _MOST_NEAR]
    first = next(iter(found.missing), "")
    if first and len(first) <= _MOST_NEAR and 0 < len(names) <= _MOST_NEAR:
        return nearest(first, names)
    return "Pass the file of this model, or make the model with the arguments it was saved with."


def _renames(found: Match) -> dict[str, str]:
    """Prefixes of names in the file whose renaming would resolve all missing weights, or none."""
    if len(found.missing) * len(found.unexpected) > _MOST_PAIRS:
        return {}
    renames: dict[str, str] = {}
    left = dict(found.unexpected)
    for path, (shape, _) in found.missing.items():
        fitting = [name for name, entry in left.items() if entry.shape == shape]
        name = max(fitting, key=lambda name: len(_common_end(name, path)), default=None)
        if name is None or not _common_end(name, path):
            return {}
        del left[name]
        end = len(_common_end(name, path))
        old, new = (".".join(one.split(".")[:-end]) for one in (name, path))
        if renames.setdefault(old, new) != new:
            return {}
    return renames


def _common_end(left: str, right: str) -> list[str]:
    """The trailing parts that two paths have in common, in reverse order."""
    ends = zip(reversed(left.split(".")), reversed(right.split(".")), strict=False)
    found: list[str] = []
    for a, b in ends:
        if a != b:
            break
        found.append(a)
    return found
