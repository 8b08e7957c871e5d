"""The pages as plain text, whole."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from lamina import Layer, Model, Sequential, Spec, layers
from lamina.reports import explanation_text, print_explanation, print_summary, summary_text


class Attention(Layer):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.W1, self.W2 = layers.Dense(units), layers.Dense(units)
        self.V = layers.Dense(1)

    def call(self, query, values):
        scores = self.V(jnp.tanh(self.W1(query)[:, None] + self.W2(values)))
        return (jax.nn.softmax(scores, 1) * values).sum(1), scores


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(10)
        self.blocks = [Sequential([layers.Dense(6, use_bias=False), layers.BatchNormalization()])]
        self.again = self.attention.V
        self.never = layers.Dense(3)
        self.scale = self.add_weight((2,), "ones", trainable=False)

    def call(self, query, values, mask=None, training=False):
        context, scores = self.attention(query, values)
        if training:
            raise NotImplementedError("not to be trained")
        return {"out": self.blocks[0](context), "scores": scores}, self.scale


def normal(text: str) -> str:
    text = re.sub(r"\S*?((?:lamina/layers|lamina/models)/\w+\.py):\d+", r"\1:N", text)
    return re.sub(r"\S*test_pages\.py:\d+", "test_pages.py:N", text)


def check(text: str, expected: str) -> None:
    assert normal(text).split("\n") == expected.strip("\n").split("\n")


def built() -> Net:
    net = Net()
    net.build(query=(None, 6), values=Spec((None, "time", 6)))
    net.attention.W2.trainable = False
    return net


def test_summary_before_the_build() -> None:
    check(summary_text(Net()), """
Net is not built. It awaits query, values (and may take mask). Call it on arrays, or build(query=shape, values=shape).

layer          class                output      weights                  params
----------------------------------------------------------------------------------------
Net            Net                  not built   scale (2,) not trained        2
  attention    Attention            not built
    W1         Dense                not built
    W2         Dense                not built
    V          Dense                not built
  blocks.0     Sequential           not built
    layers.0   Dense                not built
    layers.1   BatchNormalization   not built
  never        Dense                not built
  again        = attention.V                                                      shared

2 parameters (8 bytes): 0 trainable, 2 not trainable
""")


def test_summary() -> None:
    check(summary_text(built()), """
Net for query: float32[?, 6], values: float32[?, time, 6], built at test_pages.py:N

layer          class                output                                                                weights                            params
------------------------------------------------------------------------------------------------------------------------------------------------------------
Net            Net                  ({'out': float32[?, 6], 'scores': float32[?, time, 1]}, float32[2])   scale (2,) not trained                  2
  attention    Attention            (float32[?, 6], float32[?, time, 1])
    W1         Dense                float32[?, 10]                                                        kernel (6, 10)                         70
                                                                                                          bias (10,)
    W2         Dense                float32[?, time, 10]                                                  kernel (6, 10) not trained             70   frozen
                                                                                                          bias (10,) not trained
    V          Dense                float32[?, time, 1]                                                   kernel (10, 1)                         11
                                                                                                          bias (1,)
  blocks.0     Sequential           float32[?, 6]
    layers.0   Dense                float32[?, 6]                                                         kernel (6, 6)                          36
    layers.1   BatchNormalization   float32[?, 6]                                                         gamma (6,)                             24
                                                                                                          beta (6,)
                                                                                                          moving_mean (6,) not trained
                                                                                                          moving_variance (6,) not trained
  never        Dense                not built
  again        = attention.V                                                                                                                          shared

213 parameters (852 bytes): 129 trainable, 84 not trainable
not built: never awaits inputs
""")


def test_explanation_before_the_build() -> None:
    check(explanation_text(Net()), """
Net is not built. It awaits query, values (and may take mask). Call it on arrays, or build(query=shape, values=shape).
It tracks 8 layers; 1 weight declared so far, the others follow from the shapes.

Net  the root
  class    defined at test_pages.py:N, made at test_pages.py:N
  built    not yet: awaits query, values (and may take mask)
  weights  scale  (2,)  float32  ones  not trained  set when the layer was made

attention  Attention
  class    defined at test_pages.py:N, made at test_pages.py:N
  built    not yet: awaits query, values

attention.W1  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

attention.W2  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

attention.V  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

blocks.0  Sequential
  class    defined at lamina/models/sequential.py:N, made at test_pages.py:N
  built    not yet: awaits inputs (and may take mask)

blocks.0.layers.0  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

blocks.0.layers.1  BatchNormalization
  class    defined at lamina/layers/normalization.py:N, made at test_pages.py:N
  built    not yet: awaits inputs (and may take mask)
  weights  none yet: BatchNormalization.build says which, once the shapes are known

never  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

Shared
  again is attention.V
""")


def test_explanation() -> None:
    check(explanation_text(built()), """
Net is built, at test_pages.py:N, for query: float32[?, 6], values: float32[?, time, 6].
It tracks 8 layers and has 213 parameters (852 bytes): 129 trainable, 84 not trainable.

Net  the root
  class    defined at test_pages.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    query: float32[?, 6], values: float32[?, time, 6]
  output   ({'out': float32[?, 6], 'scores': float32[?, time, 1]}, float32[2])
  weights  scale  (2,)  float32  ones  not trained  set when the layer was made

attention  Attention
  class    defined at test_pages.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    query: float32[?, 6], values: float32[?, time, 6]
  output   (float32[?, 6], float32[?, time, 1])

attention.W1  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, 6]
  output   float32[?, 10]
  weights  kernel  (6, 10)  float32  glorot_uniform  trained  6 = axis -1 of inputs, 10 = units
           bias    (10,)    float32  zeros           trained  10 = units

attention.W2  Dense  [frozen]
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, time, 6]
  output   float32[?, time, 10]
  weights  kernel  (6, 10)  float32  glorot_uniform  not trained  6 = axis -1 of inputs, 10 = units
           bias    (10,)    float32  zeros           not trained  10 = units

attention.V  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, time, 10]
  output   float32[?, time, 1]
  weights  kernel  (10, 1)  float32  glorot_uniform  trained  10 = axis -1 of inputs, 1 = units
           bias    (1,)     float32  zeros           trained  1 = units

blocks.0  Sequential
  class    defined at lamina/models/sequential.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, 6]
  output   float32[?, 6]

blocks.0.layers.0  Dense
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, 6]
  output   float32[?, 6]
  weights  kernel  (6, 6)  float32  glorot_uniform  trained  6 = axis -1 of inputs, 6 = units

blocks.0.layers.1  BatchNormalization
  class    defined at lamina/layers/normalization.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[?, 6]
  output   float32[?, 6]
  weights  gamma            (6,)  float32  ones   trained      6 = axis -1 of inputs
           beta             (6,)  float32  zeros  trained      6 = axis -1 of inputs
           moving_mean      (6,)  float32  zeros  not trained  6 = axis -1 of inputs
           moving_variance  (6,)  float32  ones   not trained  6 = axis -1 of inputs

never  Dense  [unused]
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    not yet: awaits inputs
  weights  none yet: Dense.build says which, once the shapes are known

Shared
  again is attention.V

Unused: no call reaches it
  never

Frozen
  attention.W2

Not built
  never awaits inputs

Note
  call fails with training=True: not to be trained
""")


def test_a_single_layer() -> None:
    layer = layers.Dense(3)
    layer(jnp.ones((2, 4)))
    check(summary_text(layer), """
Dense for inputs: float32[2, 4], built at test_pages.py:N

layer   class   output          weights         params
---------------------------------------------------------
Dense   Dense   float32[2, 3]   kernel (4, 3)       15
                                bias (3,)

15 parameters (60 bytes): 15 trainable, 0 not trainable
""")
    check(explanation_text(layer), """
Dense is built, at test_pages.py:N, for inputs: float32[2, 4].
It tracks 0 layers and has 15 parameters (60 bytes): 15 trainable, 0 not trainable.

Dense  the root
  class    defined at lamina/layers/dense.py:N, made at test_pages.py:N
  built    at test_pages.py:N, by call
  input    inputs: float32[2, 4]
  output   float32[2, 3]
  weights  kernel  (4, 3)  float32  glorot_uniform  trained  4 = axis -1 of inputs, 3 = units
           bias    (3,)    float32  zeros           trained  3 = units
""")
