"""Spectrograms of signals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Unpack
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina import initializers
from lamina.core.base.load_limits import count_constants
from lamina.core.running.precision import uncast
from lamina.core.tree.node import Tracked
from lamina.layer import Layer
from lamina.layers.bases.checks import (
    check_choice,
    check_count,
    check_data_format,
    check_rank,
    check_room,
    check_within,
)
from lamina.layers.bases.errors import bad_option
from lamina.lazy import lazily
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.convolution.convolution import Padding
from lamina.ops.spatial import DataFormat
from lamina.ops.spectrograms import decibels, filtered, mel_filters, power_spectrum
from lamina.options import LayerOptions

__all__ = ["MelSpectrogram", "STFTSpectrogram"]

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
_LEAST = 1e-7
_signal = lazily("scipy.signal")


class STFTSpectrogram(Layer):
    """Computes spectrograms by a short-time Fourier transform, a convolution with waves.

    ``z[t, k] = sum_n window[n] x[step t + n] exp(-2 pi i k n / fft_length) / scale``, and ``y`` is
    ``log |z|`` (``"log"``), ``|z|`` (``"magnitude"``), ``|z|^2``, doubled for frequencies that
    stand for two, (``"psd"``), the parts of z (``"real"``, ``"imag"``, or one behind the other
    ``"stft"``), or its angle (``"angle"``).

    Shapes: ``[batch, time, channels] -> [batch, frames, channels * frequencies]``, or channels
    first, with ``fft_length // 2 + 1`` frequencies, twice as many for ``"stft"``; weights
    ``real_kernel`` and ``imag_kernel``, each ``[frame_length, 1, frequencies]``, which are trained
    unless ``trainable=False``.

    Args:
        mode: ``"log"`` (default), ``"magnitude"``, ``"psd"``, ``"real"``, ``"imag"``, ``"angle"``
            or ``"stft"``.
        frame_length: positive integer, number of samples in a frame; 256 by default.
        frame_step: positive integer, at most ``frame_length``, distance between frames in samples;
            None (default) for half of ``frame_length``.
        fft_length: integer >= ``frame_length``, length of the transform, a power of 2 as a rule;
            None (default) for the next power of 2.
        window: name in `scipy.signal.windows`, ``"hann"`` by default; or its values, ``[frame]``;
            or None for no window.
        periodic: bool, whether a window given by name is periodic instead of symmetric; False by
            default.
        scaling: scale of z: ``"density"`` (default) for ``sqrt(sum(window^2))``, ``"spectrum"`` for
            ``sum(|window|)``, None for 1.
        padding: ``"valid"`` (default), or ``"same"`` to pad with zeros for ``ceil(time / step)``
            frames.
        expand_dims: bool, whether frequencies have an axis of their own,
            ``[batch, frames, frequencies, channels]``, or ``[batch, channels, frames,
            frequencies]``; False by default.
        data_format: ``"channels_last"`` (default) for ``[batch, time, channels]``, or
            ``"channels_first"`` for ``[batch, channels, time]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid, or the input has another number of axes or is shorter
            than a frame.

    >>> import jax.numpy as jnp
    >>> STFTSpectrogram(frame_length=8)(jnp.ones((2, 32, 1))).shape
    (2, 7, 5)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: str | Sequence[float] | ArrayLike | None = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: Padding = "valid",
        expand_dims: bool = False,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.mode = check_choice(self, "mode", mode, _MODES)
        self.frame_length = check_count(self, "frame_length", frame_length)
        self.frame_step, self.fft_length = frame_step, fft_length
        step = self.frame_length // 2 if frame_step is None else frame_step
        self._step = check_count(self, "frame_step", step)
        if self._step > self.frame_length:
            raise bad_option(self, "frame_step", frame_step, f"at most {self.frame_length}")
        length = 1 << (self.frame_length - 1).bit_length() if fft_length is None else fft_length
        self._length = check_count(self, "fft_length", length)
        if self._length < self.frame_length:
            raise bad_option(self, "fft_length", fft_length, f"at least {self.frame_length}")
        if self._length & (self._length - 1):
            warnings.warn(
                f"STFTSpectrogram is fastest with a power of 2 as fft_length, not {fft_length}.",
                UserWarning,
                stacklevel=2,
            )
        self.window = window if window is None or isinstance(window, str) else _floats(window)
        self.periodic = periodic
        self.scaling = check_choice(self, "scaling", scaling, (None, "density", "spectrum"))
        self.padding: Padding = check_choice(self, "padding", padding, ("valid", "same"))
        self.expand_dims = expand_dims
        self.data_format: DataFormat = check_data_format(self, data_format)
        self._waves("real")  # checks the window

    def _waves(self, side: str) -> initializers.STFT:
        return initializers.STFT(side, self.window, self.scaling, self.periodic)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        shape = (self.frame_length, 1, self._length // 2 + 1)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(shape, self._waves("real"))
        if self.mode != "real":
            self.imag_kernel = self.add_weight(shape, self._waves("imag"))

    def _check(self, shape: Any) -> None:
        last = self.data_format == "channels_last"
        axes = "batch, time, channels" if last else "batch, channels, time"
        check_rank(self, shape, axes, exactly=True)
        if self.padding == "valid":
            check_room(self, (shape[1 if last else 2],), (self.frame_length,), "time")

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        x = cast(inputs, float_dtype(inputs))
        if self.data_format == "channels_last":
            x = x.swapaxes(1, 2)
        return self._arranged(self._spectrum(x))

    def _spectrum(self, x: jax.Array) -> jax.Array:
        """The spectrum of signals ``[batch, channels, time]``: [..., frequencies, frames]."""
        if self.mode in ("real", "imag"):
            kernel = self.real_kernel if self.mode == "real" else self.imag_kernel
            return filtered(x, kernel, self._step, self.padding)
        kernels = jnp.concatenate([self.real_kernel.value, self.imag_kernel.value], -1)
        both = filtered(x, kernels.astype(x.dtype), self._step, self.padding)
        if self.mode == "stft":
            return both
        real, imag = jnp.split(both, 2, -2)
        if self.mode == "angle":
            return jnp.arctan2(imag, real)
        power = real**2 + imag**2
        if self.mode == "psd":
            twice = np.full((power.shape[-2], 1), 2.0)
            twice[[0, -1]] = 1.0
            return power * jnp.asarray(twice, power.dtype)
        magnitude = jnp.sqrt(jnp.maximum(power, _LEAST))
        return magnitude if self.mode == "magnitude" else jnp.log(jnp.maximum(magnitude, _LEAST))

    def _arranged(self, y: jax.Array) -> jax.Array:
        """The axes ``[batch, channels, frequencies, frames]`` in the order of the output."""
        last = self.data_format == "channels_last"
        if self.expand_dims:
            return y.transpose(0, 3, 2, 1) if last else y.swapaxes(2, 3)
        batch, channels, frequencies, frames = y.shape
        flat = y.reshape(batch, channels * frequencies, frames)
        return flat.swapaxes(1, 2) if last else flat


class MelSpectrogram(Layer):
    """Computes spectrograms on the mel scale: ``y = decibels(filters^T |z|^mag_exp)``.

    ``z`` is the short-time Fourier transform; see :func:`lamina.ops.spectrograms.power_spectrum`,
    :func:`lamina.ops.spectrograms.mel_filters` and :func:`lamina.ops.spectrograms.decibels`.

    Shapes: ``[batch, time] -> [batch, num_mel_bins, frames]``, or both without batch.

    Args:
        fft_length: positive integer, length of the transform; 2048 by default.
        sequence_stride: positive integer, distance between frames in samples; 512 by default.
        sequence_length: positive integer, length of the window in samples, at most ``fft_length``;
            None (default) for ``fft_length``.
        window: ``"hann"`` (default) or ``"hamming"``, both periodic; or its values; or None for no
            window.
        sampling_rate: float, samples in a second; 16000 by default.
        num_mel_bins: positive integer, the number of filters; 128 by default.
        min_freq: float, lower edge of the filters in hertz; 20 by default.
        max_freq: float, upper edge of the filters in hertz; None (default) for half of
            ``sampling_rate``.
        power_to_db: bool, whether to convert to decibels; True by default.
        top_db: float, the largest difference in decibels within one call; 80 by default.
        mag_exp: float, exponent of the magnitudes, 1 for energy, 2 (default) for power.
        min_power: positive float, the smallest power for decibels; 1e-10 by default.
        ref_power: float, the power of 0 decibels; 1 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid, or the input has another number of axes.

    >>> import jax.numpy as jnp
    >>> MelSpectrogram(64, 16, num_mel_bins=8)(jnp.ones((2, 160))).shape
    (2, 8, 11)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: str | Sequence[float] | ArrayLike | None = "hann",
        sampling_rate: float = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.fft_length = check_count(self, "fft_length", fft_length)
        self.sequence_stride = check_count(self, "sequence_stride", sequence_stride)
        length = fft_length if sequence_length is None else sequence_length
        self.sequence_length = check_count(self, "sequence_length", length)
        if self.sequence_length > self.fft_length:
            raise bad_option(self, "sequence_length", length, f"at most fft_length={fft_length}")
        infinite = float("inf")
        self.sampling_rate = sampling_rate
        check_within(self, "sampling_rate", sampling_rate, high=infinite, above=True, below=True)
        self.num_mel_bins = check_count(self, "num_mel_bins", num_mel_bins)
        self.max_freq = int(sampling_rate / 2) if max_freq is None else max_freq
        self.min_freq = check_within(self, "min_freq", min_freq, high=self.max_freq, below=True)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power = check_within(self, "min_power", min_power, high=infinite, above=True)
        self.ref_power = ref_power
        self.window = self._checked_window(window)

    def _checked_window(self, window: Any) -> str | list[float] | None:
        if window is None or isinstance(window, str):
            return check_choice(self, "window", window, (None, "hann", "hamming"))
        values = _floats(window)
        if len(values) != self.sequence_length:
            expected = f"a name, or {self.sequence_length} numbers"
            raise bad_option(self, "window", window, expected)
        return values

    def _weights(self) -> Any:
        """The values of the window."""
        if self.window is None:
            return np.ones(self.fft_length)
        if isinstance(self.window, str):
            return _signal.get_window(self.window, self.sequence_length)
        return np.array(self.window)

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        _check_signals(self, inputs)
        wide = inputs.dtype == jnp.float64 and self.compute_dtype == "float64"
        x = inputs.astype(jnp.float64 if wide else jnp.float32)
        count_constants(self.fft_length + self.num_mel_bins * (self.fft_length // 2 + 1))
        power = power_spectrum(x, self._weights(), self.fft_length, self.sequence_stride)
        filters = mel_filters(
            self.num_mel_bins, power.shape[-1], self.sampling_rate, self.min_freq, self.max_freq
        )
        spectrum = power if self.mag_exp == 2 else power ** (self.mag_exp / 2)
        y = spectrum @ jnp.asarray(filters, x.dtype)
        if self.power_to_db:
            y = decibels(y, self.ref_power, self.min_power, self.top_db)
        return y.swapaxes(-1, -2).astype(self.compute_dtype)


def _check_signals(layer: Tracked, inputs: jax.Array) -> None:
    if inputs.ndim != 1:
        check_rank(layer, inputs.shape, "batch, time", exactly=True)


def _floats(values: Any) -> list[float]:
    return [float(value) for value in typed("list[Any]", np.asarray(values).tolist())]
