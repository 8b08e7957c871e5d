"""Arrays of examples: checked, copied to the device once, and split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina import narrowing
from lamina.core.base import inputs
from lamina.core.base.host_memory import empty, is_zero_copy
from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.base.tables import is_table, table_to_numpy
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.training.data import row_ranges

__all__ = ["Arrays", "as_numpy", "batch_indices", "check_integers"]

_LARGE = 1 << 20  # bytes: smaller arrays are copied by JAX


def as_numpy(array: Any) -> Any:
    """Return an array of another library as a NumPy array, without a copy where possible.

    A pandas Series becomes a column ``[rows, 1]``. NumPy and JAX arrays, variables, and objects
    that are no arrays are returned unchanged.

    >>> as_numpy(3)
    3
    """
    known = isinstance(array, jax.Array | Variable | np.ndarray)
    if known or not hasattr(array, "__array__"):
        return cast(Any, array)
    if is_table(array):
        values = table_to_numpy(array)
        return values[:, None] if values.ndim == 1 else values
    if not hasattr(array, "detach"):
        return np.asarray(array)
    tensor: Any = array.detach()  # a PyTorch tensor
    if str(tensor.dtype).endswith("bfloat16"):  # a dtype that NumPy does not have
        return np.asarray(cast(Any, jax.dlpack.from_dlpack)(tensor))
    return np.asarray(tensor.cpu())


def check_integers(data: Any, label: str) -> None:
    """Check that JAX can represent the integers of arrays in memory.

    Memory-mapped arrays are checked later, when their rows are read.

    Args:
        data: a tree of arrays.
        label: the name of the data in the error.

    Raises:
        InputError: an integer is out of the range of the dtype that JAX uses.
    """

    def in_memory(leaf: Any) -> Any:
        return None if isinstance(leaf, np.memmap) else as_numpy(leaf)

    inputs.check_integers(map_tree(in_memory, data), label)


class Arrays:
    """Examples in memory: a tree of arrays whose first axis is the example.

    The arrays are copied to the device once. Large arrays on the CPU are read where they are and
    must not be modified during training.

    Args:
        batch: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``; each a tree of arrays
            ``[examples, ...]``.

    Attributes:
        count: the number of examples.

    Raises:
        InputError: there is no array, a leaf is no array, or the first axes differ or are empty.
    """

    def __init__(self, batch: Any) -> None:
        leaves, structure = flatten(map_tree(as_numpy, batch))
        others = [leaf for leaf in leaves if not hasattr(leaf, "shape")]
        if others or not leaves:
            raise InputError(
                explain(
                    "The data are not arrays of examples.",
                    expected="NumPy or JAX arrays, or tuples, lists and dicts of them",
                    received=f"{type(others[0]).__name__}" if others else "nothing",
                    remedy="Convert lists of numbers to arrays: np.asarray(x).",
                )
            )
        counts = [np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in leaves]
        if len(set(counts)) > 1 or counts[0] == 0:
            raise InputError(
                explain(
                    "The arrays differ in the number of examples, or have none.",
                    expected="the same positive size of the first axis of each array",
                    received=", ".join(str(np.shape(leaf)) for leaf in leaves),
                    remedy="Pass x, y and sample_weight with one row per example.",
                )
            )
        self.count = counts[0]
        self._structure = structure
        self._leaves = leaves
        self._device: Any = None
        self._read_in_place = row_ranges.is_worthwhile(leaves)

    @property
    def host(self) -> Any:
        """The arrays as the user passed them."""
        return unflatten(self._structure, self._leaves)

    @property
    def device(self) -> Any:
        """The arrays on the device, copied there at the first access."""
        if self._device is None:
            self._device = as_inputs(map_tree(_to_device, self.host))
        return self._device

    def ranges(self, indices: Any, first: int, stop: int) -> Iterator[row_ranges.RowRange]:
        """Yield the rows of steps `first` to `stop`, in parts that fit into memory.

        Args:
            indices: row numbers ``[steps, batch]``.
            first: the first step.
            stop: the step after the last.
        """
        if not self._read_in_place:
            yield row_ranges.RowRange(self.device, indices, first, stop)
            return
        for part in row_ranges.gather(self._leaves, np.asarray(indices), first, stop):
            rows = as_inputs(unflatten(self._structure, part.rows))
            yield part._replace(rows=rows)

    def batch_size(self, size: int | None, steps: int | None) -> int:
        """Return the number of examples in a batch.

        Args:
            size: as given; None to divide all examples over `steps`, or for 32 without `steps`.
            steps: the number of batches, if it is given.
        """
        return size or (32 if steps is None else -(-self.count // steps))

    def batch(self, index: Any) -> Any:
        """Return a batch of the rows that `index` selects, as JAX arrays."""
        return as_inputs(self.rows(index))

    def rows(self, index: Any) -> Any:
        """Return the rows that `index` selects, as arrays of the kinds that were passed."""
        return map_tree(lambda array: array[index], self.host)

    def example_batch(self, size: int) -> Any:
        """Return a batch of `size` copies of the first row, as an example of shapes and dtypes."""
        return self.batch(np.zeros(size, np.int32))

    def split(self, fraction: float) -> tuple[Arrays, Arrays]:
        """Split off the last `fraction` of the examples, in (0, 1).

        Raises:
            InputError: one of the parts would be empty.
        """
        cut = int(self.count * (1.0 - fraction))
        if not 0 < cut < self.count:
            raise InputError(
                explain(
                    "validation_split leaves no example for training, or none for validation.",
                    expected=f"a fraction in (0, 1) of {self.count} examples",
                    received=str(fraction),
                    remedy="Choose a fraction such as 0.1, or pass validation_data.",
                )
            )
        parts = [[leaf[:cut] for leaf in self._leaves], [leaf[cut:] for leaf in self._leaves]]
        first, last = (Arrays(unflatten(self._structure, part)) for part in parts)
        return first, last


def batch_indices(rows: np.ndarray, size: int) -> list[jax.Array]:
    """Divide row numbers into batches: the full ones ``[steps, size]``, then a smaller last one.

    >>> [indices.tolist() for indices in batch_indices(np.arange(5), 2)]
    [[[0, 1], [2, 3]], [[4]]]
    """
    whole = len(rows) // size
    parts = [rows[: whole * size].reshape(whole, size), rows[whole * size :][None]]
    return [jnp.asarray(part, jnp.int32) for part in parts if part.size]


def _to_device(leaf: Any) -> Any:
    """Copy a large array to the device, at most once; other leaves are returned unchanged.

    On the CPU, JAX uses suitably aligned memory without a copy, such as that of a mapped file.
    """
    array: Any = leaf
    if not isinstance(leaf, np.ndarray) or isinstance(leaf, np.ma.MaskedArray):
        return array
    if array.nbytes < _LARGE or array.dtype.kind not in "biuf":
        return array
    narrowing.check(array, "The data")
    dtype = row_ranges.canonical_dtype(array)
    if not is_zero_copy(array, dtype):
        own = empty(array.shape, dtype)
        np.copyto(own, array, casting="same_kind")
        array = own
    return jax.device_put(np.asarray(array))
