"""The classes and options of single layers before Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields
from lamina.saving.keras.dialects.parts import unwrapped

__all__ = ["GATED", "RECURRENT", "input_layer", "of_keras_2"]

_CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Model": "Functional",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
_WITHOUT_EFFECT = frozenset(
    {
        "adjustment",
        "batch_input_shape",
        "batch_size",
        "dynamic",
        "fused",
        "implementation",
        "input_dtype",
        "input_length",
        "input_shape",
        "key_shape",
        "query_shape",
        "value_shape",
        "virtual_batch_size",
    }
)
"""Options that say nothing which the rest of the config, or the weights, do not say."""

_OF_KERNEL = ("kernel_constraint", "kernel_initializer", "kernel_regularizer")
GATED = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "GRUCell", "LSTM", "LSTMCell"})
"""Classes with a recurrent activation."""

RECURRENT = frozenset(
    {
        "Bidirectional",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "GRU",
        "LSTM",
        "RNN",
        "SimpleRNN",
    }
)
"""Classes whose further inputs are their initial states."""


def of_keras_2(
    kind: str, config: Fields, context: Context, outer: str | None
) -> tuple[str, Fields]:
    """Convert the class and the options of a layer of Keras 2.

    Args:
        kind: the name of the class.
        config: the options; those of Keras 3 are left as they are.
        context: the version and the path of the file.
        outer: the name of the root's layer that is, or holds, the layer; None if it is unknown.

    Returns:
        The name of the class and the options in Keras 3.

    Raises:
        FileFormatError: an option has no counterpart.
    """
    change = _CHANGES.get(kind)
    if context.version >= (3, 0):
        if kind == "Lambda":
            _lambda(config, context)
        return kind, config
    config = {n: unwrapped(v) for n, v in config.items() if n not in _WITHOUT_EFFECT}
    config = {n: v for n, v in config.items() if v or n not in ("ragged", "sparse")}
    _drop(config, "time_major", False, kind, context)
    _drop(config, "num_constants", 0, kind, context)
    _drop(config, "reverse_state_order", False, kind, context)
    _drop(config, "mode", 0, kind, context, only=kind == "BatchNormalization")
    if kind == "SyncBatchNormalization":
        config["synchronized"] = True
    if kind.startswith("CuDNN"):
        config |= {"recurrent_activation": "sigmoid"}
        if kind == "CuDNNGRU":
            config["reset_after"] = True
    kind = _CLASSES.get(kind, kind)
    if change is not None:
        change(config, context)
    if kind in GATED and "recurrent_activation" not in config and context.version < (2, 3):
        # the default of these versions
        config["recurrent_activation"] = "hard_sigmoid"
    if kind in ("GRU", "GRUCell") and "reset_after" not in config:
        config["reset_after"] = _resets_after(config, context, outer)
    return kind, config


def _drop(
    config: Fields, name: str, value: Any, kind: str, context: Context, only: bool = True
) -> None:
    """Remove an option that has to have a value.

    Raises:
        FileFormatError: it has another one.
    """
    if not only or name not in config:
        return
    given = config.pop(name)
    if given is not None and given != value:
        raise context.refused(
            f"has the layer {config.get('name')!r}, a {kind} with an option that Lamina does not"
            " have",
            f"{name}={given!r}",
        )


def _resets_after(config: Fields, context: Context, outer: str | None) -> bool:
    """Whether the bias of a GRU is that of a reset after the product; old configs do not say it."""
    units = config.get("units")
    if outer is None or not isinstance(units, int) or config.get("use_bias") is False:
        return False
    shapes = context.shapes(outer)
    # A recurrent kernel of 2 units has the shape of a bias with a reset after the product.
    return (3 * units,) not in shapes and any(s in ((2, 3 * units), (6 * units,)) for s in shapes)


def _batch_normalization(config: Fields, context: Context) -> None:
    axis = config.get("axis")
    if isinstance(axis, list):
        axes = cast("list[Any]", axis)
        if len(axes) != 1:
            raise context.refused(
                f"has the layer {config.get('name')!r}, a BatchNormalization over several axes",
                f"axis={axes!r}",
            )
        config["axis"] = axes[0]


def _leaky_relu(config: Fields, context: Context) -> None:
    if "alpha" in config:
        config["negative_slope"] = config.pop("alpha")


def _thresholded_relu(config: Fields, context: Context) -> None:
    config["threshold"] = config.pop("theta", 1.0)


def _separable(config: Fields, context: Context) -> None:
    for name in _OF_KERNEL:
        config.pop(name, None)
    _drop(config, "groups", 1, "separable convolution", context)


def _depthwise(config: Fields, context: Context) -> None:
    _separable(config, context)
    config.pop("filters", None)


def _attention(config: Fields, context: Context) -> None:
    config.pop("causal", None)  # which the calls say, see graphs.py


def _lambda(config: Fields, context: Context) -> None:
    """Keep the name of the function of a Lambda; code is left out, since it is never run."""
    function = config.get("function")
    if isinstance(function, str) and config.get("function_type") != "lambda":
        named: Fields = {"module": None, "class_name": "function", "config": function}
        config["function"] = named
    elif not isinstance(function, Mapping) or function.get("class_name") != "function":
        config["function"] = {"class_name": "__lambda__", "config": {}}
    for option in ("function_type", "module", "output_shape_type", "output_shape_module"):
        config.pop(option, None)
    for option in ("output_shape", "mask"):
        if isinstance(config.get(option), str | dict) or _is_code(config.get(option)):
            del config[option]


def _is_code(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, str) for item in cast("list[Any]", value)
    )


_CHANGES: dict[str, Callable[[Fields, Context], None]] = {
    "AdditiveAttention": _attention,
    "Attention": _attention,
    "BatchNormalization": _batch_normalization,
    "BatchNormalizationV1": _batch_normalization,
    "BatchNormalizationV2": _batch_normalization,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "Lambda": _lambda,
    "LeakyReLU": _leaky_relu,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "SyncBatchNormalization": _batch_normalization,
    "ThresholdedReLU": _thresholded_relu,
}


def input_layer(config: Fields, context: Context) -> Fields:
    """Convert the options of an `InputLayer`.

    Raises:
        FileFormatError: the input is sparse or ragged.
    """
    for name in ("sparse", "ragged"):
        _drop(config, name, False, "InputLayer", context)
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    return {
        "batch_shape": shape,
        "dtype": config.get("dtype") or config.get("input_dtype") or "float32",
        "sparse": False,
        "ragged": False,
        "name": config.get("name") or "input_layer",
        "optional": bool(config.get("optional")),
    }
