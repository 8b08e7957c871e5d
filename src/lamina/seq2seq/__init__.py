"""From one sequence to another: encoder, decoder with attention, and the search for an answer."""

from lamina.seq2seq.attention import BahdanauAttention
from lamina.seq2seq.decoder import AttentionDecoder
from lamina.seq2seq.encoder import Encoder
from lamina.seq2seq.model import Seq2Seq
from lamina.seq2seq.search import Decoded, greedy

__all__ = ["AttentionDecoder", "BahdanauAttention", "Decoded", "Encoder", "Seq2Seq", "greedy"]
