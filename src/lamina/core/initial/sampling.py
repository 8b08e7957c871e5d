"""Sampling of the initial values of weights, on the host.

The values of a weight depend only on (seed, path, shape, dtype, initializer). They are computed
from the raw 64-bit words of NumPy's Philox, a counter-based generator. Its key is a digest of seed
and path, and its counter is the position in the weight, so any range of a weight can be drawn
without the rest. The conversion of words to samples is implemented here, because NumPy guarantees
the words only.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeGuard, cast

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lamina.core.initial.random_words import Seed, digest
from lamina.core.initial.samplers import SAMPLERS
from lamina.errors import BuildError, explain
from lamina.initializers import Distribution, Initializer, KeyedFunction, describe

__all__ = ["Seed", "check", "draw", "draw_callable", "draws_whole", "has_distribution"]

Numbers = NDArray[Any]


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
    values = SAMPLERS[distribution.kind](
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


def draws_whole(initializer: Initializer | KeyedFunction, shape: tuple[int, ...]) -> bool:
    """Return whether a range of a weight can only be drawn with the rest of it.

    >>> from lamina.initializers import Orthogonal, Zeros
    >>> draws_whole(Orthogonal(), (2, 2)), draws_whole(Zeros(), (2, 2))
    (True, False)
    """
    if not has_distribution(initializer):
        return True
    return initializer.distribution_for(shape).kind == "orthogonal"


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
