"""Names of the module `keras` itself: variables, devices, scopes and rematerialization."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import jax
import numpy as np

import lamina
from lamina.errors import InputError, TraceError, explain
from lamina.models.symbol import Symbol as KerasTensor

__all__ = ["KerasTensor", "Variable", "device", "name_scope", "remat", "version"]

_jax: Any = jax
_VERSION = "3.15.1"


def version() -> str:
    """The version of Keras whose names are here.

    >>> version()
    '3.15.1'
    """
    return _VERSION


def Variable(  # noqa: N802 - Keras's name
    initializer: Any,
    shape: Any = None,
    dtype: Any = None,
    trainable: bool = True,
    autocast: bool = True,
    aggregation: str | None = None,
    synchronization: str | None = None,
    name: str | None = None,
) -> lamina.Variable:
    """A variable, to be assigned to an attribute of a layer.

    Args:
        initializer: the initial value, or an initializer or its name.
        shape: the shape, for an initializer. Default: that of the value.
        dtype: the dtype. Default: that of the value; float32 for an initializer.
        trainable: whether training updates the variable. Default True.
        autocast: has no effect.
        aggregation: has no effect.
        synchronization: has no effect.
        name: the name. Default: that of the attribute.

    Raises:
        InputError: an initializer without a shape.

    >>> Variable([1.0, 2.0]).shape
    (2,)
    """
    if isinstance(initializer, str) or callable(initializer):
        if shape is None:
            raise InputError(
                explain(
                    "A Variable with an initializer has no shape.",
                    expected="the shape of the initial value",
                    received="shape=None",
                    remedy="Pass shape, or the value itself.",
                )
            )
        drawn: Any = lamina.initializers.get(initializer)
        initializer = drawn(tuple(shape), dtype or "float32")
    value = np.asarray(initializer)
    kind = dtype or (np.float32 if value.dtype == np.float64 else value.dtype)
    made = lamina.Variable(
        value.shape,
        lamina.initializers.Constant(value),
        dtype=kind,
        trainable=trainable,
        name=name,
    )
    return _with_value(made, value)


def _with_value(made: lamina.Variable, value: Any) -> lamina.Variable:
    try:
        return made.assign(value)
    except TraceError:  # in a layer's build, the initializer sets the value
        return made


@contextlib.contextmanager
def device(device_name: str) -> Generator[None]:
    """Compute on a device, such as ``"cpu:0"`` or ``"gpu:1"``.

    Args:
        device_name: the platform and the number of the device.
    """
    platform, _, number = device_name.lower().lstrip("/").removeprefix("device:").partition(":")
    with jax.default_device(jax.devices(platform)[int(number or 0)]):
        yield


@contextlib.contextmanager
def name_scope(name: str, **options: Any) -> Generator[str]:
    """Nothing: the paths of weights follow from the names of attributes.

    Args:
        name: the name.
        **options: without effect.
    """
    yield name


def remat(f: Callable[..., Any]) -> Any:
    """Compute a function, or a layer, again in the backward pass instead of keeping its values.

    Args:
        f: the layer, or a function of arrays.
    """
    return lamina.remat(f) if isinstance(f, lamina.Layer) else _jax.checkpoint(f)
