"""Several processes that run one program: what each of them may do."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from lamina.lazy import lazily

multihost_utils: Any = lazily("jax.experimental.multihost_utils")

__all__ = ["is_main_process", "to_host"]


def is_main_process() -> bool:
    """Return whether this is the process that writes logs and files: the first one.

    >>> is_main_process()
    True
    """
    return jax.process_index() == 0


def to_host(array: Any) -> np.ndarray:
    """Return an array as a NumPy array in each process; all of them must call this together.

    Args:
        array: on any devices, also of other processes.

    >>> to_host(jax.numpy.ones(2)).tolist()
    [1.0, 1.0]
    """
    if not isinstance(array, jax.Array) or array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
