"""Sequence-to-sequence models: encoders, decoders with attention, and decoding by search."""

from lamina.seq2seq.attention import BahdanauAttention, DotAttention
from lamina.seq2seq.base import Translating
from lamina.seq2seq.beam import Beams, beam_search
from lamina.seq2seq.decoder import AttentionDecoder
from lamina.seq2seq.encoder import Encoder
from lamina.seq2seq.loss import smoothed_cross_entropy
from lamina.seq2seq.recurrent import Seq2Seq
from lamina.seq2seq.search import Decoded, greedy, sample
from lamina.seq2seq.transformer import Transformer, TransformerDecoder, TransformerEncoder

__all__ = [
    "AttentionDecoder",
    "BahdanauAttention",
    "Beams",
    "Decoded",
    "DotAttention",
    "Encoder",
    "Seq2Seq",
    "Transformer",
    "TransformerDecoder",
    "TransformerEncoder",
    "Translating",
    "beam_search",
    "greedy",
    "sample",
    "smoothed_cross_entropy",
]
