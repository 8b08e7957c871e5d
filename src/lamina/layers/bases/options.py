"""The options that families of layers share, as types."""

from __future__ import annotations

from lamina.constraints import ConstraintLike
from lamina.options import LayerOptions
from lamina.regularizers import RegularizerLike

__all__ = ["KernelOptions"]


class KernelOptions(LayerOptions, total=False):
    """The options of layers with a kernel and a bias, besides those of every layer.

    Args:
        kernel_regularizer: a penalty of ``kernel`` in the loss; None by default.
        bias_regularizer: a penalty of ``bias`` in the loss; None by default.
        kernel_constraint: a function that ``kernel`` goes through after each training step; None
            by default.
        bias_constraint: the same for ``bias``.
    """

    kernel_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    kernel_constraint: ConstraintLike
    bias_constraint: ConstraintLike
