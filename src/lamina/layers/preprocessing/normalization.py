"""Rescaling and normalization of data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Unpack
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.core.running.precision import uncast
from lamina.core.tree.node import Tracked
from lamina.errors import InputError
from lamina.layers.bases.checks import check_integers
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.lists import TakesLists
from lamina.ops.arrays import cast, float_dtype
from lamina.options import LayerOptions

__all__ = ["Normalization", "Rescaling"]

_LEAST = 1e-7  # smallest standard deviation to divide by


class Rescaling(TakesLists):
    """Scales and shifts its inputs: ``y = scale x + offset``.

    Shapes: any, unchanged. Integers become floats.

    Args:
        scale: float, or an array that broadcasts to the input.
        offset: float, or an array that broadcasts to the input; 0 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    >>> import jax.numpy as jnp
    >>> Rescaling(1 / 127.5, offset=-1)(jnp.array([0, 255])).tolist()
    [-1.0, 1.0]
    """

    supports_masking = True

    def __init__(
        self,
        scale: ArrayLike | Sequence[float],
        offset: ArrayLike | Sequence[float] = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.scale = scale
        self.offset = offset

    def call(self, inputs: jax.Array) -> jax.Array:
        x = _floating(inputs)
        return x * jnp.asarray(self.scale, x.dtype) + jnp.asarray(self.offset, x.dtype)


class Normalization(TakesLists):
    """Normalizes data to mean 0 and variance 1: ``y = (x - mean) / max(sqrt(variance), 1e-7)``.

    Shapes: any, unchanged; weights ``mean`` and ``variance``, not trainable, with the input's sizes
    on ``axis``. :meth:`adapt` computes them from data; initially they are 0 and 1.

    Args:
        axis: int or sequence of int, axes that keep separate means and variances; None for one mean
            of all elements; -1 by default.
        mean: float, or an array for the last of these axes, used together with ``variance`` instead
            of weights; None by default.
        variance: float, or an array of the shape of ``mean``; None by default.
        invert: bool, whether to compute the inverse, ``y = mean + max(sqrt(variance), 1e-7) x``;
            False by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: only one of mean and variance is given, their shapes differ or do not fit
            ``axis``, or the input lacks ``axis``.

    >>> layer = Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0]]))
    >>> layer(np.array([[1.0, 10.0]])).tolist()
    [[0.0, 2.0]]
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: ArrayLike | Sequence[float] | None = None,
        variance: ArrayLike | Sequence[float] | None = None,
        invert: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        none = axis is None or (isinstance(axis, list | tuple) and not axis)
        self.axis = () if none else check_integers(self, "axis", axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        shapes = [None if x is None else np.shape(x) for x in (mean, variance)]
        if shapes[0] != shapes[1] or len(shapes[0] or ()) > len(self.axis):
            expected = f"mean and variance of one shape, of {len(self.axis)} axes at most"
            raise _refusal(self, expected, f"shapes {shapes[0]} and {shapes[1]}")

    def build(self, input_shape: Any) -> None:
        kept = tuple(input_shape[axis] for axis in _kept(self, len(input_shape)))
        if self.input_mean is None:
            self.mean = self.add_weight(kept, "zeros", trainable=False)
            self.variance = self.add_weight(kept, "ones", trainable=False)

    def adapt(self, data: Any) -> None:
        """Computes mean and variance of data, and replaces those of earlier data.

        Args:
            data: array ``[batch, ...]``, or an iterable of batches: arrays, or tuples of which the
                first item is used.

        Raises:
            InputError: there is no data, its sizes on ``axis`` differ from those that the layer was
                built for, or the layer was made with mean and variance.
        """
        if self.input_mean is not None:
            raise _refusal(self, "a layer made without mean", "one made with mean")
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else data
        found: _Moments | None = None
        shape: list[Any] = []
        for batch in batches:
            array = np.asarray(_first(batch))
            kept = _kept(self, array.ndim)
            shape = [array.shape[axis] if axis in kept else None for axis in range(array.ndim)]
            more = _Moments.of(array, kept)
            if found is not None and found.mean.shape != more.mean.shape:
                raise _refusal(
                    self, f"batches with means of shape {found.mean.shape}", f"{more.mean.shape}"
                )
            found = more if found is None else found.joined(more)
        if found is None or not found.total:
            raise _refusal(self, "data to adapt to", "none")
        if not self._lamina.built:
            self.build(tuple(shape))
        if self.mean.shape != found.mean.shape:
            raise _refusal(
                self, f"means of shape {self.mean.shape}, as built", f"{found.mean.shape}"
            )
        self.mean.assign(cast(found.mean, self.mean.dtype))
        self.variance.assign(cast(found.variance, self.variance.dtype))

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        dtype = float_dtype(inputs)
        x = cast(inputs, jnp.promote_types(dtype, jnp.float32))
        kept = _kept(self, x.ndim)
        shape = [x.shape[axis] if axis in kept else 1 for axis in range(x.ndim)]
        mean, variance = (self._spread(value, kept, shape, x.dtype) for value in self._moments())
        deviation = jnp.maximum(jnp.sqrt(variance), _LEAST)
        y = mean + x * deviation if self.invert else (x - mean) / deviation
        return y.astype(dtype)

    def _moments(self) -> tuple[Any, Any]:
        if self.input_mean is not None:
            return self.input_mean, self.input_variance
        return self.mean.value, self.variance.value

    def _spread(self, value: Any, kept: tuple[int, ...], shape: list[int], dtype: Any) -> jax.Array:
        """Reshapes a value for the kept axes, or the last of them, to broadcast to the input."""
        array = jnp.asarray(value, dtype)
        sizes = [1] * len(shape)
        for axis, size in zip(kept[len(kept) - array.ndim :], array.shape, strict=True):
            if size not in (1, shape[axis]):
                raise _refusal(self, f"a mean of size {shape[axis]} on axis {axis}", f"size {size}")
            sizes[axis] = size
        return jnp.reshape(array, sizes)


class _Moments(NamedTuple):
    """Count, mean and variance of numbers, in float64."""

    total: int
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray, kept: tuple[int, ...]) -> _Moments:
        axes = tuple(axis for axis in range(array.ndim) if axis not in kept)
        count = math.prod(array.shape[axis] for axis in axes)
        if count == 0:
            zeros = np.zeros([array.shape[axis] for axis in kept])
            return cls(0, zeros, zeros)
        mean = np.asarray(np.mean(array, axes, np.float64))
        return cls(count, mean, np.asarray(np.var(array, axes, np.float64)))

    def joined(self, more: _Moments) -> _Moments:
        """Count, mean and variance of both sets of numbers.

        Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing
        sample variances, 1979.
        """
        count = self.total + more.total
        share = more.total / max(count, 1)
        apart = more.mean - self.mean
        within = (1 - share) * self.variance + share * more.variance
        return _Moments(count, self.mean + share * apart, within + share * (1 - share) * apart**2)


def _floating(x: jax.Array) -> jax.Array:
    return cast(x, float_dtype(x))


def _first(batch: Any) -> Any:
    """The inputs of a batch."""
    return typed("Sequence[Any]", batch)[0] if isinstance(batch, tuple | list) else batch


def _kept(layer: Normalization, rank: int) -> tuple[int, ...]:
    """The axes, counted from the front, that the mean keeps, for an input of that rank."""
    if any(not -rank <= axis < rank for axis in layer.axis):
        raise _refusal(layer, f"axes of an input with {rank} axes", f"axis={layer.axis}")
    return tuple(sorted(axis % rank for axis in layer.axis))


def _refusal(layer: Tracked, expected: str, received: str) -> InputError:
    return refusal(
        layer,
        "got options or data that do not match",
        expected=expected,
        received=received,
        remedy="Correct the options or the data.",
    )
