"""The global seed of initial values, and calls of initializers without a weight."""

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

__all__ = ["Seeds", "as_seed", "next_key", "set_seed"]

_NO_PATH = "an array by itself"
"""Used in place of a weight's path; it is no valid path, and part of the sampling key."""


class Seeds:
    """The global seed, and the numbers of builds, initializer calls and keys since it was set."""

    seed = 0
    trees = 0
    calls = 0
    keys = 0


def as_seed(seed: Any) -> int:
    """Convert a seed to an int.

    Raises:
        InputError: it is not an integer.
    """
    if isinstance(seed, int | np.integer):
        return int(seed)  # pyright: ignore[reportUnknownArgumentType]
    raise InputError(
        explain(
            "The seed is not an integer.",
            where=f"passed at {site()}",
            expected="an int",
            received=repr(seed),
            remedy="Pass an int, such as 0.",
        )
    )


def set_seed(seed: int) -> None:
    """Set the global seed of the initial values of weights.

    The n-th model that is built after this call draws its weights from (seed, n). Random numbers in
    calls, such as those of dropout, do not depend on it: they come from the argument ``rng``. Only
    layers that augment images draw from it where there is no ``rng``, on the host.

    Args:
        seed: int, the seed.

    Raises:
        InputError: ``seed`` is not an integer.

    >>> import lamina
    >>> def first_weight():
    ...     set_seed(0)
    ...     layer = lamina.layers.Dense(1)
    ...     layer.build((None, 3))
    ...     return layer.kernel.numpy()
    >>> bool((first_weight() == first_weight()).all())
    True
    """
    number = as_seed(seed)
    with LOCK:
        Seeds.seed = number
        Seeds.trees = 0
        Seeds.calls = 0
        Seeds.keys = 0


def next_key() -> jax.Array:
    """Return another random key; the n-th since `lamina.set_seed(seed)` follows from (seed, n)."""
    with LOCK:
        seed, count = Seeds.seed, Seeds.keys
        Seeds.keys += 1
    return jax.random.fold_in(jax.random.key(seed & 0xFFFFFFFF), count)


def _drawn(self: Initializer, shape: Any, dtype: Any = None) -> jax.Array:
    """Draw an array; the n-th call since `lamina.set_seed(seed)` draws from (seed, n).

    Args:
        shape: tuple of int, sizes of the axes.
        dtype: dtype of the array; float32 by default.

    Returns:
        A JAX array.

    Raises:
        BuildError: the initializer does not support the shape or dtype.
        InputError: the shape is not valid, or a size is unknown.
    """
    spec = Spec(shape, "float32" if dtype is None else dtype)
    if not spec.known:
        raise InputError(
            explain(
                "The shape of an array to draw has an unknown size.",
                where=f"called at {site()}",
                expected="an integer size for each axis",
                received=str(spec.shape),
                remedy="Pass a size for each axis.",
            )
        )
    sizes: Any = spec.shape
    with LOCK:
        seed = Seeds.seed, Seeds.calls
        values = draw(self, sizes, spec.dtype, seed=seed, path=_NO_PATH, at=site())
        Seeds.calls += self.seed is None
    return outside_traces(lambda: on_device([values]))[0]


Initializer.__call__ = _drawn  # here, because initializers must not import the core
