"""Several processes that run one program: what each of them does, and what they agree on."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator
from typing import Any

import jax
import numpy as np

from lamina.lazy import lazily

multihost_utils: Any = lazily("jax.experimental.multihost_utils")

__all__ = [
    "are_several",
    "broadcast",
    "gathered",
    "is_main_process",
    "movable",
    "share",
    "to_host",
    "together",
]


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


def movable(array: Any) -> Any:
    """Return an array in a form that JAX can put on devices of all processes.

    An array on one device, of which each process has its own, is copied to the host if there are
    several processes.
    """
    return np.asarray(array) if are_several() and array.sharding.num_devices == 1 else array


def are_several() -> bool:
    """Return whether several processes run the program."""
    return jax.process_count() > 1


def share(values: list[Any]) -> list[Any]:
    """Return the values of a list that this process works on; each has one process."""
    return values[jax.process_index() :: jax.process_count()]


def gathered(text: str) -> list[str]:
    """Return the texts that the processes pass, in the order of the processes."""
    if not are_several():
        return [text]
    data = np.frombuffer(text.encode(), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.int32(len(data)))).reshape(-1)
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: len(data)] = data
    rows = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(sizes), -1)
    return [row[:size].tobytes().decode() for row, size in zip(rows, sizes, strict=True)]


def broadcast(text: str) -> str:
    """Return the text of the main process in all of them."""
    return gathered(text if is_main_process() else "")[0]


@contextlib.contextmanager
def together() -> Generator[None]:
    """Leave a `with` block with an error in all processes if one of them has one.

    Raises:
        OSError: another process has failed.
    """
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    reasons = gathered("" if failure is None else str(failure) or type(failure).__name__)
    if failure is not None:
        raise failure
    failed = next((reason for reason in reasons if reason), None)
    if failed is not None:
        raise OSError(errno.EIO, f"another process failed: {failed[:200]}")
