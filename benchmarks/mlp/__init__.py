"""A multilayer perceptron with three layers: forward, training step, epochs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Classification of random inputs with two ReLU layers and logits, trained with Adam.

    Attributes:
        batch: batch size.
        features: features per example.
        hidden: units of the hidden layers.
        classes: number of classes.
        batches: batches per epoch.
        epochs: epochs per run of `fit`.
    """

    batch: int = 64
    features: int = 784
    hidden: int = 256
    classes: int = 10
    batches: int = 1
    epochs: int = 1

    @property
    def parts(self) -> int:
        """Steps per run."""
        return self.batches * self.epochs

    @cached_property
    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Kernel and bias of each layer."""
        sizes = [self.features, self.hidden, self.hidden, self.classes]
        rng = np.random.default_rng(0)
        return [
            ((rng.normal(size=(a, b)) / np.sqrt(a)).astype("float32"), np.zeros(b, "float32"))
            for a, b in itertools.pairwise(sizes)
        ]

    @cached_property
    def inputs(self) -> np.ndarray:
        count = self.batch * self.batches
        return np.random.default_rng(1).normal(size=(count, self.features)).astype("float32")

    @cached_property
    def labels(self) -> np.ndarray:
        count = self.batch * self.batches
        return np.random.default_rng(2).integers(0, self.classes, count).astype("int32")
