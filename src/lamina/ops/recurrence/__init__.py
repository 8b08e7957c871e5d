"""Recurrences over time: their steps, and whole sequences with backward passes written by hand."""

from lamina.ops.recurrence.attention import Attended, AttentionWeights, Memory, attend
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.convolutional import conv_lstm
from lamina.ops.recurrence.engine import recur
from lamina.ops.recurrence.gru import gru, gru_cell, gru_project, gru_step
from lamina.ops.recurrence.lstm import lstm, lstm_cell, lstm_step
from lamina.ops.recurrence.simple import simple_rnn, simple_rnn_cell, simple_rnn_step
from lamina.ops.recurrence.stepping import Step, over_steps, zero_state

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
