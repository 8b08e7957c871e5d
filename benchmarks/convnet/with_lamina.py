"""Lamina: a graph of layers; `lamina.jit` and `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

import lamina
from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.convnet import Block, Conv, Problem, has_shortcut
from lamina import Trainer, layers, losses

KINDS = {1: (layers.Conv1D, layers.DepthwiseConv1D), 2: (layers.Conv2D, layers.DepthwiseConv2D)}


def model_of(problem: Problem) -> lamina.Model:
    dense, depthwise = KINDS[problem.axes]
    convolutions: list[Any] = []

    def convolved(x: Any, conv: Conv) -> Any:
        options: Any = {"strides": conv.stride, "padding": "same", "use_bias": False}
        layer = (
            dense(conv.filters, conv.size, **options)
            if conv.filters
            else depthwise(conv.size, **options)
        )
        convolutions.append(layer)
        y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(layer(x))
        return layers.ReLU()(y) if conv.relu else y

    inputs = lamina.Input(problem.inputs.shape[1:])
    x: Any = inputs
    for layer in problem.layers:
        match layer:
            case Conv():
                x = convolved(x, layer)
            case Block(filters, stride):
                y = convolved(convolved(x, Conv(filters, 3, stride)), Conv(filters, relu=False))
                if has_shortcut(layer, x.shape[-1]):
                    x = convolved(x, Conv(filters, 1, stride, relu=False))
                x = layers.ReLU()(layers.Add()([x, y]))
            case _:
                x = layers.MaxPooling2D(3, 2, padding="same")(x)
    pooled = {1: layers.GlobalAveragePooling1D, 2: layers.GlobalAveragePooling2D}[problem.axes]()(x)
    head = layers.Dense(problem.classes)
    model = lamina.Model(inputs, head(pooled))
    for layer, kernel in zip(convolutions, problem.kernels, strict=True):
        layer.set_weights([kernel])
    head.set_weights([problem.head, head.bias.numpy()])
    return model


def forward(problem: Problem) -> Callable[[], Any]:
    model, x = lamina.jit(model_of(problem)), jnp.asarray(problem.inputs)
    return lambda: model(x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer = Trainer(model_of(problem), optax.adam(LEARNING_RATE, eps=EPSILON), loss)
    batch = jnp.asarray(problem.inputs), jnp.asarray(problem.labels)
    return lambda: trainer.step(batch)["loss"]
