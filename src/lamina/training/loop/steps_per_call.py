"""How many steps on arrays run as one program, so that what is shown stays live."""

from __future__ import annotations

from lamina.errors import InputError, explain

__all__ = ["UPDATE", "at_once", "checked"]

UPDATE = 0.2
"""Seconds between looks at the device."""


def checked(steps: int | str) -> int | None:
    """What `steps_per_execution` says: a number of steps; None for `"auto"`.

    Raises:
        InputError: it is neither.
    """
    if steps == "auto":
        return None
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise InputError(
            explain(
                "steps_per_execution is neither 'auto' nor a whole number above 0.",
                received=repr(steps),
                remedy="Leave it out: as many steps then run at once as take a fifth of a second.",
            )
        )
    return steps


def at_once(fixed: int | None, pace: float, left: int, due: int | None) -> int:
    """How many steps come next as one program.

    Args:
        fixed: the number that was asked for; None for about as long as an update takes.
        pace: the seconds that a step lately took; 0 where that is not known.
        left: of the epoch.
        due: up to the next checkpoint, if there is to be one.

    >>> at_once(None, 0.01, 50, None), at_once(None, 0.0, 50, None), at_once(8, 0.01, 50, 3)
    (20, 1, 3)
    """
    live = 1 if pace <= 0 else max(1, int(UPDATE / pace))
    return min(left, live if fixed is None else fixed, left if due is None else due)
