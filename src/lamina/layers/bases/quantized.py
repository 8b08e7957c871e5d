"""Kernels that are stored as integers: their variables, their values and their products.

The integers of a kernel are a matrix ``[channels, inputs]``, whatever the kernel's shape: a row
for each output, which is the order in which XLA multiplies them fastest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.ops.quantization import EPSILON, Form, Quantized, grouped_quantized, packed
from lamina.quantizers import (
    AbsMaxQuantizer,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
    get,
)

__all__ = [
    "config_of",
    "declare",
    "form_of",
    "from_matrix",
    "integers_of",
    "policy_parts",
    "stored",
]

_POLICY = re.compile(r"(int8|int4)(?:/(-?\d+))?_from_(.+)")


def policy_parts(dtype: Any) -> tuple[QuantizationConfig, str] | None:
    """Return the options of quantization and the dtype of the name of a quantized dtype policy.

    Args:
        dtype: the option `dtype` of a layer: a name such as ``"int8_from_float32"`` or
            ``"int4/128_from_mixed_bfloat16"``, an object with such a `name`, or another value.

    Returns:
        Both; None for another value.

    >>> policy_parts("int4/32_from_bfloat16")[1], policy_parts("float32")
    ('bfloat16', None)
    """
    name = getattr(dtype, "name", dtype)
    found = _POLICY.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    mode, block, source = found.groups()
    if mode == "int8" and block is None:
        return Int8QuantizationConfig(), source
    if mode == "int4":
        return Int4QuantizationConfig(block_size=-1 if block is None else int(block)), source
    return None


def config_of(layer: Layer, given: Any) -> QuantizationConfig | None:
    """Return the option `quantization_config` of a layer.

    Args:
        layer: the layer, for the error.
        given: the options, their config or name; or None.

    Raises:
        InputError: they are of another kind.
    """
    config: Any = get(given) if isinstance(given, str | Mapping) else given
    if config is None or (isinstance(config, QuantizationConfig) and config.mode):
        return config
    raise InputError(
        explain(
            f"{type(layer).__name__} has a quantization_config of another kind.",
            where=f"made at {layer._lamina.made_at}",
            expected="lamina.quantizers.Int8QuantizationConfig() or Int4QuantizationConfig()",
            received=repr(config),
            remedy="Pass one of these, or call quantize('int8') after the build.",
        )
    )


def form_of(config: QuantizationConfig) -> Form:
    """Return how a matrix is quantized with these options."""
    bits = 4 if config.mode == "int4" else 8
    block: Any = getattr(config, "block_size", None)
    return Form(bits, None if block == -1 else block, config.activation_quantizer)


def declare(
    layer: Layer,
    name: str,
    shape: Sequence[int | None],
    axes: Sequence[int],
    config: QuantizationConfig,
) -> Variable:
    """Declare the integers, the scales and the zero points of a kernel, in `build`.

    Args:
        layer: the layer, which gets the attributes ``<name>_scale`` and ``<name>_zero``.
        name: the name of the kernel.
        shape: the shape of the kernel.
        axes: its axes of outputs.
        config: the options.

    Returns:
        The variable of the integers.
    """
    form = form_of(config)
    channels = _size([shape[axis] for axis in axes])
    inputs = _size([size for axis, size in enumerate(shape) if axis not in axes])
    options: dict[str, Any] = {"trainable": False, "autocast": False}
    rows = -(-channels // 2) if form.bits == 4 and channels is not None else channels
    kernel = layer.add_weight((rows, inputs), "zeros", "int8", **options)
    kernel.is_encoded = True
    setattr(layer, name, kernel)
    scales: tuple[Any, ...] = (channels,)
    if form.block is not None:
        scales = (channels, None if inputs is None else -(-inputs // form.block))
    setattr(layer, f"{name}_scale", layer.add_weight(scales, "ones", "float32", **options))
    if form.block is not None:
        setattr(layer, f"{name}_zero", layer.add_weight(scales, "zeros", "int8", **options))
    return kernel


def _size(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def stored(layer: Any, name: str) -> Quantized:
    """Return the present integers, scales and zero points of a kernel."""
    zero = getattr(layer, f"{name}_zero", None)
    values, scale = getattr(layer, name).value, getattr(layer, f"{name}_scale").value
    return Quantized(values, scale, None if zero is None else zero.value)


def integers_of(
    kernel: Any, axes: Sequence[int], config: QuantizationConfig, copies: int = 0
) -> dict[str, np.ndarray]:
    """Quantize a kernel.

    Args:
        kernel: the floats.
        axes: its axes of outputs.
        config: the options.
        copies: number of axes in front, along which kernels are stacked; 0 by default.

    Returns:
        The arrays by what is added to the name of the kernel: ``""``, ``"_scale"`` and, with
        blocks, ``"_zero"``.
    """
    if copies:
        parts = [integers_of(one, axes, config, copies - 1) for one in kernel]
        return {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    form = form_of(config)
    front = np.moveaxis(np.asarray(kernel, np.float32), axes, range(len(axes)))
    matrix = front.reshape(math.prod(front.shape[: len(axes)]), -1)
    low = -8 if form.bits == 4 else -127
    if form.block is not None:
        values, scale, zero = grouped_quantized(matrix, form.block, (low, 7), EPSILON)
        found = {"": values, "_scale": scale, "_zero": zero}
    else:
        quantizer: Any = config.weight_quantizer or AbsMaxQuantizer(
            value_range=(low, 7 if form.bits == 4 else 127)
        )
        values, scale = map(np.asarray, quantizer(matrix, axis=-1, to_numpy=True))
        found = {"": values.astype(np.int8), "_scale": scale.reshape(-1).astype(np.float32)}
    if form.bits == 4:
        found[""] = packed(found[""])
    return found


def from_matrix(floats: jax.Array, shape: Sequence[int], axes: Sequence[int]) -> jax.Array:
    """Return a kernel of the floats of its matrix.

    Args:
        floats: ``[channels, inputs]``.
        shape: the shape of the kernel.
        axes: its axes of outputs.
    """
    others = [axis for axis in range(len(shape)) if axis not in axes]
    front = floats.reshape([shape[axis] for axis in (*axes, *others)])
    return jnp.moveaxis(front, range(len(axes)), axes)
