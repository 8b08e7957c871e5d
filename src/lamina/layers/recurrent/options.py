"""The options that recurrent layers and cells share, as types."""

from __future__ import annotations

from lamina.constraints import ConstraintLike
from lamina.options import LayerOptions
from lamina.regularizers import RegularizerLike

__all__ = ["CellOptions", "RecurrentOptions", "SequenceOptions"]


class CellOptions(LayerOptions, total=False):
    """The options of recurrent cells, besides those of every layer.

    Args:
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: the same for ``recurrent_kernel``.
        bias_regularizer: the same for ``bias``.
        kernel_constraint: function applied to ``kernel`` after each training step; None by
            default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, a number in [0, 1]; 0 by default.
        recurrent_dropout: dropout rate of the state, a number in [0, 1]; 0 by default.
        seed: integer folded into the random key of the dropout; None by default.
        implementation: has no effect: there is one implementation. Keras has it.
    """

    kernel_regularizer: RegularizerLike
    recurrent_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    kernel_constraint: ConstraintLike
    recurrent_constraint: ConstraintLike
    bias_constraint: ConstraintLike
    dropout: float
    recurrent_dropout: float
    seed: int | None
    implementation: int


class SequenceOptions(LayerOptions, total=False):
    """The options of layers that run over a sequence, besides those of every layer.

    Args:
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return the final state as well; False by default.
        go_backwards: process the sequence from its last step; False by default.
        stateful: start each batch from the final state of the previous one; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps; False by default.
    """

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    unroll: bool
    zero_output_for_mask: bool


class RecurrentOptions(CellOptions, SequenceOptions, total=False):
    """The options of GRU, LSTM, SimpleRNN and ConvLSTM, besides those of every layer.

    Args:
        **options: those of `CellOptions` and of `SequenceOptions`.
    """
