"""The options that every layer takes, as a type: editors complete them, checkers refuse others."""

from __future__ import annotations

from typing import Any, TypedDict

from lamina.regularizers import RegularizerLike

__all__ = ["LayerOptions"]


class LayerOptions(TypedDict, total=False):
    """The options of :class:`lamina.Layer`, which every layer passes on to it.

    Args:
        name: what reports call the layer; None (default) for a name made of its class.
        trainable: whether the weights of the layer and of all layers in it are trained;
            True by default.
        dtype: of the layer's weights, float32 by default, or a policy of mixed precision such as
            ``"mixed_bfloat16"``.
        activity_regularizer: a penalty of each output, divided by the batch size; None by default.
        input_shape: of one example, for the first layer of a :class:`lamina.Sequential`.
        input_dim: the same where an example has one axis.
    """

    name: str | None
    trainable: bool
    dtype: Any
    activity_regularizer: RegularizerLike
    input_shape: Any
    input_dim: int | None
