"""A generative adversarial network: two models, two optimizers, one compiled step in a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.programs import Problem

LATENT = 64


def data(problem: Problem) -> Any:
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, size=(problem.batches, problem.batch, 28, 28, 1))
    return images.astype("float32")


def training(keras: Any, problem: Problem, data: Any) -> Callable[[], Any]:
    layers, ops = keras.layers, keras.ops
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )
    generator = keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(7 * 7 * 64),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, 7, padding="same", activation="tanh"),
        ]
    )
    models = discriminator, generator
    optimizers = tuple(keras.optimizers.Adam(learning_rate=3e-4) for _ in models)
    for optimizer, model in zip(optimizers, models, strict=True):
        optimizer.build(model.trainable_variables)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def made(weights: Any, others: Any, noise: Any) -> Any:
        images, _ = generator.stateless_call(weights, others, noise, training=True)
        return images

    def judged(weights: Any, others: Any, images: Any) -> Any:
        logits, _ = discriminator.stateless_call(weights, others, images, training=True)
        return logits

    def discriminator_loss(weights: Any, others: Any, real: Any, fake: Any) -> Any:
        logits = judged(weights, others, ops.concatenate([real, fake]))
        labels = ops.concatenate([ops.ones((len(real), 1)), ops.zeros((len(fake), 1))])
        return entropy(labels, logits)

    def generator_loss(weights: Any, others: Any, of_discriminator: Any, noise: Any) -> Any:
        d_weights, d_others = of_discriminator
        logits: Any = judged(d_weights, d_others, made(weights, others, noise))
        return entropy(ops.ones((len(noise), 1)), logits)

    def step(state: Any, real: Any, key: Any) -> Any:
        (d_weights, g_weights), others, (d_optimizer, g_optimizer) = state
        noise = jax.random.normal(key, (len(real), LATENT))
        fake = made(g_weights, others[1], noise)
        gradient = jax.value_and_grad(discriminator_loss)
        d_loss, gradients = gradient(d_weights, others[0], real, fake)
        d_weights, d_optimizer = optimizers[0].stateless_apply(d_optimizer, gradients, d_weights)
        gradient = jax.value_and_grad(generator_loss)
        g_loss, gradients = gradient(g_weights, others[1], (d_weights, others[0]), noise)
        g_weights, g_optimizer = optimizers[1].stateless_apply(g_optimizer, gradients, g_weights)
        return (d_loss, g_loss), ((d_weights, g_weights), others, (d_optimizer, g_optimizer))

    compiled: Any = jax.jit(step, donate_argnums=0)
    state: Any = (
        tuple([v.value for v in model.trainable_variables] for model in models),
        tuple([v.value for v in model.non_trainable_variables] for model in models),
        tuple([v.value for v in optimizer.variables] for optimizer in optimizers),
    )
    keys = jax.random.split(jax.random.key(0), len(data))

    def epoch() -> Any:
        nonlocal state
        losses: Any = None
        for real, key in zip(data, keys, strict=True):
            losses, state = compiled(state, real, key)
        return np.asarray([float(loss) for loss in losses])

    return epoch
