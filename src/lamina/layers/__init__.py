"""The layers, one family a file, under Keras's names."""

from lamina.layer import Layer
from lamina.layers.activation import Activation
from lamina.layers.dense import Dense
from lamina.layers.embedding import Embedding
from lamina.layers.normalization import BatchNormalization, LayerNormalization
from lamina.layers.recurrent import GRU
from lamina.layers.regularization import Dropout
from lamina.layers.reshaping import Flatten

__all__ = [
    "GRU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Layer",
    "LayerNormalization",
]
