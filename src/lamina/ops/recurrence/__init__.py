"""Recurrent operations: single steps, and whole sequences with custom backward passes."""

from lamina.ops.recurrence.attention import Attended, AttentionWeights, Memory, attend
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.conv_lstm import conv_lstm
from lamina.ops.recurrence.custom_vjp import recur
from lamina.ops.recurrence.generic import Step, over_steps, zero_state
from lamina.ops.recurrence.gru import gru, gru_cell, gru_project, gru_step
from lamina.ops.recurrence.lstm import lstm, lstm_cell, lstm_step
from lamina.ops.recurrence.simple_rnn import simple_rnn, simple_rnn_cell, simple_rnn_step

__all__ = [
    "Activation",
    "Attended",
    "AttentionWeights",
    "Cell",
    "Memory",
    "State",
    "Step",
    "attend",
    "conv_lstm",
    "gru",
    "gru_cell",
    "gru_project",
    "gru_step",
    "lstm",
    "lstm_cell",
    "lstm_step",
    "over_steps",
    "recur",
    "simple_rnn",
    "simple_rnn_cell",
    "simple_rnn_step",
    "zero_state",
]
