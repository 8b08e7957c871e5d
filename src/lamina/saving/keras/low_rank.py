"""Low-rank changes of kernels, which HDF5 files of Keras have beside the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lamina.saving.keras.arrays import StoredArray, converted
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.legacy_layers import Named
from lamina.saving.keras.texts import read_json

__all__ = ["low_rank_scales", "with_low_rank"]


def low_rank_scales(file: Hdf5File) -> dict[str, float]:
    """Return the factors of low-rank products by the name of the layer, from the model's config.

    Args:
        file: the file.
    """
    text = file.attribute("model_config")
    found: dict[str, float] = {}
    if not isinstance(text, str) or "lora_rank" not in text:
        return found
    pending: list[Any] = [read_json(text, f"The model_config of {file.path!r}")]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(cast("list[Any]", value))
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            name, rank, alpha = (fields.get(key) for key in ("name", "lora_rank", "lora_alpha"))
            if isinstance(rank, int) and rank > 0:
                alpha = rank if alpha is None else alpha
                found[str(name)] = alpha / rank if isinstance(alpha, int | float) else 1.0
            pending.extend(fields.values())
    return found


def with_low_rank(arrays: list[Named], scales: Mapping[str, float]) -> list[Named]:
    """Add ``alpha / rank a b`` to kernels that the file has beside their low-rank changes.

    Args:
        arrays: the arrays of a layer by name.
        scales: the result of :func:`low_rank_scales`.

    Returns:
        The arrays without those changes; as they are if no scale is known.
    """
    known, found = dict(arrays), dict(arrays)
    for name, kernel in arrays if scales else ():
        place, _, last = name.rpartition("/")
        names = [f"{place}/lora_{last}_{part}" for part in "ab"]
        first, second = (known.get(one) for one in names)
        scale = scales.get(place.rpartition("/")[2])
        if first is None or second is None or scale is None or len(second.shape) != 2:
            continue
        shape = (*first.shape[:-1], second.shape[1])
        if shape == kernel.shape and first.shape[-1:] == second.shape[:1]:
            found[name] = converted(shape, kernel.dtype, _Changed(kernel, first, second, scale))
            for one in names:
                del found[one]
    return list(found.items())


@dataclass(frozen=True)
class _Changed:
    """Computes a kernel with its low-rank change.

    Attributes:
        kernel: the kernel.
        first: the first factor.
        second: the second factor.
        scale: the number that the product is multiplied by.
    """

    kernel: StoredArray
    first: StoredArray
    second: StoredArray
    scale: float

    def __call__(self) -> np.ndarray:
        kernel, *factors = (one.read() for one in (self.kernel, self.first, self.second))
        wide = [one.astype("float32") for one in factors]
        return (kernel + self.scale * (wide[0] @ wide[1])).astype(kernel.dtype)
