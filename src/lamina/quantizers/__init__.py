"""Quantizers: floats as integers of few bits, for models that need less memory.

:meth:`lamina.Layer.quantize` uses them; names, arguments and numbers are those of Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.errors import InputError, explain
from lamina.named_configs import given_by, serialize
from lamina.names import look_up, snake
from lamina.quantizers.configs import (
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
    resolve,
)
from lamina.quantizers.float8 import (
    compute_float8_amax_history,
    compute_float8_scale,
    quantize_and_dequantize,
)
from lamina.quantizers.functions import (
    abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point,
    fake_quant_with_min_max_vars,
    pack_int4,
    unpack_int4,
)
from lamina.quantizers.quantizer import AbsMaxQuantizer, Quantizer

__all__ = [
    "AbsMaxQuantizer",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "Quantizer",
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "deserialize",
    "fake_quant_with_min_max_vars",
    "get",
    "pack_int4",
    "quantize_and_dequantize",
    "resolve",
    "serialize",
    "unpack_int4",
]

_KNOWN: dict[str, type[Quantizer] | type[QuantizationConfig]] = {
    snake(kind.__name__): kind
    for kind in (
        AbsMaxQuantizer,
        Int4QuantizationConfig,
        Int8QuantizationConfig,
        QuantizationConfig,
        Quantizer,
    )
}


def get(identifier: Any, **options: Any) -> Any:
    """Return the quantizer, or the options of quantization, of an identifier.

    Args:
        identifier: an object of this module or its class; a name, ``"abs_max_quantizer"`` or
            ``"AbsMaxQuantizer"``; a config of :func:`serialize`; a function; or None.
        **options: arguments of the constructor, with a name or a class.

    Returns:
        The object, a function as it is, or None for None.

    Raises:
        UnknownNameError: nothing in this module has that name.
        InputError: the identifier is of another type.

    >>> get("abs_max_quantizer").value_range
    (-127, 127)
    """
    if isinstance(identifier, str):
        identifier = look_up("quantizer", identifier, _KNOWN, {})
    if isinstance(identifier, type):
        return identifier(**options)
    if isinstance(identifier, Mapping):
        fields = cast("Mapping[str, Any]", identifier)
        kind = look_up("quantizer", str(fields.get("class_name")), _KNOWN, {})
        return kind.from_config(fields.get("config") or {})
    if identifier is None or callable(identifier) or isinstance(identifier, QuantizationConfig):
        return identifier
    raise InputError(
        explain(
            "This is not a quantizer.",
            expected="a quantizer or its name, class or config, a function, or None",
            received=repr(identifier),
            remedy="Pass lamina.quantizers.AbsMaxQuantizer(), for example.",
        )
    )


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the quantizer, or the options of quantization, of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The object.

    >>> deserialize(serialize(AbsMaxQuantizer(axis=0))).axis
    (0,)
    """
    return get(given_by(config, custom_objects))
