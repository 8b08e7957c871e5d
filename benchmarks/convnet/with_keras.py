"""Keras: a graph of layers, with the stateless functions of its JAX guide, jitted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras
from keras import layers

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.convnet import Block, Conv, Problem, has_shortcut

KINDS = {1: (layers.Conv1D, layers.DepthwiseConv1D), 2: (layers.Conv2D, layers.DepthwiseConv2D)}


def model_of(problem: Problem) -> keras.Model:
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

    inputs = keras.Input(problem.inputs.shape[1:])
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
    model = keras.Model(inputs, head(pooled))
    for layer, kernel in zip(convolutions, problem.kernels, strict=True):
        layer.set_weights([kernel])
    head.set_weights([problem.head, head.bias.numpy()])
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def forward(problem: Problem) -> Callable[[], Any]:
    model, x = model_of(problem), jax.device_put(problem.inputs)
    weights = [v.value for v in model.trainable_variables]
    rest = [v.value for v in model.non_trainable_variables]
    run = jax.jit(lambda weights, rest, x: model.stateless_call(weights, rest, x)[0])
    return lambda: run(weights, rest, x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    x, y = jax.device_put((problem.inputs, problem.labels))
    optimizer, loss = model.optimizer, model.loss
    optimizer.build(model.trainable_variables)

    def loss_of(weights: Any, rest: Any, x: Any, y: Any) -> Any:
        outputs, rest = model.stateless_call(weights, rest, x, training=True)
        return loss(y, outputs), rest

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, x: Any, y: Any) -> Any:
        weights, rest, moments = state
        grad = jax.value_and_grad(loss_of, has_aux=True)
        (value, rest), gradients = grad(weights, rest, x, y)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, rest, moments), value

    kinds = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    state: Any = tuple([v.value for v in kind] for kind in kinds)

    def run() -> Any:
        nonlocal state
        state, value = advance(state, x, y)
        return value

    return run
