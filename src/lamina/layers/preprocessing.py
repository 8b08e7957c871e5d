"""Layers that bring data to a scale, and images to a size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.tree.node import Tracked
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_data_format, check_rank
from lamina.layers.bases.errors import refusal
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.images import center_crop, crop_to_aspect, image_axes, pad_to_aspect, resize
from lamina.ops.spatial import DataFormat

__all__ = ["CenterCrop", "Normalization", "Rescaling", "Resizing"]

_FIRST = "channels, height, width"
_LEAST = 1e-7  # of a deviation that is divided by
_METHODS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


class Rescaling(Layer):
    """A scale and an offset: ``y = scale x + offset``.

    Shapes: any. Whole numbers come out as floats.

    Args:
        scale: one number, or an array that broadcasts against the input.
        offset: the same.
        **options: ``name`` and the others of any layer.

    >>> import jax.numpy as jnp
    >>> Rescaling(1 / 127.5, offset=-1)(jnp.array([0, 255])).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale
        self.offset = offset

    def call(self, inputs: jax.Array) -> jax.Array:
        x = _floating(inputs)
        return x * jnp.asarray(self.scale, x.dtype) + jnp.asarray(self.offset, x.dtype)


class Normalization(Layer):
    """Data brought to mean 0 and variance 1: ``y = (x - mean) / max(sqrt(variance), 1e-7)``.

    Shapes: any; weights ``mean`` and ``variance``, the sizes of the axes kept. They do not train:
    :meth:`adapt` finds them in data, once. Until then they are 0 and 1.

    Args:
        axis: the axes that have means of their own, one or several; None for one mean of all.
        mean: known already, with ``variance``; then the layer has no weights. A number, or an
            array whose axes are the last of those kept.
        variance: the same.
        invert: whether the way back is gone: ``y = mean + max(sqrt(variance), 1e-7) x``.
        **options: ``name`` and the others of any layer.

    Raises:
        InputError: of mean and variance one is missing, their shapes differ, or do not fit the
            axes; or the input does not have the axes.

    >>> layer = Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0]]))
    >>> layer(np.array([[1.0, 10.0]])).tolist()
    [[0.0, 2.0]]
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        axes = () if axis is None else axis if isinstance(axis, Sequence) else (axis,)
        self.axis = tuple(axes)
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
        """Find mean and variance of data; those of earlier data are forgotten.

        Args:
            data: an array, or an iterable of batches, of which pairs count by their first.

        Raises:
            InputError: there is no data, its axes kept have other sizes than the layer was built
                for, or the layer was given mean and variance.
        """
        if self.input_mean is not None:
            raise _refusal(self, "a layer that was given no mean", "adapt, of one that was")
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else data
        found: _Moments | None = None
        shape: list[Any] = []
        for batch in batches:
            array = np.asarray(_first(batch))
            kept = _kept(self, array.ndim)
            shape = [array.shape[axis] if axis in kept else None for axis in range(array.ndim)]
            more = _Moments.of(array, kept)
            if found is not None and found.mean.shape != more.mean.shape:
                raise _refusal(self, f"means {found.mean.shape} of all", f"{more.mean.shape}")
            found = more if found is None else found.joined(more)
        if found is None or not found.total:
            raise _refusal(self, "data to adapt to", "none")
        if not self._lamina.built:
            self.build(tuple(shape))
        if self.mean.shape != found.mean.shape:
            raise _refusal(self, f"means {self.mean.shape}, as built", f"{found.mean.shape}")
        self.mean.assign(cast(found.mean, self.mean.dtype))
        self.variance.assign(cast(found.variance, self.variance.dtype))

    def call(self, inputs: jax.Array) -> jax.Array:
        x = _floating(inputs)
        kept = _kept(self, x.ndim)
        shape = [x.shape[axis] if axis in kept else 1 for axis in range(x.ndim)]
        mean, variance = (self._spread(value, kept, shape, x.dtype) for value in self._moments())
        deviation = jnp.maximum(jnp.sqrt(variance), _LEAST)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def _moments(self) -> tuple[Any, Any]:
        if self.input_mean is not None:
            return self.input_mean, self.input_variance
        return self.mean.value, self.variance.value

    def _spread(self, value: Any, kept: tuple[int, ...], shape: list[int], dtype: Any) -> jax.Array:
        """What the axes kept have, or the last of them, where they stand in the input."""
        array = jnp.asarray(value, dtype)
        sizes = [1] * len(shape)
        for axis, size in zip(kept[len(kept) - array.ndim :], array.shape, strict=True):
            if size not in (1, shape[axis]):
                raise _refusal(self, f"a mean for {shape[axis]} on axis {axis}", f"for {size}")
            sizes[axis] = size
        return jnp.reshape(array, sizes)


class _Moments(NamedTuple):
    """How many numbers there are, their mean and their variance, in float64."""

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
        """Those of both.

        Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing
        sample variances, 1979.
        """
        count = self.total + more.total
        share = more.total / max(count, 1)
        apart = more.mean - self.mean
        within = (1 - share) * self.variance + share * more.variance
        return _Moments(count, self.mean + share * apart, within + share * (1 - share) * apart**2)


class ImageSize(Layer):
    """What layers share that give images one size.

    Args:
        height: of the images that come out.
        width: the same.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name`` and the others of any layer.
    """

    def __init__(
        self, height: int, width: int, data_format: DataFormat | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.height = check_count(self, "height", height)
        self.width = check_count(self, "width", width)
        self.data_format: DataFormat = check_data_format(self, data_format)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    @property
    def _size(self) -> tuple[int, int]:
        return self.height, self.width

    def _check(self, images: jax.Array) -> None:
        last = self.data_format == "channels_last"
        check_rank(self, images.shape, "height, width, channels" if last else _FIRST)


class CenterCrop(ImageSize):
    """The middle of images; of smaller ones the largest middle of these proportions, resized.

    Shapes: ``[..., height', width', channels] -> [..., height, width, channels]``, or channels
    first.

    Args:
        height: of the images that come out.
        width: the same.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name`` and the others of any layer.

    Raises:
        InputError: a size is not a whole number above 0, or the input has too few axes.

    >>> import jax.numpy as jnp
    >>> CenterCrop(2, 2)(jnp.ones((1, 5, 4, 3))).shape
    (1, 2, 2, 3)
    """

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs)
        images, form = _floating(inputs), self.data_format
        here = [images.shape[axis] for axis in image_axes(form)]
        if here[0] >= self.height and here[1] >= self.width:
            return center_crop(images, self._size, data_format=form)
        images = crop_to_aspect(images, self._size, data_format=form)
        return resize(images, self._size, data_format=form)


class Resizing(ImageSize):
    """Images resampled to one size; :func:`lamina.ops.images.resize`.

    Shapes: ``[..., height', width', channels] -> [..., height, width, channels]``, or channels
    first, in the input's dtype.

    Args:
        height: of the images that come out.
        width: the same.
        interpolation: ``"bilinear"``, ``"nearest"``, ``"bicubic"``, ``"lanczos3"`` or
            ``"lanczos5"``.
        crop_to_aspect_ratio: whether only the middle that has the new proportions is taken.
        pad_to_aspect_ratio: whether edges are put on first that give them.
        fill_mode: ``"constant"``, of those edges.
        fill_value: of those edges.
        antialias: whether a smaller image is made of all points of the larger one.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name`` and the others of any layer.

    Raises:
        InputError: a size is not a whole number above 0, a name stands for nothing, images are to
            be both cropped and padded, or the input has too few axes.

    >>> import jax.numpy as jnp
    >>> Resizing(8, 6)(jnp.ones((2, 5, 4, 3))).shape
    (2, 8, 6, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: DataFormat | None = None,
        **options: Any,
    ) -> None:
        super().__init__(height, width, data_format, **options)
        self.interpolation = check_choice(self, "interpolation", interpolation, _METHODS)
        self.fill_mode = check_choice(self, "fill_mode", fill_mode, ("constant",))
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_value = fill_value
        self.antialias = antialias
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            expected = "crop_to_aspect_ratio or pad_to_aspect_ratio"
            raise _refusal(self, expected, "both")

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs)
        images, form = inputs, self.data_format
        if self.crop_to_aspect_ratio:
            images = crop_to_aspect(images, self._size, data_format=form)
        if self.pad_to_aspect_ratio:
            images = pad_to_aspect(images, self._size, self.fill_value, data_format=form)
        options: dict[str, Any] = {"antialias": self.antialias, "data_format": form}
        return resize(images, self._size, self.interpolation, **options)


def _floating(x: jax.Array) -> jax.Array:
    return cast(x, float_dtype(x))


def _first(batch: Any) -> Any:
    """What a batch has of inputs."""
    return typed("Sequence[Any]", batch)[0] if isinstance(batch, tuple | list) else batch


def _kept(layer: Normalization, rank: int) -> tuple[int, ...]:
    """The axes that have means of their own, of an input of so many axes."""
    if any(not -rank <= axis < rank for axis in layer.axis):
        raise _refusal(layer, f"axes of an input of {rank}", f"axis={layer.axis}")
    return tuple(sorted(axis % rank for axis in layer.axis))


def _refusal(layer: Tracked, expected: str, received: str) -> InputError:
    return refusal(
        layer,
        "has options or data that do not fit together",
        expected=expected,
        received=received,
        remedy="Correct the options, or the data that it is used with.",
    )
