"""The types of the options that all layers have, for editors and type checkers."""

from __future__ import annotations

from typing import Any, TypedDict

from lamina.regularizers import RegularizerLike

__all__ = ["CommonOptions", "LayerOptions"]


class CommonOptions(TypedDict, total=False):
    """The options that all layers accept by name only.

    Args:
        trainable: bool, whether the weights of the layer and of its inner layers are trained;
            True by default.
        dtype: dtype of the layer's weights, or a mixed-precision policy such as
            ``"mixed_bfloat16"``; float32 by default.
        input_shape: shape of one example, without the batch axis, for the first layer of a
            :class:`lamina.Sequential`; None by default.
    """

    trainable: bool
    dtype: Any
    input_shape: Any


class LayerOptions(CommonOptions, total=False):
    """The options of :class:`lamina.Layer`, which every layer accepts.

    Args:
        name: str, name of the layer in reports; None (default) for one derived from its class.
        activity_regularizer: penalty on each output, divided by the batch size; None by default.
        autocast: bool, whether inputs and weights are cast to the compute dtype; True by default.
        input_dim: size of the only axis of an example, short for ``input_shape``; None by default.
    """

    name: str | None
    activity_regularizer: RegularizerLike
    autocast: bool
    input_dim: int | None
