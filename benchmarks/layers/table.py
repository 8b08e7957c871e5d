"""The table of layers: names, options and inputs.

Names and options are those of Keras and Lamina. A layer that one of them does not have is skipped
and reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["ENTRIES", "Entry", "Inner"]

Shape = tuple[int, ...]


class Inner(NamedTuple):
    """A layer that is an option of another layer."""

    layer: str
    options: Mapping[str, Any]


class Entry(NamedTuple):
    """A layer and its inputs.

    Attributes:
        layer: class name.
        inputs: input shapes, batch first.
        options: constructor arguments by name.
        ids: number of ids if the inputs are integers; 0 for normal random inputs.
        listed: whether `call` takes a list of inputs.
        training: training mode.
        random: whether outputs are random and not compared.
    """

    layer: str
    inputs: tuple[Shape, ...]
    options: Mapping[str, Any] = {}
    ids: int = 0
    listed: bool = False
    training: bool = False
    random: bool = False


ROWS = ((64, 256),)
IDS = ((64, 64),)
SEQUENCE = ((32, 64, 64),)
SEQUENCES = ((32, 64, 64), (32, 64, 64))
IMAGE = ((8, 28, 28, 16),)
IMAGES = ((8, 28, 28, 16), (8, 28, 28, 16))
VOLUME = ((2, 8, 16, 16, 8),)
MOVIE = ((2, 6, 16, 16, 4),)

CORE = [
    Entry("Activation", ROWS, {"activation": "gelu"}),
    Entry("Dense", ROWS, {"units": 256}),
    Entry(
        "EinsumDense",
        SEQUENCE,
        {"equation": "abc,cde->abde", "output_shape": (None, 4, 16), "bias_axes": "de"},
    ),
    Entry("Embedding", IDS, {"input_dim": 1000, "output_dim": 64}, ids=1000),
    Entry("Identity", ROWS),
    Entry("Masking", SEQUENCE),
    Entry("ReversibleEmbedding", IDS, {"input_dim": 1000, "output_dim": 64}, ids=1000),
]
ACTIVATIONS = [
    Entry("ELU", ROWS),
    Entry("LeakyReLU", ROWS),
    Entry("PReLU", ROWS),
    Entry("ReLU", ROWS),
    Entry("Softmax", ROWS),
]
CONVOLUTIONS = [
    Entry("Conv1D", SEQUENCE, {"filters": 64, "kernel_size": 3}),
    Entry("Conv1DTranspose", SEQUENCE, {"filters": 64, "kernel_size": 3, "strides": 2}),
    Entry("Conv2D", IMAGE, {"filters": 32, "kernel_size": 3, "padding": "same"}),
    Entry("Conv2DTranspose", IMAGE, {"filters": 32, "kernel_size": 3, "strides": 2}),
    Entry("Conv3D", VOLUME, {"filters": 16, "kernel_size": 3}),
    Entry("Conv3DTranspose", VOLUME, {"filters": 16, "kernel_size": 3}),
    Entry("DepthwiseConv1D", SEQUENCE, {"kernel_size": 3}),
    Entry("DepthwiseConv2D", IMAGE, {"kernel_size": 3}),
    Entry("SeparableConv1D", SEQUENCE, {"filters": 64, "kernel_size": 3}),
    Entry("SeparableConv2D", IMAGE, {"filters": 32, "kernel_size": 3}),
]
POOLING = [
    *(
        Entry(f"{kind}Pooling{dims}D", inputs, {"pool_size": 2})
        for kind in ("Average", "Max")
        for dims, inputs in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))
    ),
    *(
        Entry(f"Global{kind}Pooling{dims}D", inputs)
        for kind in ("Average", "Max")
        for dims, inputs in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))
    ),
    *(
        Entry(f"Adaptive{kind}Pooling{dims}D", inputs, {"output_size": 4})
        for kind in ("Average", "Max")
        for dims, inputs in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))
    ),
]
NORMALIZATION = [
    Entry("BatchNormalization", IMAGE, training=True),
    Entry("GroupNormalization", IMAGE, {"groups": 4}),
    Entry("LayerNormalization", SEQUENCE),
    Entry("Normalization", ROWS),
    Entry("RMSNormalization", SEQUENCE),
    Entry("UnitNormalization", ROWS),
]
RECURRENT = [
    Entry("GRU", SEQUENCE, {"units": 64, "return_sequences": True}),
    Entry("LSTM", SEQUENCE, {"units": 64, "return_sequences": True}),
    Entry("SimpleRNN", SEQUENCE, {"units": 64, "return_sequences": True}),
    Entry(
        "Bidirectional",
        SEQUENCE,
        {"layer": Inner("GRU", {"units": 64, "return_sequences": True})},
    ),
    Entry("RNN", SEQUENCE, {"cell": Inner("GRUCell", {"units": 64}), "return_sequences": True}),
    Entry("TimeDistributed", SEQUENCE, {"layer": Inner("Dense", {"units": 64})}),
    Entry("ConvLSTM1D", ((4, 6, 32, 8),), {"filters": 8, "kernel_size": 3}),
    Entry("ConvLSTM2D", MOVIE, {"filters": 8, "kernel_size": 3}),
    Entry("ConvLSTM3D", ((1, 3, 6, 6, 6, 4),), {"filters": 4, "kernel_size": 3}),
]
ATTENTION = [
    Entry("AdditiveAttention", SEQUENCES, listed=True),
    Entry("Attention", SEQUENCES, listed=True),
    Entry("MultiHeadAttention", SEQUENCES, {"num_heads": 4, "key_dim": 16}),
    Entry(
        "GroupQueryAttention",
        SEQUENCES,
        {"head_dim": 16, "num_query_heads": 4, "num_key_value_heads": 2},
    ),
]
MERGING = [
    *(
        Entry(name, IMAGES, listed=True)
        for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    ),
    Entry("Dot", SEQUENCES, {"axes": 2}, listed=True),
]
RESHAPING = [
    *(
        Entry(f"{name}{dims}D", inputs)
        for name in ("Cropping", "UpSampling", "ZeroPadding")
        for dims, inputs in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))
    ),
    Entry("Flatten", IMAGE),
    Entry("Permute", SEQUENCE, {"dims": (2, 1)}),
    Entry("RepeatVector", ROWS, {"n": 8}),
    Entry("Rescaling", IMAGE, {"scale": 0.5, "offset": 1.0}),
    Entry("Reshape", SEQUENCE, {"target_shape": (4096,)}),
    Entry("Resizing", IMAGE, {"height": 20, "width": 20}),
    Entry("CenterCrop", IMAGE, {"height": 20, "width": 20}),
]
RANDOM = [
    *(
        Entry(name, ROWS, {"rate": 0.3}, training=True, random=True)
        for name in ("AlphaDropout", "Dropout", "GaussianDropout")
    ),
    Entry("GaussianNoise", ROWS, {"stddev": 0.3}, training=True, random=True),
    *(
        Entry(f"SpatialDropout{dims}D", inputs, {"rate": 0.3}, training=True, random=True)
        for dims, inputs in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))
    ),
]

ENTRIES = {
    entry.layer: entry
    for group in (
        CORE,
        ACTIVATIONS,
        CONVOLUTIONS,
        POOLING,
        NORMALIZATION,
        RECURRENT,
        ATTENTION,
        MERGING,
        RESHAPING,
        RANDOM,
    )
    for entry in group
}
