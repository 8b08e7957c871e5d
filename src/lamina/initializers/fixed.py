"""Initializers without randomness: the same values for every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.initializers.distribution import Distribution, Initializer, Scalar, Shape, refuse
from lamina.lazy import lazily

__all__ = ["STFT", "Constant", "Identity", "Ones", "Zeros"]

_signal = lazily("scipy.signal")


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All values 0: ``w = 0``.

    >>> Zeros().distribution_for((3,)).value
    0
    """

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("constant", value=0)


@dataclass(frozen=True, repr=False)
class Ones(Initializer):
    """All values 1: ``w = 1``.

    >>> Ones().distribution_for((3,)).value
    1
    """

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("constant", value=1)


@dataclass(frozen=True, repr=False, eq=False)
class Constant(Initializer):
    """Given values: ``w = value``.

    Args:
        value: a scalar, or an array that broadcasts to the weight's shape; 0.0 by default.

    >>> Constant(0.5).distribution_for((3,)).value
    0.5
    """

    value: Scalar | NDArray[Any] = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.value, bool | int | float | complex):
            array = np.array(self.value)  # a copy: the user may write into theirs
            array.setflags(write=False)
            object.__setattr__(self, "value", array if array.ndim else array.item())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and np.array_equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash((Constant, np.shape(self.value)))

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("constant", value=self.value)


@dataclass(frozen=True, repr=False)
class Identity(Initializer):
    """The identity matrix times a factor: ``w[i, j] = gain`` where i = j, else 0.

    The weight must have two axes.

    Args:
        gain: the factor, a float; 1.0 by default.

    >>> Identity(2.0).distribution_for((3, 3)).gain
    2.0
    """

    gain: float = 1.0

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("identity", gain=float(self.gain))


@dataclass(frozen=True, repr=False)
class STFT(Initializer):
    """The kernel of a convolution that computes short-time Fourier coefficients.

    ``w[t, 0, k] = window[t] cos(2 pi t k / n) / scale`` for a kernel of shape ``(frame, 1,
    n / 2 + 1)``; the imaginary side has ``-sin`` instead of cos.

    Args:
        side: ``"real"`` (default) or ``"imag"``.
        window: a name in `scipy.signal.windows`, ``"hann"`` by default; or its values, ``[frame]``;
            or None for no window.
        scaling: the scale: ``"density"`` (default) for ``sqrt(sum(window^2))``, ``"spectrum"`` for
            ``sum(|window|)``, None for 1.
        periodic: whether a window given by name is periodic instead of symmetric; False by
            default.

    Raises:
        InputError: an option is not one of these, or the weight has another shape.

    >>> STFT(window=None).distribution_for((2, 1, 3)).value.round(3).tolist()
    [[[1.0, 1.0, 1.0]], [[1.0, 0.0, -1.0]]]
    """

    side: str = "real"
    window: str | Sequence[float] | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.side not in ("real", "imag"):
            raise refuse(self, "an unknown side", "real, imag", self.side)
        if self.scaling not in (None, "density", "spectrum"):
            raise refuse(self, "an unknown scaling", "density, spectrum, None", self.scaling)
        if isinstance(self.window, str):
            self._named(1)
        elif self.window is not None:  # floats, so that two initializers can be compared
            values = tuple(float(value) for value in self.window)
            object.__setattr__(self, "window", values)

    def distribution_for(self, shape: Shape) -> Distribution:
        if len(shape) != 3 or shape[1] != 1:
            raise refuse(self, "a weight of another shape", "a shape (frame, 1, bins)", shape)
        frame, _, bins = shape
        phases = np.arange(frame)[:, None] * np.arange(bins) / max(2 * (bins - 1), 1)
        waves = np.cos(2 * np.pi * phases) if self.side == "real" else -np.sin(2 * np.pi * phases)
        window = self._window(frame)
        waves *= window[:, None] / self._scale(window)
        return Distribution("constant", value=waves[:, None, :])

    def _window(self, frame: int) -> NDArray[Any]:
        if self.window is None:
            return np.ones(frame)
        if isinstance(self.window, str):
            return self._named(frame)
        window = np.array(self.window)
        if window.shape != (frame,):
            raise refuse(self, "a window of another length", f"{frame} values", window.shape)
        return window

    def _named(self, frame: int) -> NDArray[Any]:
        try:
            return _signal.get_window(self.window, frame, self.periodic)
        except ValueError:
            expected = "a name in scipy.signal.windows"
            raise refuse(self, "an unknown window", expected, self.window) from None

    def _scale(self, window: NDArray[Any]) -> float:
        if self.window is None or self.scaling is None:
            return 1.0
        if self.scaling == "density":
            return float(np.sqrt(np.sum(window**2)))
        return float(np.sum(np.abs(window)))
