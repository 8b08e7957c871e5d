"""Samplers: the values of each kind of distribution, for any range of a weight."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.base import host_memory
from lamina.core.initial.quantile import DOUBLE, SINGLE, normal_quantile
from lamina.core.initial.random_words import blocks
from lamina.initializers import Distribution

__all__ = ["SAMPLERS"]

Numbers = NDArray[Any]

Sampler = Callable[[Distribution, tuple[int, ...], np.dtype[Any], bytes, range], Numbers]
"""``(distribution, shape, dtype, key, span) -> values``, flat, of the elements in `span`."""

_BLOCK = 32768  # elements at a time: temporary arrays fit in the cache, with few NumPy calls
_PART = 32 * _BLOCK  # elements for each task of the thread pool
_THREADS = min(os.cpu_count() or 1, 32)
_TWO_SIGMA = 0.9544997361036416  # probability mass of a normal within two standard deviations


def _constant(
    distribution: Distribution,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    key: bytes,
    span: range,
) -> Numbers:
    value = np.asarray(distribution.value)
    if value.ndim == 0:
        values = host_memory.empty((len(span),), dtype)
        values[...] = value
        return values
    return np.broadcast_to(value, shape).flat[span.start : span.stop].astype(dtype)


def _identity(
    distribution: Distribution,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    key: bytes,
    span: range,
) -> Numbers:
    values = np.zeros(len(span), dtype)
    diagonal = np.arange(min(shape)) * (shape[1] + 1) - span.start
    values[diagonal[(diagonal >= 0) & (diagonal < len(span))]] = distribution.gain
    return values


def _orthogonal(
    distribution: Distribution,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    key: bytes,
    span: range,
) -> Numbers:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    tall = (max(rows, columns), min(rows, columns))
    wide = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    normal = Distribution("normal", stddev=1.0)
    drawn = _random(normal, tall, wide, key, range(tall[0] * tall[1])).reshape(tall)
    q = distribution.gain * _orthonormal(drawn.astype(np.float64))
    matrix = q if rows >= columns else q.T
    return matrix.reshape(-1)[span.start : span.stop].astype(dtype)


def _orthonormal(matrix: Numbers) -> Numbers:
    """Compute the Q of ``matrix = Q R`` with a positive diagonal of R.

    Q is then uniformly distributed (Mezzadri, 2007). The columns of a tall matrix of normal samples
    are nearly orthogonal (the condition number of a large one is below 6). R is therefore computed
    from their inner products (Cholesky QR), which is accurate here and much faster than Householder
    reflections.
    """
    rows, columns = matrix.shape
    if rows < 2 * columns:
        q, r = np.linalg.qr(matrix)
        return q * np.where(np.diagonal(r) < 0, -1, 1)
    return matrix @ np.linalg.inv(np.linalg.cholesky(matrix.T @ matrix).T)


def _random(
    distribution: Distribution,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    key: bytes,
    span: range,
) -> Numbers:
    values = host_memory.empty((len(span),), dtype)
    work = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    fill = _fill_uniform if distribution.kind == "uniform" else _fill_normal

    parts = range(0, len(span), _PART)
    threads = min(len(parts), _THREADS)
    # All threads together use the temporary memory of one. Blocks are powers of two, so that they
    # start at whole words.
    block = _BLOCK >> max(0, threads - 1).bit_length()

    def draw_part(first: int) -> None:
        whole = values[first : first + _PART]
        numbered = range(span.start + first, span.start + first + len(whole))
        for part, integers in blocks(key, numbered, work.itemsize, block):
            target = whole[part]
            numbers = target if work == dtype else np.empty(len(target), work)
            fill(distribution, integers, numbers)
            if numbers is not target:
                target[...] = numbers

    if threads < 2:
        for first in parts:
            draw_part(first)
    else:  # NumPy releases the GIL
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw_part, parts))
    return values


def _fill_uniform(distribution: Distribution, integers: Numbers, out: Numbers) -> None:
    bits = np.finfo(out.dtype).nmant + 1
    unsigned = integers.view(f"<u{integers.itemsize}")
    unsigned >>= integers.itemsize * 8 - bits
    out[...] = integers  # signed integers convert faster, and none is negative after the shift
    out *= out.dtype.type((distribution.high - distribution.low) * 0.5**bits)
    out += out.dtype.type(distribution.low)


def _fill_normal(distribution: Distribution, integers: Numbers, out: Numbers) -> None:
    bits, precision = 32, SINGLE
    if out.itemsize == 8:
        bits, precision = 53, DOUBLE
        integers >>= 11
    q = np.add(integers, 0.5, dtype=np.float64)  # exact and never 0; in (-1/2, 1/2) after scaling
    q *= 0.5**bits if distribution.kind == "normal" else _TWO_SIGMA * 0.5**bits
    z = normal_quantile(q, precision)
    z *= distribution.stddev
    z += distribution.mean
    out[...] = z


SAMPLERS: dict[str, Sampler] = {
    "constant": _constant,
    "identity": _identity,
    "normal": _random,
    "orthogonal": _orthogonal,
    "truncated_normal": _random,
    "uniform": _random,
}
