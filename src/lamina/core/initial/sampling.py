"""Drawing the first values of weights, on the host.

A weight's values depend on (seed, path, shape, dtype, initializer) alone. They come from the raw
64-bit words of NumPy's Philox, a counter-based generator: the key is a digest of seed and path, and
the counter says where in the weight a word stands, so any range can be drawn without the rest. The
maps from words to numbers are written here, because NumPy promises the words and nothing more.
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
from lamina.core.initial.quantile import FINE, PLAIN, normal_quantile
from lamina.errors import BuildError, explain
from lamina.initializers import Initializer, KeyedFunction, Law, describe

__all__ = ["Seed", "check", "digest", "draw", "draw_callable", "says_law"]

Seed = tuple[int, int]
Numbers = NDArray[Any]

_BLOCK = 32768  # elements at a time: scratch stays in cache, and calls into NumPy stay few
_PART = 32 * _BLOCK  # elements that one thread draws
_THREADS = min(os.cpu_count() or 1, 32)
_WORDS_A_COUNT = 4  # Philox makes four words of each value of its counter
_TWO_SIGMA = 0.9544997361036416  # of the normal's mass lies within two stddev


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
    """The values of a weight, or of a range of it.

    Args:
        initializer: one that says its law; a `seed` of its own replaces seed and path.
        shape: of the whole weight.
        dtype: of the values; half precisions are rounded from float32.
        seed: of the build.
        path: of the weight in its tree.
        at: where it was declared.
        start: the first element of the range, counted in C order.
        stop: the end of the range; None is the end of the weight.

    Returns:
        The array of `shape` when no range is given (`start` 0, `stop` None), else the range, flat:
        the same bits as that slice of the whole. Besides it a draw holds a fixed amount of scratch
        memory (orthogonal matrices excepted, which are drawn whole).

    Raises:
        BuildError: the initializer has nothing for that shape or dtype.

    >>> from lamina.initializers import RandomUniform
    >>> draw(RandomUniform(), (2, 2), "float32", seed=(0, 0), path="kernel").shape
    (2, 2)
    """
    dtype = jnp.dtype(dtype)
    law = check(initializer, shape, dtype, path=path, at=at)
    size = math.prod(shape)
    first, last, _ = slice(start, stop).indices(size)
    key = digest(seed, path) if initializer.seed is None else digest((initializer.seed, 0), None)
    values = _BY_KIND[law.kind](law, shape, dtype, key, range(first, max(first, last)))
    return values.reshape(shape) if start == 0 and stop is None else values


def check(
    initializer: Initializer, shape: tuple[int, ...], dtype: Any, *, path: str, at: object = None
) -> Law:
    """The law for a weight, if it can be drawn from; allocates nothing.

    Raises:
        BuildError: the initializer has nothing for that shape or dtype.
    """
    law = initializer.law(shape)
    dtype = jnp.dtype(dtype)
    refuse = functools.partial(_refuse, initializer, path, at)
    if law.kind == "constant":
        value = np.asarray(law.value)
        if not _fits(value.shape, shape):
            raise refuse(f"a value that broadcasts to {shape}", f"shape {value.shape}")
        if value.dtype.kind in "fc" and not _holds(dtype, value):
            raise refuse(f"a value that {dtype} holds", repr(law.value))
        return law
    if not jnp.issubdtype(dtype, np.floating):
        raise refuse("a floating dtype", str(dtype))
    if law.kind == "orthogonal" and len(shape) < 2:
        raise refuse("a shape with at least two axes", str(shape))
    if law.kind == "identity" and len(shape) != 2:
        raise refuse("a shape with two axes", str(shape))
    return law


def says_law(initializer: Initializer | KeyedFunction) -> TypeGuard[Initializer]:
    """Whether it is data that a law follows from, rather than a function that draws by itself."""
    if not isinstance(initializer, Initializer):
        return False
    return type(initializer).law is not Initializer.law


def draw_callable(
    function: Initializer | KeyedFunction,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    seed: Seed,
    path: str,
    at: object = None,
) -> jax.Array:
    """The values of a weight from a function `(key, shape, dtype) -> array`.

    One whose first argument is called `shape`, as Keras has them, is given no key; what it draws
    is its own affair.

    It runs in a thread of its own, where no trace is under way, so that the array is concrete even
    if the draw is asked for while JAX traces; x64 and the default device are the caller's.

    Raises:
        BuildError: the function fails, or what it gives does not fit.

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
            given: Any = function
            drawn = given(shape, dtype=dtype) if _keyless(given) else given(key, shape, dtype)
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
            came = f"{type(error).__name__}: {error}"
            raise refuse("a function (key, shape, dtype) -> array that runs", came) from error


def _keyless(function: Callable[..., Any]) -> bool:
    try:
        return next(iter(inspect.signature(function).parameters), None) == "shape"
    except (TypeError, ValueError):  # a built-in function may have no signature
        return False


def digest(seed: Seed, path: str | None) -> bytes:
    """The 16 bytes that key a weight's draws; `path` is None for an initializer's own seed."""
    first, second = map(operator.index, seed)
    text = f"{first},{second}" if path is None else f"{first},{second}:{path}"
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"lamina.draw").digest()


def _refuse(
    initializer: Initializer | KeyedFunction, path: str, at: object, expected: str, received: str
) -> BuildError:
    text = explain(
        f"{describe(initializer)} cannot draw this weight.",
        where=path if at is None else f"{path}, declared at {at}",
        expected=expected,
        received=received,
        remedy="Give the weight another initializer, shape or dtype.",
    )
    return BuildError(text)


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _holds(dtype: np.dtype[Any], value: Numbers) -> bool:
    if jnp.issubdtype(dtype, np.inexact):
        return value.dtype.kind != "c" or jnp.issubdtype(dtype, np.complexfloating)
    return bool(np.array_equal(value, value.astype(dtype)))


def _constant(
    law: Law, shape: tuple[int, ...], dtype: np.dtype[Any], key: bytes, span: range
) -> Numbers:
    value = np.asarray(law.value)
    if value.ndim == 0:
        values = host_memory.empty((len(span),), dtype)
        values[...] = value
        return values
    return np.broadcast_to(value, shape).flat[span.start : span.stop].astype(dtype)


def _identity(
    law: Law, shape: tuple[int, ...], dtype: np.dtype[Any], key: bytes, span: range
) -> Numbers:
    values = np.zeros(len(span), dtype)
    diagonal = np.arange(min(shape)) * (shape[1] + 1) - span.start
    values[diagonal[(diagonal >= 0) & (diagonal < len(span))]] = law.gain
    return values


def _orthogonal(
    law: Law, shape: tuple[int, ...], dtype: np.dtype[Any], key: bytes, span: range
) -> Numbers:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    tall = (max(rows, columns), min(rows, columns))
    wide = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    normal = Law("normal", stddev=1.0)
    drawn = _random(normal, tall, wide, key, range(tall[0] * tall[1])).reshape(tall)
    q = law.gain * _orthonormal(drawn.astype(np.float64))
    matrix = q if rows >= columns else q.T
    return matrix.reshape(-1)[span.start : span.stop].astype(dtype)


def _orthonormal(matrix: Numbers) -> Numbers:
    """The Q of ``matrix = Q R``, R's diagonal positive, so that Q is uniform (Mezzadri, 2007).

    Of a long matrix of normal numbers the columns are nearly orthogonal as they are: of a large one
    the condition is below 6. So R may be found from their products without loss that would count,
    in a fraction of the time that reflections take.
    """
    rows, columns = matrix.shape
    if rows < 2 * columns:
        q, r = np.linalg.qr(matrix)
        return q * np.where(np.diagonal(r) < 0, -1, 1)
    return matrix @ np.linalg.inv(np.linalg.cholesky(matrix.T @ matrix).T)


def _random(
    law: Law, shape: tuple[int, ...], dtype: np.dtype[Any], key: bytes, span: range
) -> Numbers:
    values = host_memory.empty((len(span),), dtype)
    work = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    fill = _fill_uniform if law.kind == "uniform" else _fill_normal

    parts = range(0, len(span), _PART)
    threads = min(len(parts), _THREADS)
    # All of them together hold no more than one would; a power of two, so that words stay whole.
    block = _BLOCK >> max(0, threads - 1).bit_length()

    def draw_part(first: int) -> None:
        whole = values[first : first + _PART]
        numbered = range(span.start + first, span.start + first + len(whole))
        for part, integers in _blocks(key, numbered, work.itemsize, block):
            target = whole[part]
            numbers = target if work == dtype else np.empty(len(target), work)
            fill(law, integers, numbers)
            if numbers is not target:
                target[...] = numbers

    if threads < 2:
        for first in parts:
            draw_part(first)
    else:  # NumPy lets other threads run meanwhile
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw_part, parts))
    return values


class _Words(threading.local):
    """A thread's generator; to set it costs less than half of what making one does."""

    def __init__(self) -> None:
        self._generator = Philox(key=0)
        self._state: Any = dict(self._generator.state)

    def begin(self, key: bytes, counter: int) -> Philox:
        """The generator, set to that key, and to where the counter stands."""
        self._state["state"] = {
            "counter": np.array([counter, 0, 0, 0], np.uint64),
            "key": np.frombuffer(key, "<u8"),
        }
        self._generator.state = self._state
        return self._generator


_words = _Words()


def _blocks(key: bytes, span: range, itemsize: int, block: int) -> Iterator[tuple[slice, Numbers]]:
    """Each part of the values with its random integers, signed, of as many bytes as `itemsize`."""
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


def _fill_uniform(law: Law, integers: Numbers, out: Numbers) -> None:
    bits = np.finfo(out.dtype).nmant + 1
    unsigned = integers.view(f"<u{integers.itemsize}")
    unsigned >>= integers.itemsize * 8 - bits
    out[...] = integers  # signed ones convert faster, and now none is negative
    out *= out.dtype.type((law.high - law.low) * 0.5**bits)
    out += out.dtype.type(law.low)


def _fill_normal(law: Law, integers: Numbers, out: Numbers) -> None:
    bits, precision = 32, PLAIN
    if out.itemsize == 8:
        bits, precision = 53, FINE
        integers >>= 11
    q = np.add(integers, 0.5, dtype=np.float64)  # exact, never 0, and within -1/2 and 1/2 below
    q *= 0.5**bits if law.kind == "normal" else _TWO_SIGMA * 0.5**bits
    z = normal_quantile(q, precision)
    z *= law.stddev
    z += law.mean
    out[...] = z


_BY_KIND = {
    "constant": _constant,
    "identity": _identity,
    "normal": _random,
    "orthogonal": _orthogonal,
    "truncated_normal": _random,
    "uniform": _random,
}
