"""A perceptron of three layers: forward, a step of training, an epoch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Classes of random inputs, by ``relu``, ``relu``, and logits; trained by Adam.

    Attributes:
        batch: examples a step.
        features: of an example.
        hidden: units of the two hidden layers.
        classes: how many there are.
        batches: how many an epoch has.
        epochs: how many a run of `fit` has.
    """

    batch: int = 64
    features: int = 784
    hidden: int = 256
    classes: int = 10
    batches: int = 1
    epochs: int = 1

    @property
    def parts(self) -> int:
        """The steps in a run."""
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
