"""A variational autoencoder with a `train_step` of its own, as Keras has it on JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.programs import Problem


def data(problem: Problem) -> Any:
    rng = np.random.default_rng(0)
    return rng.uniform(size=(problem.batch * problem.batches, 28, 28, 1)).astype("float32")


def training(keras: Any, problem: Problem, data: Any) -> Callable[[], Any]:
    layers, ops = keras.layers, keras.ops

    class Sampling(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(0)

        def call(self, inputs: Any) -> Any:
            mean, log_variance = inputs
            noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
            return mean + ops.exp(0.5 * log_variance) * noise

    class Autoencoder(keras.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.encoder = keras.Sequential(
                [
                    layers.Conv2D(32, 3, activation="relu", strides=2, padding="same"),
                    layers.Conv2D(64, 3, activation="relu", strides=2, padding="same"),
                    layers.Flatten(),
                    layers.Dense(16, activation="relu"),
                ]
            )
            self.mean = layers.Dense(2)
            self.log_variance = layers.Dense(2)
            self.sampling = Sampling()
            self.decoder = keras.Sequential(
                [
                    layers.Dense(7 * 7 * 64, activation="relu"),
                    layers.Reshape((7, 7, 64)),
                    layers.Conv2DTranspose(64, 3, activation="relu", strides=2, padding="same"),
                    layers.Conv2DTranspose(32, 3, activation="relu", strides=2, padding="same"),
                    layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same"),
                ]
            )
            self.loss_tracker = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.loss_tracker]

        def call(self, inputs: Any) -> Any:
            x = self.encoder(inputs)
            mean, log_variance = self.mean(x), self.log_variance(x)
            return self.decoder(self.sampling([mean, log_variance])), mean, log_variance

        def compute_loss_and_updates(self, trainable: Any, others: Any, images: Any) -> Any:
            outputs, others = self.stateless_call(trainable, others, images)
            made, mean, log_variance = outputs
            entropies = keras.losses.binary_crossentropy(images, made)
            kl = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
            loss = ops.mean(ops.sum(entropies, axis=(1, 2))) + ops.mean(ops.sum(kl, axis=1))
            return loss, others

        def train_step(self, state: Any, data: Any) -> Any:
            trainable, others, optimizer, metrics = state
            images = data if hasattr(data, "shape") else data[0]
            gradient = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
            (loss, others), gradients = gradient(trainable, others, images)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            metrics = self.loss_tracker.stateless_update_state(metrics, loss)
            logs = {"loss": self.loss_tracker.stateless_result(metrics)}
            return logs, (trainable, others, optimizer, metrics)

    model = Autoencoder()
    model.compile(optimizer=keras.optimizers.Adam())
    model(data[:2])

    def epoch() -> Any:
        history = model.fit(data, batch_size=problem.batch, epochs=1, verbose=0)
        return np.asarray(history.history["loss"])

    return epoch
