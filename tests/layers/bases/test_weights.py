"""Every weight that has an option for its penalty and its constraint bears them."""

import typing

import pytest

from lamina import constraints, layers, regularizers
from lamina.core.tree.walk import walk

SEQUENCE, IMAGE = (2, 5, 4), (2, 5, 5, 4)
KINDS = [
    (layers.Dense, (3,), SEQUENCE),
    (layers.EinsumDense, ("abc,cd->abd", (None, 3), None, "d"), SEQUENCE),
    (layers.Embedding, (3, 2), (2, 5)),
    (layers.Conv2D, (3, 2), IMAGE),
    (layers.Conv2DTranspose, (3, 2), IMAGE),
    (layers.DepthwiseConv2D, (2,), IMAGE),
    (layers.SeparableConv2D, (3, 2), IMAGE),
    (layers.BatchNormalization, (), SEQUENCE),
    (layers.LayerNormalization, (), SEQUENCE),
    (layers.GroupNormalization, (2,), SEQUENCE),
    (layers.PReLU, (), SEQUENCE),
    (layers.SimpleRNN, (3,), SEQUENCE),
    (layers.GRU, (3,), SEQUENCE),
    (layers.LSTM, (3,), SEQUENCE),
    (layers.ConvLSTM1D, (3, 2), IMAGE),
    (layers.MultiHeadAttention, (2, 3), (SEQUENCE, SEQUENCE)),
    (layers.GroupedQueryAttention, (3, 2, 1), (SEQUENCE, SEQUENCE)),
]


@pytest.mark.parametrize(("kind", "arguments", "shape"), KINDS)
def test_every_weight_bears_its_options(kind, arguments, shape) -> None:
    options = typing.get_type_hints(kind.__init__)
    names = set(options) | set(typing.get_type_hints(*typing.get_args(options["options"])))
    weights = [name.removesuffix("_constraint") for name in names if name.endswith("_constraint")]
    penalties = {f"{name}_regularizer": regularizers.L2(1 + i) for i, name in enumerate(weights)}
    limits = {f"{name}_constraint": constraints.MaxNorm(1 + i) for i, name in enumerate(weights)}
    assert weights and names.issuperset(penalties)
    layer = kind(*arguments, **penalties, **limits)
    layer.build(*(shape if isinstance(shape[0], tuple) else (shape,)))
    trained = [v for _, v in walk(layer).variables.values() if v.trainable]
    assert {v.regularizer for v in trained} == set(penalties.values())
    assert {v.constraint for v in trained} == set(limits.values())
    assert all(v.regularizer.l2 == v.constraint.max_value for v in trained)
