"""Elementwise operations of `keras.ops.numpy`, and its comparisons."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.models.array_functions.values import (
    Function,
    array,
    binary,
    bitwise,
    float_binary,
    floating,
    floats,
    unary,
)

__all__ = ["ELEMENTWISE"]


def _allclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    return jnp.allclose(array(x1), array(x2), rtol, atol, equal_nan)


def _clip(x: Any, x_min: Any, x_max: Any) -> Any:
    x = array(x)
    return jnp.clip(x.astype(jnp.int32) if x.dtype == jnp.bool_ else x, x_min, x_max)


def _divide_no_nan(x1: Any, x2: Any) -> Any:
    x1, x2 = array(x1), array(x2)
    zero = x2 == 0
    return jnp.where(zero, 0, x1 / jnp.where(zero, 1, x2))


def _isclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    return jnp.isclose(array(x1), array(x2), rtol, atol, equal_nan)


def _ldexp(x1: Any, x2: Any) -> Any:
    return jnp.ldexp(array(x1), array(x2))


def _nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return jnp.nan_to_num(array(x), nan=nan, posinf=posinf, neginf=neginf)


def _round(x: Any, decimals: int = 0) -> Any:
    x = array(x)
    if decimals >= 0 or jnp.issubdtype(x.dtype, jnp.inexact):
        return jnp.round(x, decimals)
    # jax.numpy rounds integers to no negative number of decimals
    factor = 10.0**decimals
    return (jnp.round(floats(x) * factor) / factor).astype(x.dtype)


def _trunc(x: Any) -> Any:
    x = array(x)
    return jnp.trunc(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x


ELEMENTWISE: dict[str, Function] = {
    "Abs": unary(jnp.absolute),
    "Absolute": unary(jnp.absolute),
    "Add": binary(jnp.add),
    "AllClose": _allclose,
    "Angle": floating(jnp.angle),
    "Arccos": floating(jnp.arccos),
    "Arccosh": floating(jnp.arccosh),
    "Arcsin": floating(jnp.arcsin),
    "Arcsinh": floating(jnp.arcsinh),
    "Arctan": floating(jnp.arctan),
    "Arctan2": float_binary(jnp.arctan2),
    "Arctanh": floating(jnp.arctanh),
    "BitwiseAnd": bitwise(jnp.bitwise_and),
    "BitwiseInvert": unary(jnp.invert),
    "BitwiseLeftShift": bitwise(jnp.left_shift),
    "BitwiseNot": unary(jnp.invert),
    "BitwiseOr": bitwise(jnp.bitwise_or),
    "BitwiseRightShift": bitwise(jnp.right_shift),
    "BitwiseXor": bitwise(jnp.bitwise_xor),
    "Cbrt": floating(jnp.cbrt),
    "Ceil": floating(jnp.ceil),
    "Clip": _clip,
    "Conj": unary(jnp.conjugate),
    "Conjugate": unary(jnp.conjugate),
    "Copy": unary(jnp.copy),
    "Cos": floating(jnp.cos),
    "Cosh": floating(jnp.cosh),
    "Deg2rad": floating(jnp.deg2rad),
    "Divide": binary(jnp.true_divide),
    "DivideNoNan": _divide_no_nan,
    "Equal": binary(jnp.equal),
    "Exp": floating(jnp.exp),
    "Exp2": floating(jnp.exp2),
    "Expm1": floating(jnp.expm1),
    "Fabs": floating(jnp.fabs),
    "Floor": floating(jnp.floor),
    "FloorDivide": binary(jnp.floor_divide),
    "Fmax": binary(jnp.fmax),
    "Fmin": binary(jnp.fmin),
    "Fmod": binary(jnp.fmod),
    "Gcd": binary(jnp.gcd),
    "Greater": binary(jnp.greater),
    "GreaterEqual": binary(jnp.greater_equal),
    "Heaviside": binary(jnp.heaviside),
    "Hypot": binary(jnp.hypot),
    "I0": floating(jnp.i0),
    "Imag": unary(jnp.imag),
    "Isclose": _isclose,
    "Isfinite": unary(jnp.isfinite),
    "Isinf": unary(jnp.isinf),
    "Isnan": unary(jnp.isnan),
    "Isneginf": unary(jnp.isneginf),
    "Isposinf": unary(jnp.isposinf),
    "Isreal": unary(jnp.isreal),
    "Lcm": binary(jnp.lcm),
    "Ldexp": _ldexp,
    "LeftShift": bitwise(jnp.left_shift),
    "Less": binary(jnp.less),
    "LessEqual": binary(jnp.less_equal),
    "Log": floating(jnp.log),
    "Log10": floating(jnp.log10),
    "Log1p": floating(jnp.log1p),
    "Log2": floating(jnp.log2),
    "Logaddexp": float_binary(jnp.logaddexp),
    "Logaddexp2": float_binary(jnp.logaddexp2),
    "LogicalAnd": binary(jnp.logical_and),
    "LogicalNot": unary(jnp.logical_not),
    "LogicalOr": binary(jnp.logical_or),
    "LogicalXor": binary(jnp.logical_xor),
    "Maximum": binary(jnp.maximum),
    "Minimum": binary(jnp.minimum),
    "Mod": binary(jnp.mod),
    "Multiply": binary(jnp.multiply),
    "NanToNum": _nan_to_num,
    "Negative": unary(jnp.negative),
    "Nextafter": binary(jnp.nextafter),
    "NotEqual": binary(jnp.not_equal),
    "Power": binary(jnp.power),
    "Rad2deg": floating(jnp.rad2deg),
    "Real": unary(jnp.real),
    "Reciprocal": unary(jnp.reciprocal),
    "RightShift": bitwise(jnp.right_shift),
    "Round": _round,
    "Sign": unary(jnp.sign),
    "Signbit": unary(jnp.signbit),
    "Sin": floating(jnp.sin),
    "Sinc": floating(jnp.sinc),
    "Sinh": floating(jnp.sinh),
    "Sqrt": floating(jnp.sqrt),
    "Square": unary(jnp.square),
    "Subtract": binary(jnp.subtract),
    "Tan": floating(jnp.tan),
    "Tanh": floating(jnp.tanh),
    "TrueDivide": binary(jnp.true_divide),
    "Trunc": _trunc,
}
"""The functions by Keras's class names."""
