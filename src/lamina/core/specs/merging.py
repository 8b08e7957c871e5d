"""Merging the specs of traces with different trial sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.core.specs.spec import Arguments, Dim, Spec, map_specs

__all__ = ["DimNames", "merge_specs"]

DimNames = Mapping[tuple[Dim, Dim], str]
"""The names of unknown dims by their sizes in two traces."""


def merge_specs(
    earlier: Any,
    later: Any,
    names: DimNames | None = None,
    unmatched: Callable[[Spec], None] | None = None,
) -> Any:
    """Merge the specs of two traces with different trial sizes: dims that differ are unknown.

    Args:
        earlier: a pytree of specs, or `Arguments`, from the first trace; may have unknown dims.
        later: the same from the second trace.
        names: names of unknown dims by their sizes; None (default) for no names.
        unmatched: called with each later spec that is returned as it is, because the earlier trace
            has none of the same rank in its place; None (default) for no call.
    """
    if isinstance(later, Arguments):
        args = merge_specs(earlier.args, later.args, names, unmatched)
        return Arguments(args, merge_specs(earlier.kwargs, later.kwargs, names, unmatched))
    firsts: list[Spec] = []
    map_specs(firsts.append, earlier)
    pending = iter(firsts)

    def one(spec: Spec) -> Spec:
        other = next(pending, None)
        if other is not None and other.shape == spec.shape:
            return spec
        if other is None or len(other.shape) != len(spec.shape):
            if unmatched is not None:
                unmatched(spec)
            return spec
        pairs = zip(other.shape, spec.shape, strict=True)
        dims = [b if a == b else (names or {}).get((a, b)) for a, b in pairs]
        return Spec(tuple(dims), spec.dtype)

    return map_specs(one, later)
