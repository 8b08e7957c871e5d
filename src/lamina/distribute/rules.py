"""Rules that give weights a partition by patterns of their paths."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from jax.sharding import PartitionSpec

from lamina.errors import InputError, closest, explain

__all__ = [
    "Rule",
    "as_patterns",
    "as_rules",
    "check_patterns",
    "first_match",
    "matches",
    "names_axes",
]


class Rule(NamedTuple):
    """A partition for the weights whose paths match a pattern."""

    pattern: str
    partition: PartitionSpec


def as_rules(rules: Iterable[Any]) -> tuple[Rule, ...]:
    """Check rules, pairs of a pattern and a partition.

    A partition may be a ``PartitionSpec``, or a tuple or list of axis names and None.

    Raises:
        InputError: one of them is no such pair.

    >>> [tuple(rule.partition) for rule in as_rules([("**.kernel", (None, "model"))])]
    [(None, 'model')]
    """
    if isinstance(rules, str | Mapping) or not isinstance(rules, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(_no_rule("The rules of a placement are not a list of pairs.", rules))
    return tuple(map(_as_rule, rules))


def as_patterns(what: str, patterns: str | Iterable[str]) -> tuple[str, ...]:
    """Check patterns; one may be passed alone.

    Args:
        what: what the patterns are, for the error.
        patterns: the patterns.

    Raises:
        InputError: they are no strings.
    """
    found: Any = (patterns,) if isinstance(patterns, str) else patterns
    if isinstance(found, Iterable):
        found = tuple(cast(Iterable[Any], found))
        if all(isinstance(one, str) for one in found):
            return found
    raise InputError(
        explain(
            f"{what} of a placement are not patterns of paths.",
            expected='a list of strings, such as ["blocks.*"]',
            received=repr(patterns),
            remedy="Write each pattern as a string.",
        )
    )


def names_axes(partition: PartitionSpec) -> bool:
    """Return whether each entry is the name of an axis, a tuple of names, or None.

    >>> names_axes(PartitionSpec(None, ("data", "model"))), names_axes(PartitionSpec(3))
    (True, False)
    """
    if partition.unreduced or partition.reduced:
        return False
    names: list[Any] = []
    for entry in cast(Any, partition.partitions):
        names += entry if isinstance(entry, tuple) else (entry,)
    return all(name is None or isinstance(name, str) for name in names)


def _as_rule(rule: Any) -> Rule:
    if isinstance(rule, tuple | list) and len(rule) == 2:  # pyright: ignore[reportUnknownArgumentType]
        pattern, partition = rule  # pyright: ignore[reportUnknownVariableType]
        if isinstance(pattern, str) and pattern:
            if isinstance(partition, PartitionSpec):
                return Rule(pattern, partition)
            if partition is None:
                return Rule(pattern, PartitionSpec())
            if isinstance(partition, tuple | list):
                return Rule(pattern, PartitionSpec(*partition))  # pyright: ignore[reportUnknownArgumentType]
    text = "A rule of a placement is not a pair of a pattern and a partition."
    raise InputError(_no_rule(text, rule))


def _no_rule(problem: str, received: Any) -> str:
    return explain(
        problem,
        expected='pairs such as ("**.kernel", PartitionSpec(None, "model"))',
        received=repr(received),
        remedy="Write the pattern as a string, and the partition as a PartitionSpec.",
    )


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: `*` is any text within a name, `**` any number of names."""
    parts = pattern.split(".")
    text = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            text += r"(?:[^.]+(?:\.[^.]+)*)?" if last else r"(?:[^.]+\.)*"
            continue
        text += "".join(
            r"[^.]*" if one == "*" else r"[^.]" if one == "?" else re.escape(one) for one in part
        )
        text += "" if last else r"\."
    return re.compile(text)


def matches(pattern: str, path: str) -> bool:
    """Return whether a path matches a pattern.

    ``*`` stands for any text without a dot, ``?`` for one character, and ``**`` for any number of
    names with their dots, also none.

    >>> matches("**.kernel", "blocks.0.up.kernel"), matches("**.kernel", "kernel")
    (True, True)
    >>> matches("blocks.*.kernel", "blocks.0.up.kernel")
    False
    """
    return _expression(pattern).fullmatch(path) is not None


def first_match(rules: Sequence[Rule], path: str) -> Rule | None:
    """Return the first rule whose pattern matches a path.

    >>> first_match(as_rules([("*.bias", ("data",))]), "up.kernel") is None
    True
    """
    return next((rule for rule in rules if matches(rule.pattern, path)), None)


def check_patterns(what: str, patterns: Iterable[str], paths: Sequence[str]) -> None:
    """Check that each pattern matches a path.

    Args:
        what: what the patterns are, for the error.
        patterns: the patterns.
        paths: of all weights, or of all layers.

    Raises:
        InputError: one matches none.
    """
    for pattern in patterns:
        if not any(matches(pattern, path) for path in paths):
            close = closest(pattern, paths)
            some = ", ".join(map(repr, paths[:4]))
            raise InputError(
                explain(
                    f"The {what} {pattern!r} of the placement matches nothing.",
                    expected=f"a pattern of paths, such as {some}",
                    received=repr(pattern),
                    remedy="Change it or remove it."
                    if close is None
                    else f"Did you mean {close!r}?",
                )
            )
