"""The number of steps that run as one program, so that progress is displayed without delay."""

from __future__ import annotations

from lamina.counts import as_count
from lamina.training.callbacks.progress import UPDATE_SECONDS

__all__ = ["check_steps", "next_steps"]


def check_steps(steps: int | str | None) -> int | None:
    """Check the argument `steps_per_execution`; return None for `"auto"` or None.

    Raises:
        InputError: it is neither `"auto"` nor a positive integer.
    """
    if steps is None or (isinstance(steps, str) and steps == "auto"):
        return None
    return as_count("steps_per_execution", steps, or_else="'auto'", example="'auto'")


def next_steps(fixed: int | None, seconds: float, left: int, due: int | None) -> int:
    """Return how many steps to run next as one program.

    Args:
        fixed: `steps_per_execution`; None to choose a number that takes about `UPDATE_SECONDS`.
        seconds: the time of a recent step; 0 if unknown.
        left: the number of steps left in the epoch.
        due: the number of steps until the next checkpoint, or None.

    >>> next_steps(None, 0.01, 50, None), next_steps(None, 0.0, 50, None)
    (20, 1)
    >>> next_steps(8, 0.01, 50, 3)
    3
    """
    timed = 1 if seconds <= 0 else max(1, int(UPDATE_SECONDS / seconds))
    return min(left, timed if fixed is None else fixed, left if due is None else due)
