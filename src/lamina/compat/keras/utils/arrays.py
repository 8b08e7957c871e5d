"""Normalization of arrays, parts of batches, and settings as an object."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.compat.keras.ops.table import OPERATIONS
from lamina.compat.keras.utils.arguments import wrong
from lamina.compat.tf.keras import utils

__all__ = [
    "Config",
    "normalize",
    "pack_x_y_sample_weight",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

_jax: Any = jax


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Divide by the norm along an axis. Zeros stay zeros.

    Args:
        x: an array.
        axis: the axis. Default: the last.
        order: the order of the norm. Default 2.

    Returns:
        A NumPy array for one, otherwise a JAX array. One of the shape ``[n]`` becomes ``[1, n]``.

    >>> normalize(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    if not isinstance(x, np.ndarray):
        return OPERATIONS["normalize"](x, axis=axis, order=order)
    array: Any = np.atleast_2d(cast("Any", x)) if x.ndim == 1 else cast("Any", x)
    norms = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norms == 0, 1, norms)


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """One-hot vectors of integer labels: ``[...]`` or ``[..., 1]`` to ``[..., num_classes]``.

    Args:
        x: the labels.
        num_classes: the number of classes. Default None: the largest label + 1.

    Returns:
        A NumPy array of float64; for a JAX array, also in a compiled call, one of JAX of float32.

    Raises:
        InputError: a label whose value is known is not in [0, num_classes).

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if not isinstance(x, _jax.Array):
        return utils.to_categorical(x, num_classes)
    if not isinstance(x, _jax.core.Tracer):
        return jnp.asarray(utils.to_categorical(x, num_classes), jnp.float32)
    labels = jnp.squeeze(x, -1) if x.ndim > 1 and x.shape[-1] == 1 else x
    return OPERATIONS["one_hot"](labels, num_classes)


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


class Config(MutableMapping[str, Any]):
    """Settings as attributes and items.

    Args:
        **kwargs: the settings.

    >>> config = Config(units=3)
    >>> config.rate = 0.1
    >>> config["units"], config.as_dict()
    (3, {'units': 3, 'rate': 0.1})
    """

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(_values=dict(kwargs), _frozen=False)

    @property
    def frozen(self) -> bool:
        """Whether settings cannot be changed."""
        return self.__dict__["_frozen"]

    def freeze(self) -> None:
        """Make changes of settings errors."""
        self.__dict__["_frozen"] = True

    def unfreeze(self) -> None:
        """Allow changes of settings."""
        self.__dict__["_frozen"] = False

    def as_dict(self) -> dict[str, Any]:
        """The settings as a dict."""
        return dict(self.__dict__["_values"])

    def to_json(self) -> str:
        """The settings as JSON."""
        return json.dumps(self.__dict__["_values"])

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"There is no setting {name!r}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, key: str) -> Any:
        return self.__dict__["_values"][key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._check_frozen()
        self.__dict__["_values"][key] = value

    def __delitem__(self, key: str) -> None:
        self._check_frozen()
        del self.__dict__["_values"][key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.__dict__["_values"]))

    def __len__(self) -> int:
        return len(self.__dict__["_values"])

    def __repr__(self) -> str:
        return f"<Config {self.__dict__['_values']}>"

    def _check_frozen(self) -> None:
        if self.frozen:
            raise wrong(
                "The Config is frozen.", "no changes", "a change", "Call unfreeze() before."
            )
