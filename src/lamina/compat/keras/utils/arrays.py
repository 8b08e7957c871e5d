"""Normalization of arrays, parts of batches, and settings as an object."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from lamina.compat.keras.ops.table import OPERATIONS
from lamina.compat.keras.utils.arguments import wrong

__all__ = ["Config", "normalize", "pack_x_y_sample_weight", "unpack_x_y_sample_weight"]


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Divide by the norm along an axis. Zeros stay zeros.

    Args:
        x: an array.
        axis: the axis. Default: the last.
        order: the order of the norm. Default 2.

    Returns:
        A NumPy array for one, otherwise a JAX array.

    >>> normalize(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    if not isinstance(x, np.ndarray):
        return OPERATIONS["normalize"](x, axis=axis, order=order)
    array = np.asarray(cast(Any, x))
    norms = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norms == 0, 1, norms)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The parts of a batch as one: `x` alone, ``(x, y)`` or ``(x, y, sample_weight)``.

    Args:
        x: inputs.
        y: labels. Default None: none.
        sample_weight: weights. Default None: none.
    """
    if y is None:
        inputs: Any = x
        return (inputs,) if isinstance(x, tuple | list) else inputs
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """The three parts of a batch, with None for those that it does not have.

    Args:
        data: what :func:`pack_x_y_sample_weight` returned.

    Raises:
        InputError: a tuple of more than three parts.

    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    several = isinstance(data, tuple | list)
    parts = tuple(cast("list[Any]", data)) if several else (data,)
    if len(parts) > 3:
        raise wrong(
            "A batch has too many parts.",
            "x, y and sample_weight",
            f"{len(parts)} parts",
            "Put several inputs into a list or dict.",
        )
    x, y, weight = (*parts, None, None, None)[:3]
    return x, y, weight


class Config:
    """Settings as attributes and items.

    Args:
        **kwargs: the settings.

    >>> config = Config(units=3)
    >>> config.rate = 0.1
    >>> config["units"], config.as_dict()
    (3, {'units': 3, 'rate': 0.1})
    """

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__["_values"] = dict(kwargs)

    def as_dict(self) -> dict[str, Any]:
        """The settings as a dict."""
        return dict(self.__dict__["_values"])

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"There is no setting {name!r}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_values"][name] = value

    def __getitem__(self, name: str) -> Any:
        return self.__dict__["_values"][name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__["_values"][name] = value

    def __iter__(self) -> Any:
        return iter(self.__dict__["_values"])

    def __len__(self) -> int:
        return len(self.__dict__["_values"])

    def __repr__(self) -> str:
        return f"Config({self.__dict__['_values']})"
