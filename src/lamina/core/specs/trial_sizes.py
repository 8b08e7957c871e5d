"""Trial sizes of unknown dims."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lamina.core.specs.merging import DimNames
from lamina.core.specs.spec import Dim

__all__ = ["KNOWN", "TrialSizes", "listed"]


@dataclass(frozen=True)
class TrialSizes:
    """The sizes of unknown dims in one trace.

    Attributes:
        nameless: size of the dims without a name.
        names: the named dims.
        spread: whether each named dim has a different multiple of `nameless` as its size, which
            identifies it; False by default: all have the size `nameless`.
        batch: size of the dims on the first axis; None (default) for the same as on other axes.
        batch_names: the named dims that are a first axis of an input.
        trial: whether there are unknown dims; True by default.
    """

    nameless: int
    names: tuple[str, ...] = ()
    spread: bool = False
    batch: int | None = None
    batch_names: tuple[str, ...] = ()
    trial: bool = True

    def shape(self, dims: tuple[Dim, ...]) -> tuple[int, ...]:
        """Return a shape with trial sizes in place of unknown dims."""
        return tuple([self.of(dim, axis) for axis, dim in enumerate(dims)])

    def of(self, dim: Dim, axis: int = -1) -> int:
        """Return the size of a dim on an axis, or its trial size if it is unknown."""
        if isinstance(dim, int):
            return dim
        if self.batch is not None and (axis == 0 if dim is None else dim in self.batch_names):
            return self.batch
        if dim is None or not self.spread:
            return self.nameless
        return self.nameless * (self.names.index(dim) + 2)

    def names_after(self, earlier: list[TrialSizes]) -> DimNames:
        """Return the names of dims that differ between earlier traces and this one.

        A dim keeps its name only if its sizes are those of one name in all of the traces.
        """
        trials = [*earlier, self]
        sizes = {name: tuple(trial.of(name) for trial in trials) for name in self.names}
        others = [tuple(trial.of(None, axis) for trial in trials) for axis in (0, 1)]
        found: dict[tuple[Dim, Dim], str] = {}
        for name, own in sizes.items():
            if [*sizes.values(), *others].count(own) == 1:
                found[name, own[-1]] = name
                if len(set(own[:-1])) == 1:
                    found[own[0], own[-1]] = name
        return found


KNOWN = TrialSizes(1, trial=False)
"""The sizes of inputs whose dims are all known."""

_MOST_LISTED = 12


def listed(tried: Iterable[TrialSizes]) -> str:
    """Return a text with the sizes that were tried, such as ``1 to 64, 72, 80``.

    >>> listed([TrialSizes(1), TrialSizes(96), TrialSizes(2)])
    '1, 2, 96'
    """
    sizes = sorted({trial.nameless for trial in tried})
    runs: list[list[int]] = []
    for size in sizes:
        if runs and size == runs[-1][-1] + 1:
            runs[-1].append(size)
        else:
            runs.append([size])
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    if len(texts) > _MOST_LISTED:
        texts = [*texts[: _MOST_LISTED - 1], "...", f"{sizes[-1]} ({len(sizes)} sizes)"]
    return ", ".join(texts)
