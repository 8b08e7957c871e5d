"""The seed of all that is drawn, and initializers that are called by themselves."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from lamina.core.base.host_memory import on_device
from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.lock import LOCK
from lamina.core.base.sites import site
from lamina.core.initial.sampling import draw
from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain
from lamina.initializers import Initializer

__all__ = ["Seeds", "as_seed", "set_seed"]

_NO_PATH = "an array by itself"
"""Stands for the path of what is drawn for no weight; no attribute is called so."""


class Seeds:
    """The seed of drawing; how many trees were built, and initializers called, since it was set."""

    seed = 0
    trees = 0
    calls = 0


def as_seed(seed: Any) -> int:
    """A seed of drawing, which is a whole number."""
    if isinstance(seed, int | np.integer):
        return int(seed)  # pyright: ignore[reportUnknownArgumentType]
    raise InputError(
        explain(
            "The seed is not a whole number.",
            where=f"given at {site()}",
            expected="an int",
            received=repr(seed),
            remedy="Give an int, such as 0.",
        )
    )


def set_seed(seed: int) -> None:
    """Fix what is drawn from here on: the n-th tree built draws from (seed, n).

    >>> set_seed(0)
    """
    number = as_seed(seed)
    with LOCK:
        Seeds.seed = number
        Seeds.trees = 0
        Seeds.calls = 0


def _drawn(self: Initializer, shape: Any, dtype: Any = None) -> jax.Array:
    """An array drawn by itself, for no weight: the n-th since `lamina.set_seed` draws from n.

    Args:
        shape: sizes of the axes.
        dtype: of the array; float32 where none is given.

    Raises:
        BuildError: the initializer has nothing for that shape or dtype.
        InputError: that is no shape, or a size is not known.
    """
    spec = Spec(shape, "float32" if dtype is None else dtype)
    if not spec.known:
        raise InputError(
            explain(
                "An array cannot be drawn while a size of it is not known.",
                where=f"called at {site()}",
                expected="a size on every axis",
                received=str(spec.shape),
                remedy="Give each axis a size.",
            )
        )
    sizes: Any = spec.shape
    with LOCK:
        seed = Seeds.seed, Seeds.calls
        values = draw(self, sizes, spec.dtype, seed=seed, path=_NO_PATH, at=site())
        Seeds.calls += self.seed is None
    return outside_traces(lambda: on_device([values]))[0]


Initializer.__call__ = _drawn  # the laws lie below all that can draw from them
