"""Sampling of the initial values of weights, on the host.

The values of a weight depend only on (seed, path, shape, dtype, initializer). They are computed
from the raw 64-bit words of NumPy's Philox, a counter-based generator. Its key is a digest of seed
and path, and its counter is the position in the weight, so any range of a weight can be drawn
without the rest. The conversion of words to samples is implemented here, because NumPy guarantees
the words only.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import operator
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeGuard, cast

import jax
import jax.numpy as jnp
import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from lamina.core.base import host_memory
from lamina.core.initial.quantile import DOUBLE, SINGLE, normal_quantile
from lamina.errors import BuildError, explain
from lamina.initializers import Distribution, Initializer, KeyedFunction, describe

__all__ = ["Seed", "check", "digest", "draw", "draw_callable", "has_distribution"]

Seed = tuple[int, int]
Numbers = NDArray[Any]

_BLOCK = 32768  # elements at a time: temporary arrays fit in the cache, with few NumPy calls
_PART = 32 * _BLOCK  # elements for each task of the thread pool
_THREADS = min(os.cpu_count() or 1, 32)
_WORDS_A_COUNT = 4  # words that Philox computes for each value of its counter
_TWO_SIGMA = 0.9544997361036416  # probability mass of a normal within two standard deviations


def draw(
    initializer: Initializer,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    seed: Seed,
    path: str,
    at: object = None,
    start: int = 0,
    stop: int | None = None,
) -> Numbers:
    """Draw the initial values of a weight, or of a range of it.

    Besides the result, temporary memory is constant, except for orthogonal matrices, which are
    always computed as a whole.

    Args:
        initializer: an initializer with a distribution; if it has a `seed`, that is used instead of
            `seed` and `path`.
        shape: shape of the whole weight.
        dtype: dtype of the values; 16-bit floats are rounded from float32.
        seed: seed of the build.
        path: path of the weight in its tree.
        at: where the weight was declared, for errors.
        start: index of the first element, in C order; 0 by default.
        stop: index after the last element; None (default) for the end of the weight.

    Returns:
        An array of `shape` for the whole weight. For a range, an array of shape
        [stop - start], equal bit for bit to this slice of the flattened weight.

    Raises:
        BuildError: the initializer does not support the shape or dtype.

    >>> from lamina.initializers import RandomUniform
    >>> draw(RandomUniform(), (2, 2), "float32", seed=(0, 0), path="kernel").shape
    (2, 2)
    """
    dtype = jnp.dtype(dtype)
    distribution = check(initializer, shape, dtype, path=path, at=at)
    size = math.prod(shape)
    first, last, _ = slice(start, stop).indices(size)
    key = digest(seed, path) if initializer.seed is None else digest((initializer.seed, 0), None)
    values = _BY_KIND[distribution.kind](
        distribution, shape, dtype, key, range(first, max(first, last))
    )
    return values.reshape(shape) if start == 0 and stop is None else values


def check(
    initializer: Initializer, shape: tuple[int, ...], dtype: Any, *, path: str, at: object = None
) -> Distribution:
    """Return the distribution of a weight after checking its shape and dtype.

    No weight is allocated.

    Raises:
        BuildError: the initializer does not support the shape or dtype.
    """
    distribution = initializer.distribution_for(shape)
    dtype = jnp.dtype(dtype)
    refuse = functools.partial(_refuse, initializer, path, at)
    if distribution.kind == "constant":
        value = np.asarray(distribution.value)
        if not _broadcasts(value.shape, shape):
            raise refuse(f"a value that broadcasts to {shape}", f"shape {value.shape}")
        if value.dtype.kind in "fc" and not _is_representable(dtype, value):
            raise refuse(f"a value that {dtype} can represent", repr(distribution.value))
        return distribution
    if not jnp.issubdtype(dtype, np.floating):
        raise refuse("a floating dtype", str(dtype))
    if distribution.kind == "orthogonal" and len(shape) < 2:
        raise refuse("a shape with at least two axes", str(shape))
    if distribution.kind == "identity" and len(shape) != 2:
        raise refuse("a shape with two axes", str(shape))
    return distribution


def has_distribution(initializer: Initializer | KeyedFunction) -> TypeGuard[Initializer]:
    """Return whether an initializer has a distribution; otherwise it is a function."""
    if not isinstance(initializer, Initializer):
        return False
    return type(initializer).distribution_for is not Initializer.distribution_for


def draw_callable(
    function: Initializer | KeyedFunction,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    seed: Seed,
    path: str,
    at: object = None,
) -> jax.Array:
    """Compute the initial values of a weight by a function ``(key, shape, dtype) -> array``.

    A function whose first parameter is named `shape`, as in Keras, is called without the key; its
    values do not depend on the seed.

    The function runs in another thread, where no JAX trace is running, so that the array is
    concrete even within a trace. It has the caller's setting of x64 and default device.

    Raises:
        BuildError: the function raises an error, or its array has another shape or dtype.

    >>> draw_callable(jax.nn.initializers.ones, (2,), "float32", seed=(0, 0), path="b").tolist()
    [1.0, 1.0]
    """
    config = cast("Any", jax.config)
    x64, device = config.jax_enable_x64, config.jax_default_device
    bits = np.frombuffer(digest(seed, path)[:8], "<u4").astype(np.uint32)
    refuse = functools.partial(_refuse, function, path, at)

    def work() -> jax.Array:
        with jax.enable_x64(x64), jax.default_device(device):
            key = cast("Any", jax.random).wrap_key_data(bits, impl="threefry2x32")
            called: Any = function
            drawn = called(shape, dtype=dtype) if _is_keyless(called) else called(key, shape, dtype)
            values: jax.Array = jnp.asarray(drawn)
            if values.shape != shape:
                raise refuse(f"an array of shape {shape}", f"shape {values.shape}")
            if not jnp.can_cast(values.dtype, dtype, "same_kind"):
                raise refuse(f"an array of dtype {jnp.dtype(dtype)}", f"dtype {values.dtype}")
            return values.astype(dtype).block_until_ready()

    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            return thread.submit(work).result()
        except BuildError:
            raise
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            raise refuse("a function (key, shape, dtype) -> array", raised) from error


def _is_keyless(function: Callable[..., Any]) -> bool:
    try:
        return next(iter(inspect.signature(function).parameters), None) == "shape"
    except (TypeError, ValueError):  # a built-in function may have no signature
        return False


def digest(seed: Seed, path: str | None) -> bytes:
    """Return the 16-byte Philox key of a weight; `path` is None if the initializer has a seed."""
    first, second = map(operator.index, seed)
    text = f"{first},{second}" if path is None else f"{first},{second}:{path}"
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"lamina.draw").digest()


def _refuse(
    initializer: Initializer | KeyedFunction, path: str, at: object, expected: str, received: str
) -> BuildError:
    text = explain(
        f"The initializer {describe(initializer)} cannot create this weight.",
        where=path if at is None else f"{path}, declared at {at}",
        expected=expected,
        received=received,
        remedy="Use another initializer, shape or dtype for the weight.",
    )
    return BuildError(text)


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _is_representable(dtype: np.dtype[Any], value: Numbers) -> bool:
    if jnp.issubdtype(dtype, np.inexact):
        return value.dtype.kind != "c" or jnp.issubdtype(dtype, np.complexfloating)
    return bool(np.array_equal(value, value.astype(dtype)))


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
        for part, integers in _blocks(key, numbered, work.itemsize, block):
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


class _Words(threading.local):
    """The generator of a thread; setting its state takes less than half the time of a new one."""

    def __init__(self) -> None:
        self._generator = Philox(key=0)
        self._state: Any = dict(self._generator.state)

    def begin(self, key: bytes, counter: int) -> Philox:
        """Return the generator, set to a key and a counter."""
        self._state["state"] = {
            "counter": np.array([counter, 0, 0, 0], np.uint64),
            "key": np.frombuffer(key, "<u8"),
        }
        self._generator.state = self._state
        return self._generator


_words = _Words()


def _blocks(key: bytes, span: range, itemsize: int, block: int) -> Iterator[tuple[slice, Numbers]]:
    """Yield slices of the values with their random signed integers of `itemsize` bytes."""
    a_count = _WORDS_A_COUNT * 8 // itemsize
    skipped = span.start % a_count
    generator = _words.begin(key, span.start // a_count)
    position = -skipped
    while position < len(span):
        count = min(block, len(span) - position)
        words = generator.random_raw(-(-count * itemsize // 8)).astype("<u8", copy=False)
        integers = words.view(f"<i{itemsize}")[max(0, -position) : count]
        yield slice(max(0, position), position + count), integers
        position += count


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


_BY_KIND = {
    "constant": _constant,
    "identity": _identity,
    "normal": _random,
    "orthogonal": _orthogonal,
    "truncated_normal": _random,
    "uniform": _random,
}
