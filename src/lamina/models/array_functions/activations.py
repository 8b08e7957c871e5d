"""Activations of `keras.ops.nn`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.activations import sparsemax
from lamina.models.array_functions.values import Function, array, unary

__all__ = ["ACTIVATIONS"]

_nn: Any = jax.nn


def _with_alpha(function: Function) -> Function:
    def apply(x: Any, alpha: float = 1.0) -> Any:
        return function(array(x), alpha=alpha)

    return apply


def _along_axis(function: Function) -> Function:
    def apply(x: Any, axis: Any = -1) -> Any:
        return function(array(x), axis=axis)

    return apply


def _gelu(x: Any, approximate: bool = True) -> Any:
    return _nn.gelu(array(x), approximate=approximate)


def _hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    x = array(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


def _leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    return _nn.leaky_relu(array(x), negative_slope=negative_slope)


def _soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    x = array(x)
    return x - jnp.clip(x, -threshold, threshold)


def _squareplus(x: Any, b: Any = 4) -> Any:
    return _nn.squareplus(array(x), b=b)


def _threshold(x: Any, threshold: Any, default_value: Any) -> Any:
    x = array(x)
    return jnp.where(x > threshold, x, default_value)


ACTIVATIONS: dict[str, Function] = {
    "Celu": _with_alpha(_nn.celu),
    "Elu": _with_alpha(_nn.elu),
    "Gelu": _gelu,
    "Glu": _along_axis(_nn.glu),
    "HardShrink": _hard_shrink,
    "HardSigmoid": unary(_nn.hard_sigmoid),
    "HardSilu": unary(_nn.hard_silu),
    "HardTanh": unary(_nn.hard_tanh),
    "LeakyRelu": _leaky_relu,
    "LogSigmoid": unary(_nn.log_sigmoid),
    "LogSoftmax": _along_axis(_nn.log_softmax),
    "Relu": unary(_nn.relu),
    "Relu6": unary(_nn.relu6),
    "Selu": unary(_nn.selu),
    "Sigmoid": unary(_nn.sigmoid),
    "Silu": unary(_nn.silu),
    "SoftShrink": _soft_shrink,
    "Softmax": _along_axis(_nn.softmax),
    "Softplus": unary(_nn.softplus),
    "Softsign": unary(_nn.soft_sign),
    "SparsePlus": unary(_nn.sparse_plus),
    "SparseSigmoid": unary(_nn.sparse_sigmoid),
    "Sparsemax": _along_axis(sparsemax),
    "Squareplus": _squareplus,
    "TanhShrink": unary(lambda x: x - jnp.tanh(x)),
    "Threshold": _threshold,
}
"""The functions by Keras's class names."""
