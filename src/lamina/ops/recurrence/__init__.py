"""Recurrences over time: their steps, and whole sequences with backward passes written by hand."""

from lamina.ops.recurrence.attention import Attended, AttentionWeights, Memory, attend
from lamina.ops.recurrence.engine import Activation, Cell, State, recur
from lamina.ops.recurrence.gru import gru, gru_cell, gru_project, gru_step
from lamina.ops.recurrence.lstm import lstm, lstm_cell, lstm_step
from lamina.ops.recurrence.simple import simple_rnn, simple_rnn_cell, simple_rnn_step

__all__ = [
    "Activation",
    "Attended",
    "AttentionWeights",
    "Cell",
    "Memory",
    "State",
    "attend",
    "gru",
    "gru_cell",
    "gru_project",
    "gru_step",
    "lstm",
    "lstm_cell",
    "lstm_step",
    "recur",
    "simple_rnn",
    "simple_rnn_cell",
    "simple_rnn_step",
]
