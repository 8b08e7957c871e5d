"""A progress bar for loops of one's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from lamina.compat.keras.config import is_interactive_logging_enabled
from lamina.compat.keras.utils.arguments import wrong

__all__ = ["Progbar"]


class Progbar:
    """A progress bar with the means of values, and with the last values at the end.

    Args:
        target: int, the number of steps; None if it is unknown.
        width: int, the width of the bar in characters. Default 20.
        verbose: 0 for nothing, 1 (default) for a bar, 2 for one line at the end.
        interval: the least time between two updates in seconds. Default 0.05.
        stateful_metrics: names of values that are shown as they are. Default None: no.
        stateless_metrics: names of values of which the mean is shown. Default None: all.
        unit_name: the name of a step. Default ``"step"``.

    Raises:
        InputError: both kinds of names are given.

    >>> bar = Progbar(2, verbose=2)
    >>> bar.update(1, [("loss", 1.0)])
    >>> bar.update(2, [("loss", 0.5)])  # doctest: +ELLIPSIS
    2/2 - ... - loss: 0.5000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise wrong(
                "A Progbar got the names of both kinds of values.",
                "stateful_metrics or stateless_metrics",
                "both",
                "Leave one out.",
            )
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self._as_they_are = set(stateful_metrics or ())
        self._means = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._start = time.monotonic()
        self._last = float("-inf")

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show that a number of steps is done.

        Args:
            current: the number of steps.
            values: names and values of the last steps. Default None.
            finalize: whether it is the last update, whose values are shown as they are. Default
                None: at the target.
        """
        done = finalize
        if done is None:
            done = self.target is not None and current >= self.target
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            one = name in self._as_they_are or (self._means is not None and name not in self._means)
            one = one or done
            total, weight = (0.0, 0.0) if one else self._sums.get(name, (0.0, 0.0))
            self._sums[name] = total + float(value) * steps, weight + steps
        self._seen = current
        now = time.monotonic()
        if self.verbose == 0 or (self.verbose == 2 and not done):
            return
        if not done and now - self._last < self.interval:
            return
        self._last = now
        bar = self.verbose == 1 and is_interactive_logging_enabled()
        sys.stdout.write(("\r" if bar else "") + self._line(bar, now, done))
        sys.stdout.write("\n" if done or not bar else "")
        sys.stdout.flush()

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that further steps are done.

        Args:
            n: their number.
            values: see :meth:`update`.
        """
        self.update(self._seen + n, values)

    def _line(self, bar: bool, now: float, done: bool) -> str:
        parts = [f"{self._seen}/{'?' if self.target is None else self.target}"]
        if bar and self.target:
            full = int(self.width * min(self._seen / self.target, 1))
            parts[0] += " [" + "=" * full + "." * (self.width - full) + "]"
        seconds = now - self._start
        each = seconds / max(self._seen, 1)
        left = each * max((self.target or self._seen) - self._seen, 0)
        parts.append(f"{seconds if done else left:.0f}s {1000 * each:.0f}ms/{self.unit_name}")
        for name, (total, weight) in self._sums.items():
            mean = total / weight
            parts.append(f"{name}: {mean:.4f}" if abs(mean) > 1e-3 else f"{name}: {mean:.4e}")
        return " - ".join(parts)
