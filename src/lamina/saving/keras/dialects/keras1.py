"""The names of classes and options in Keras 1."""

from __future__ import annotations

from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields

__all__ = ["of_keras_1"]

_CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_WEIGHTS = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "init": "kernel_initializer",
}
_CONV = {
    **_WEIGHTS,
    "atrous_rate": "dilation_rate",
    "border_mode": "padding",
    "depthwise_init": "depthwise_initializer",
    "filter_length": "kernel_size",
    "nb_filter": "filters",
    "pointwise_init": "pointwise_initializer",
    "subsample": "strides",
    "subsample_length": "strides",
}
_RECURRENT = {
    **_WEIGHTS,
    "U_regularizer": "recurrent_regularizer",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "output_dim": "units",
}
_POOLING = {
    "border_mode": "padding",
    "pool_length": "pool_size",
    "stride": "strides",
}
_NAMES: dict[str, dict[str, str]] = {
    "AveragePooling1D": _POOLING,
    "AveragePooling2D": _POOLING,
    "AveragePooling3D": _POOLING,
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Conv1D": _CONV,
    "Conv2D": _CONV,
    "Conv2DTranspose": _CONV,
    "Conv3D": _CONV,
    "ConvLSTM2D": _RECURRENT,
    "Dense": {**_WEIGHTS, "output_dim": "units"},
    "Dropout": {"p": "rate"},
    "Embedding": {
        "W_constraint": "embeddings_constraint",
        "W_regularizer": "embeddings_regularizer",
        "init": "embeddings_initializer",
    },
    "GRU": _RECURRENT,
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LSTM": _RECURRENT,
    "MaxPooling1D": _POOLING,
    "MaxPooling2D": _POOLING,
    "MaxPooling3D": _POOLING,
    "PReLU": {"init": "alpha_initializer"},
    "SeparableConv2D": _CONV,
    "SimpleRNN": _RECURRENT,
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate"},
    "SpatialDropout3D": {"p": "rate"},
    "UpSampling1D": {"length": "size"},
}
_SIZES = {
    "Conv2D": ("nb_row", "nb_col"),
    "Conv2DTranspose": ("nb_row", "nb_col"),
    "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
    "ConvLSTM2D": ("nb_row", "nb_col"),
    "SeparableConv2D": ("nb_row", "nb_col"),
}
_FORMATS = {"default": "channels_last", "tf": "channels_last", "th": "channels_first"}
_WITHOUT_EFFECT = (
    "consume_less",
    "forget_bias_init",
    "input_dtype",
    "learn_mode",
)
_MERGES = {
    "ave": "Average",
    "concat": "Concatenate",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}
_OF_MERGE = ("mode", "concat_axis", "dot_axes", "output_shape", "output_mask", "arguments")


def of_keras_1(kind: str, config: Fields, context: Context) -> tuple[str, Fields]:
    """Convert the class and the options of a layer of Keras 1.

    Args:
        kind: the name of the class.
        config: the options, of Keras 1 or of a newer version; these are left as they are.
        context: the version and the path of the file.

    Returns:
        The name of the class and the options in Keras 2.

    Raises:
        FileFormatError: the layer is a merge by a function, or by cosines.
    """
    if kind == "Merge":
        return _merge(config, context)
    kind = _CLASSES.get(kind, kind)
    sizes = _SIZES.get(kind, ())
    config = {n: v for n, v in config.items() if n not in _WITHOUT_EFFECT}
    if sizes and all(name in config for name in sizes):
        config["kernel_size"] = [config.pop(name) for name in sizes]
        config.pop("output_shape", None)
    new = _NAMES.get(kind, {})
    config = {new.get(name, name): value for name, value in config.items()}
    if "dim_ordering" in config:
        order = str(config.pop("dim_ordering"))
        config["data_format"] = _FORMATS.get(order, order)
    if kind == "Embedding":
        config.pop("dropout", None)
    elif "input_dim" in config:  # in Keras 1, the number of features of the first layer
        del config["input_dim"]
    return kind, config


def _merge(config: Fields, context: Context) -> tuple[str, Fields]:
    mode = config.get("mode")
    kind = _MERGES.get(mode) if isinstance(mode, str) else None
    if kind is None:
        name = config.get("name")
        raise context.refused(
            f"has the layer {name!r}, a Merge that Lamina does not have",
            f"mode={mode!r}",
        )
    options = {n: v for n, v in config.items() if n not in _OF_MERGE}
    if kind == "Concatenate":
        options["axis"] = config.get("concat_axis", -1)
    if kind == "Dot":
        options["axes"] = _bare(config.get("dot_axes", -1))
    return kind, options


def _bare(axes: Any) -> Any:
    """Axes without lists of one: [[1], [2]] are the axes 1 and 2."""
    if not isinstance(axes, list):
        return axes
    items = [_bare(item) for item in cast("list[Any]", axes)]
    return items[0] if len(items) == 1 else items
