"""The options that families of layers share, as types."""

from __future__ import annotations

from lamina.constraints import ConstraintLike
from lamina.options import CommonOptions, LayerOptions
from lamina.quantizers import QuantizationConfig
from lamina.regularizers import RegularizerLike

__all__ = [
    "AdaptableOptions",
    "AlphaOptions",
    "DepthwiseOptions",
    "EmbeddingOptions",
    "KernelOptions",
    "NormalizationOptions",
    "PoolingOptions",
    "QuantizableOptions",
    "SeparableOptions",
    "UnpenalizedOptions",
]


class KernelOptions(LayerOptions, total=False):
    """The options of layers with a kernel and a bias, besides those of every layer.

    Args:
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        bias_regularizer: penalty on ``bias``, added to the loss; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by
            default.
        bias_constraint: function applied to ``bias`` after each training step; None by default.
    """

    kernel_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    kernel_constraint: ConstraintLike
    bias_constraint: ConstraintLike


class AdaptableOptions(KernelOptions, total=False):
    """The options of layers whose kernel may be adapted by LoRA.

    Args:
        lora_rank: positive integer, rank of the update; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the scale ``lora_alpha / lora_rank``; the rank by
            default.
    """

    lora_rank: int | None
    lora_alpha: float | None


class QuantizableOptions(AdaptableOptions, total=False):
    """The options of layers whose kernel may also be stored as integers.

    Args:
        quantization_config: a :class:`lamina.quantizers.QuantizationConfig`; None (default) for a
            kernel of floats.
    """

    quantization_config: QuantizationConfig | None


class DepthwiseOptions(LayerOptions, total=False):
    """The options of depthwise convolutions, besides those of every layer.

    Args:
        depthwise_regularizer: penalty on the depthwise kernel, added to the loss; None by default.
        bias_regularizer: penalty on ``bias``, added to the loss; None by default.
        depthwise_constraint: function applied to the depthwise kernel after each training step;
            None by default.
        bias_constraint: function applied to ``bias`` after each training step; None by default.
    """

    depthwise_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    depthwise_constraint: ConstraintLike
    bias_constraint: ConstraintLike


class SeparableOptions(DepthwiseOptions, total=False):
    """The options of separable convolutions.

    Args:
        pointwise_regularizer: penalty on the pointwise kernel, added to the loss; None by default.
        pointwise_constraint: function applied to the pointwise kernel after each training step;
            None by default.
    """

    pointwise_regularizer: RegularizerLike
    pointwise_constraint: ConstraintLike


class NormalizationOptions(LayerOptions, total=False):
    """The options of normalizations with a scale and an offset, besides those of every layer.

    Args:
        beta_regularizer: penalty on ``beta``, added to the loss; None by default.
        gamma_regularizer: penalty on ``gamma``, added to the loss; None by default.
        beta_constraint: function applied to ``beta`` after each training step; None by default.
        gamma_constraint: function applied to ``gamma`` after each training step; None by default.
    """

    beta_regularizer: RegularizerLike
    gamma_regularizer: RegularizerLike
    beta_constraint: ConstraintLike
    gamma_constraint: ConstraintLike


class AlphaOptions(LayerOptions, total=False):
    """The options of activations with a learned slope, besides those of every layer.

    Args:
        alpha_regularizer: penalty on ``alpha``, added to the loss; None by default.
        alpha_constraint: function applied to ``alpha`` after each training step; None by default.
    """

    alpha_regularizer: RegularizerLike
    alpha_constraint: ConstraintLike


class EmbeddingOptions(CommonOptions, total=False):
    """The options of embeddings; ``input_dim`` is an argument of these layers themselves.

    Args:
        name: str, name of the layer in reports; None (default) for one derived from its class.
        activity_regularizer: penalty on each output, divided by the batch size; None by default.
        embeddings_regularizer: penalty on ``embeddings``, added to the loss; None by default.
        embeddings_constraint: function applied to ``embeddings`` after each training step; None by
            default.
        lora_rank: positive integer, rank of the LoRA update; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the scale ``lora_alpha / lora_rank``; the rank by
            default.
        quantization_config: a :class:`lamina.quantizers.QuantizationConfig`; None (default) for a
            table of floats.
        input_length: of older versions of Keras; ignored with a warning. None by default.
    """

    name: str | None
    quantization_config: QuantizationConfig | None
    input_length: int | None
    activity_regularizer: RegularizerLike
    embeddings_regularizer: RegularizerLike
    embeddings_constraint: ConstraintLike
    lora_rank: int | None
    lora_alpha: float | None


class PoolingOptions(CommonOptions, total=False):
    """The options of pooling layers, which take ``name`` by position.

    Args:
        activity_regularizer: penalty on each output, divided by the batch size; None by default.
        input_dim: size of the only axis of an example, short for ``input_shape``; None by default.
    """

    activity_regularizer: RegularizerLike
    input_dim: int | None


class UnpenalizedOptions(CommonOptions, total=False):
    """The options of a layer that sets ``activity_regularizer`` itself.

    Args:
        name: str, name of the layer in reports; None (default) for one derived from its class.
        input_dim: size of the only axis of an example, short for ``input_shape``; None by default.
    """

    name: str | None
    input_dim: int | None
