"""Training steps with little computation, which measure the overhead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LEARNING_RATE", "UNITS", "Problem"]

LEARNING_RATE = 1e-5
UNITS = 8


@dataclass(frozen=True)
class Problem:
    """One example through small Dense layers, trained by gradient descent towards 0.

    Attributes:
        variables: number of layers, each with a kernel [8, 8] and no bias.
    """

    variables: int = 10

    @property
    def weights(self) -> np.ndarray:
        """[variables, 8, 8], close to the identity, so that the signal does not vanish."""
        noise = np.random.default_rng(0).normal(size=(self.variables, UNITS, UNITS))
        return (np.eye(UNITS) + noise / 100).astype("float32")

    @property
    def inputs(self) -> np.ndarray:
        return np.linspace(-1, 1, UNITS, dtype="float32")[None]

    @property
    def labels(self) -> np.ndarray:
        return np.zeros((1, UNITS), "float32")
