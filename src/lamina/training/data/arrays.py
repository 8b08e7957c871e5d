"""Data for training: arrays of examples, or anything that gives batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina import narrowing
from lamina.core.base import inputs
from lamina.core.base.host_memory import empty, serves
from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.training.data import row_ranges

__all__ = ["Arrays", "batches_of", "check_integers", "is_batches", "of_numpy", "weighted"]

_LARGE = 1 << 20  # bytes


def of_numpy(given: Any) -> Any:
    """An array of another library as NumPy's, without a copy where that can be; the rest as it is.

    >>> of_numpy(3)
    3
    """
    known = isinstance(given, jax.Array | Variable | np.ndarray)
    if known or not hasattr(given, "__array__"):
        return cast(Any, given)
    if not hasattr(given, "detach"):
        return np.asarray(given)
    tensor: Any = given.detach()  # PyTorch's
    if str(tensor.dtype).endswith("bfloat16"):  # which NumPy knows nothing of
        return np.asarray(cast(Any, jax.dlpack.from_dlpack)(tensor))
    return np.asarray(tensor.cpu())


def check_integers(data: Any, label: str) -> None:
    """See that JAX can keep the integers of arrays in memory; those of mapped files are read later.

    Raises:
        InputError: it cannot; the error names the label, the place and the integer.
    """

    def in_memory(leaf: Any) -> Any:
        return None if isinstance(leaf, np.memmap) else of_numpy(leaf)

    inputs.check_integers(map_tree(in_memory, data), label)


def is_batches(x: Any) -> bool:
    """Whether `x` gives batches, rather than being arrays of examples."""
    if hasattr(x, "shape") or isinstance(x, Variable | list | tuple | dict):
        return False
    return isinstance(x, Iterable) or callable(x) or hasattr(x, "__getitem__")


class Arrays:
    """Examples in memory: a tree of arrays whose first axis is the example.

    They are put on the device once; large ones on the CPU stay where they are, and are not to be
    written to while they are in use.

    Args:
        batch: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.
    """

    def __init__(self, batch: Any) -> None:
        leaves, structure = flatten(map_tree(of_numpy, batch))
        lists = [leaf for leaf in leaves if not hasattr(leaf, "shape")]
        if lists or not leaves:
            raise InputError(
                explain(
                    "The data are not arrays of examples.",
                    expected="NumPy or JAX arrays, or tuples, lists and dicts of them",
                    received=f"{type(lists[0]).__name__}" if lists else "nothing",
                    remedy="Turn lists of numbers into arrays: np.asarray(x).",
                )
            )
        counts = [np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in leaves]
        if len(set(counts)) > 1 or counts[0] == 0:
            raise InputError(
                explain(
                    "The arrays do not have the same number of examples, or none.",
                    expected="the same size, above 0, on the first axis of each",
                    received=", ".join(str(np.shape(leaf)) for leaf in leaves),
                    remedy="Give x, y and sample_weight one row for each example.",
                )
            )
        self.count = counts[0]
        self._structure = structure
        self._host = leaves
        self._device: Any = None
        self._stay = row_ranges.wanted(leaves)

    @property
    def host(self) -> Any:
        """The arrays as they were given."""
        return unflatten(self._structure, self._host)

    @property
    def tree(self) -> Any:
        """The arrays on the device, put there once."""
        if self._device is None:
            self._device = as_inputs(map_tree(_taken_over, self.host))
        return self._device

    def windows(self, order: Any, first: int, stop: int) -> Iterator[row_ranges.Window]:
        """The steps `first` to `stop` of an order [steps, batch], as the device takes them in."""
        if not self._stay:
            yield row_ranges.Window(self.tree, order, first, stop, 0)
            return
        for window in row_ranges.gathered(self._host, np.asarray(order), first, stop):
            rows = as_inputs(unflatten(self._structure, window.rows))
            yield window._replace(rows=rows)

    def batch(self, index: Any) -> Any:
        """The rows of `index`, as a batch."""
        return as_inputs(map_tree(lambda array: array[index], self.host))

    def like(self, size: int) -> Any:
        """A batch of so many, to tell what batches are like."""
        return self.batch(np.zeros(size, np.int32))

    def split(self, fraction: float) -> tuple[Arrays, Arrays]:
        """The first part, and the last `fraction` of the examples."""
        cut = int(self.count * (1.0 - fraction))
        if not 0 < cut < self.count:
            raise InputError(
                explain(
                    "validation_split leaves nothing to train on, or nothing to validate.",
                    expected=f"a fraction between 0 and 1 of {self.count} examples",
                    received=str(fraction),
                    remedy="Choose a fraction such as 0.1, or pass validation_data.",
                )
            )
        parts = [[leaf[:cut] for leaf in self._host], [leaf[cut:] for leaf in self._host]]
        first, last = (Arrays(unflatten(self._structure, part)) for part in parts)
        return first, last

    def orders(self, order: np.ndarray, size: int) -> list[jax.Array]:
        """Row numbers [steps, batch]: the whole batches, and the short last one if there is."""
        whole = len(order) // size
        parts = [order[: whole * size].reshape(whole, size), order[whole * size :][None]]
        return [jnp.asarray(part, jnp.int32) for part in parts if part.size]


def _taken_over(leaf: Any) -> Any:
    """A large array on the device, copied at most once: JAX takes such memory over as it is.

    On the CPU that of the caller is taken if it serves: a file's that is mapped into memory does.
    """
    given: Any = leaf
    if not isinstance(leaf, np.ndarray) or isinstance(leaf, np.ma.MaskedArray):
        return given
    if given.nbytes < _LARGE or given.dtype.kind not in "biuf":
        return given
    narrowing.check(given, "The data")
    kind = row_ranges.canonical(given)
    if not serves(given, kind):
        own = empty(given.shape, kind)
        np.copyto(own, given, casting="same_kind")
        given = own
    return jax.device_put(np.asarray(given))


def batches_of(source: Any) -> Iterator[Any]:
    """The batches of an iterable, of a function that makes one, or of what is numbered."""
    if isinstance(source, Iterable):
        made = cast(Any, source)
    elif callable(source):
        made = source()
    else:
        made = (source[index] for index in range(len(source)))
    for batch in cast(Iterable[Any], made):
        yield tuple(cast(list[Any], batch)) if isinstance(batch, list) else batch


def weighted(y: Any, sample_weight: Any, class_weight: Mapping[int, float]) -> Any:
    """Sample weights with the weights of the labels' classes multiplied in."""
    labels = np.asarray(y)
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(-1)
    labels = labels.reshape(len(labels), -1)[:, 0].astype(int)
    missing = sorted(set(np.unique(labels).tolist()) - {int(key) for key in class_weight})
    if missing:
        raise InputError(
            explain(
                "class_weight has no weight for a class that occurs.",
                expected=f"a weight for each of {sorted(set(labels.tolist()))}",
                received=f"none for {missing}",
                remedy="Add it; 1.0 leaves a class as it is.",
            )
        )
    table = {int(key): float(value) for key, value in class_weight.items()}
    weights = np.asarray([table[label] for label in cast(list[int], labels.tolist())], np.float32)
    return weights if sample_weight is None else weights * np.asarray(sample_weight, np.float32)
