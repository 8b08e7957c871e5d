"""Spectrograms of signals: short-time Fourier transforms, mel filters, and decibels."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.ops.arrays import Operand
from lamina.ops.convolution.convolution import Padding, conv

__all__ = ["decibels", "filtered", "mel_filters", "power_spectrum"]

_BREAK = 700.0
_SLOPE = 1127.0


def filtered(x: Operand, kernels: Operand, stride: int, padding: Padding) -> jax.Array:
    """Apply filters to each channel of signals.

    Args:
        x: ``[batch, channels, time]``.
        kernels: ``[frame, 1, filters]``.
        stride: positive integer, the distance between frames.
        padding: ``"valid"`` or ``"same"``.

    Returns:
        ``[batch, channels, filters, frames]``.

    >>> filtered(jnp.ones((1, 2, 6)), jnp.ones((4, 1, 3)), 2, "valid").shape
    (1, 2, 3, 2)
    """
    signals = jnp.asarray(x)
    batch, channels, time = signals.shape
    flat = signals.reshape(batch * channels, time, 1)
    y = conv(flat, kernels, strides=(stride,), padding=padding)
    frames, filters = y.shape[1:]
    return y.reshape(batch, channels, frames, filters).swapaxes(-1, -2)


def power_spectrum(x: Operand, window: Any, fft_length: int, stride: int) -> jax.Array:
    """Compute the power of the frequencies in frames of signals, centered at each stride.

    ``y[t, k] = |sum_n window[n] x[stride t + n - fft_length / 2] exp(-2 pi i k n / fft_length)|^2``

    The signals are continued by reflection at both ends.

    Args:
        x: ``[..., time]``, float32 or float64.
        window: ``[frame]``, at most `fft_length` numbers, which stand in the middle of a frame.
        fft_length: positive integer, length of the transform.
        stride: positive integer, the distance between frames.

    Returns:
        ``[..., frames, fft_length // 2 + 1]``.

    >>> power_spectrum(jnp.ones(8), np.ones(4), 4, 4)[0].tolist()
    [16.0, 0.0, 0.0]
    """
    signals = jnp.asarray(x)
    half = fft_length // 2
    edges = [(0, 0)] * (signals.ndim - 1) + [(half, half)]
    padded = jnp.pad(signals, edges, mode="reflect")
    before = (fft_length - len(window)) // 2
    weights = np.pad(np.asarray(window), (before, fft_length - len(window) - before))
    frames = (padded.shape[-1] - fft_length) // stride + 1
    places = np.arange(fft_length) + stride * jnp.arange(frames)[:, None]
    spectrum = jnp.fft.rfft(padded[..., places] * jnp.asarray(weights, padded.dtype))
    return spectrum.real**2 + spectrum.imag**2


def mel_filters(
    filters: int, bins: int, rate: float, lowest: float, highest: float
) -> np.ndarray[Any, Any]:
    """Compute triangular filters with centers at equal distances on the mel scale.

    ``mel(f) = 1127 log(1 + f / 700)``; the filters are linear in mel and have a maximum of 1.

    Args:
        filters: positive integer, the number of filters.
        bins: the number of frequencies, from 0 to ``rate / 2``.
        rate: samples in a second.
        lowest: lower edge of the first filter, in hertz.
        highest: upper edge of the last filter, in hertz.

    Returns:
        ``[bins, filters]``, float64; the frequency 0 is in no filter.

    Source: Young et al., The HTK Book, section 5.6.

    >>> mel_filters(2, 5, 8000, 0.0, 4000.0).round(2).tolist()[1]
    [0.6, 0.4]
    """

    def mel(hertz: Any) -> Any:
        return _SLOPE * np.log(1.0 + hertz / _BREAK)

    edges = cast("Any", np.linspace(mel(lowest), mel(highest), filters + 2))
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    frequencies = mel(np.linspace(0.0, rate / 2.0, bins))[:, None]
    rising = (frequencies - low) / (center - low)
    falling = (high - frequencies) / (high - center)
    found = np.maximum(0.0, np.minimum(rising, falling))
    found[0] = 0.0
    return found


def decibels(power: Operand, reference: float, least: float, range_: float) -> jax.Array:
    """Convert power to decibels, within a range below the largest value.

    ``y = max(z, max(z) - range)``, ``z = 10 log10(max(power, least) / max(|reference|, least))``

    Args:
        power: array of numbers ``[...]``; the largest value is that of the whole array.
        reference: the power of 0 decibels.
        least: positive float, the smallest power.
        range_: the largest difference between two results.

    Returns:
        Array of the same shape.

    >>> decibels(jnp.array([1.0, 0.1, 0.0]), 1.0, 1e-10, 80.0).tolist()
    [0.0, -10.0, -80.0]
    """
    zero = 10.0 * np.log10(max(abs(reference), least))
    y = 10.0 * jnp.log10(jnp.maximum(jnp.asarray(power), least)) - zero
    return jnp.maximum(y, y.max() - range_)
