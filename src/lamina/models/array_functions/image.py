"""Operations of `keras.ops.image` on ``[..., height, width, channels]``, or channels first."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from lamina.models.array_functions.core import saturate_cast
from lamina.models.array_functions.values import Function, array, floats, refused
from lamina.models.array_functions.windows import extract_patches
from lamina.ops.augmentation import elastic
from lamina.ops.images import crop_to_aspect, image_axes, pad_to_aspect, resize

__all__ = ["IMAGE", "elastic_transform"]

_ndimage: Any = jax.scipy.ndimage
_image: Any = jax.image
_finfo: Any = jnp.finfo
_solve: Any = jnp.linalg.solve
_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
_FORMATS = ("channels_last", "channels_first")
_Format = Literal["channels_last", "channels_first"]


def _layout(data_format: str | None) -> Any:
    return data_format or "channels_last"


def _channels_last(function: Function) -> Function:
    """A function of images with the channels last, for either order."""

    @functools.wraps(function)
    def apply(images: Any, *args: Any, data_format: str | None = None, **options: Any) -> Any:
        images = array(images)
        first = data_format == "channels_first"
        found = function(jnp.moveaxis(images, -3, -1) if first else images, *args, **options)
        return jnp.moveaxis(found, -1, -3) if first else found

    return apply


def _rgb_to_grayscale(images: Any) -> Any:
    if images.shape[-1] == 1:
        return images
    made = floats(images)
    weights = jnp.asarray([0.2989, 0.5870, 0.1140], made.dtype)
    return (made @ weights)[..., None].astype(images.dtype)


def _rgb_to_hsv(images: Any) -> Any:
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise refused("RGBToHSV", "floating images", str(images.dtype))
    images = jnp.where(jnp.abs(images) < _finfo(images.dtype).eps, 0, images)
    red, green, blue = (images[..., index] for index in range(3))
    value, least = jnp.max(images, axis=-1), jnp.min(images, axis=-1)
    spread = value - least
    saturation = jnp.where(value > 0, spread / jnp.where(value > 0, value, 1), 0)
    sixth = 1 / (6 * jnp.where(spread > 0, spread, 1))
    hue = jnp.where(
        value == red,
        sixth * (green - blue),
        jnp.where(value == green, sixth * (blue - red) + 1 / 3, sixth * (red - green) + 2 / 3),
    )
    turn = jnp.where(hue < 0, 1, 0).astype(hue.dtype)
    hue = jnp.where(spread > 0, hue, 0) + turn
    return jnp.stack([hue, saturation, value], axis=-1)


def _hsv_to_rgb(images: Any) -> Any:
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise refused("HSVToRGB", "floating images", str(images.dtype))
    hue, saturation, value = (images[..., index] for index in range(3))
    sixths = jnp.mod(hue, 1) * 6
    parts = jnp.stack(
        [
            jnp.clip(jnp.abs(sixths - 3) - 1, 0, 1),
            jnp.clip(2 - jnp.abs(sixths - 2), 0, 1),
            jnp.clip(2 - jnp.abs(sixths - 4), 0, 1),
        ],
        axis=-1,
    )
    saturation, value = saturation[..., None], value[..., None]
    return value * (1 - saturation + saturation * parts)


def _resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    if fill_mode != "constant":
        raise refused("Resize", "fill_mode='constant'", repr(fill_mode))
    images, layout, size = array(images), _layout(data_format), tuple(size)
    if crop_to_aspect_ratio:
        images = crop_to_aspect(images, size, data_format=layout)
    elif pad_to_aspect_ratio:
        images = pad_to_aspect(images, size, fill_value, data_format=layout)
    found = resize(images, size, interpolation, antialias=antialias, data_format=layout)
    return found if found.dtype == images.dtype else saturate_cast(found, images.dtype)


def _sampled(image: Any, coordinates: Any, interpolation: str, mode: str, value: Any) -> Any:
    """The points of each channel of one image at coordinates ``[2, height, width]``."""
    if interpolation not in _ORDERS:
        raise refused("a transformation of images", ", ".join(_ORDERS), repr(interpolation))

    def sample(channel: Any) -> Any:
        return _ndimage.map_coordinates(
            channel, list(coordinates), order=_ORDERS[interpolation], mode=mode, cval=value
        )

    return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)


def _transformed(images: Any, points: Any, interpolation: str, mode: str, value: Any) -> Any:
    """Images at ``points(y, x)``, the coordinates ``[batch, 2, height, width]``."""
    whole = images if images.ndim == 4 else images[None]
    _, height, width, _ = whole.shape
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    coordinates = jnp.broadcast_to(points(y, x), (whole.shape[0], 2, height, width))

    def sample(image: Any, places: Any) -> Any:
        return _sampled(image, places, interpolation, mode, value)

    found = jax.vmap(sample)(whole, coordinates)
    return found if images.ndim == 4 else found[0]


def _affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
) -> Any:
    numbers = jnp.atleast_2d(array(transform))[..., None, None]
    a, b = numbers[:, :3], numbers[:, 3:6]

    def points(y: Any, x: Any) -> Any:
        rows = b[:, 0] * x + b[:, 1] * y + b[:, 2]
        columns = a[:, 0] * x + a[:, 1] * y + a[:, 2]
        return jnp.stack([rows, columns], axis=1)

    return _transformed(images, points, interpolation, fill_mode, fill_value)


def _perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
) -> Any:
    starts, ends = (
        one if one.ndim == 3 else one[None]
        for one in (jnp.asarray(start_points, jnp.float32), jnp.asarray(end_points, jnp.float32))
    )
    numbers = _homography(starts, ends)[..., None, None]

    def points(y: Any, x: Any) -> Any:
        scale = numbers[:, 6] * x + numbers[:, 7] * y + 1
        columns = numbers[:, 0] * x + numbers[:, 1] * y + numbers[:, 2]
        rows = numbers[:, 3] * x + numbers[:, 4] * y + numbers[:, 5]
        return jnp.stack([rows / scale, columns / scale], axis=1)

    return _transformed(images, points, interpolation, "constant", fill_value)


def _homography(starts: Any, ends: Any) -> Any:
    """The 8 numbers ``[batch, 8]`` of the projective map from the end to the start points."""
    ones = jnp.ones_like(ends[..., :1])
    known = jnp.concatenate([ends, ones], axis=-1)  # [batch, point, 3]
    nothing = jnp.zeros_like(known)
    rows = [
        jnp.concatenate([left, right, -starts[..., axis, None] * ends], axis=-1)
        for axis, (left, right) in enumerate([(known, nothing), (nothing, known)])
    ]
    wanted = jnp.concatenate([starts[..., 0], starts[..., 1]], axis=-1)
    return _solve(jnp.concatenate(rows, axis=1), wanted[..., None])[..., 0]


def _map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: Any = 0
) -> Any:
    places = list(array(coordinates))
    return _ndimage.map_coordinates(array(inputs), places, order, fill_mode, fill_value)


def _edges(low: Any, high: Any, total: int | None, size: int) -> tuple[int, int]:
    """The padding before and after an axis, of which one may follow from the total."""
    whole = 0 if total is None else total - size
    low = whole - high if low is None else low
    return low, whole - low if high is None else high


def _pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: _Format | None = None,
) -> Any:
    images = array(images)
    rows, columns = image_axes(data_format or "channels_last")
    height, width = images.shape[rows], images.shape[columns]
    widths = [(0, 0)] * images.ndim
    widths[rows] = _edges(top_padding, bottom_padding, target_height, height)
    widths[columns] = _edges(left_padding, right_padding, target_width, width)
    return jnp.pad(images, widths)


def _crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: _Format | None = None,
) -> Any:
    images = array(images)
    axes = image_axes(data_format or "channels_last")
    given = (
        (top_cropping, bottom_cropping, target_height),
        (left_cropping, right_cropping, target_width),
    )
    for axis, (low, high, target) in zip(axes, given, strict=True):
        size = images.shape[axis]
        low = size - (target or 0) - (high or 0) if low is None else low
        end = size - (high or 0) if target is None else low + target
        images = lax.slice_in_dim(images, low, end, axis=axis % images.ndim)
    return images


def _gaussian(size: int, sigma: Any, dtype: Any) -> Any:
    points = jnp.arange(size, dtype=dtype) - (size - 1) / 2
    weights = jnp.exp(-0.5 * jnp.square(points / sigma))
    return weights / jnp.sum(weights)


def _filtered(images: Any, kernel: Any, padding: str) -> Any:
    """Each channel of images ``[batch, height, width, channels]`` under one kernel."""
    channels = images.shape[-1]
    return lax.conv_general_dilated(
        images,
        jnp.tile(kernel[:, :, None, None], (1, 1, 1, channels)),
        (1, 1),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )


def _gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0)) -> Any:
    whole = images if images.ndim == 4 else images[None]
    spreads = jnp.asarray(sigma, images.dtype)
    across = _gaussian(kernel_size[0], spreads[0], images.dtype)
    down = _gaussian(kernel_size[1], spreads[1], images.dtype)
    found = _filtered(whole, jnp.outer(down, across), "SAME")
    return found if images.ndim == 4 else found[0]


def _scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    return _image.scale_and_translate(
        array(images),
        tuple(output_shape),
        spatial_dims,
        array(scale),
        array(translation),
        method,
        antialias,
    )


def elastic_transform(
    images: Any,
    noise: Callable[[tuple[int, ...], Any], Any],
    alpha: float,
    sigma: float,
    interpolation: Any,
    fill_mode: Any,
    fill_value: float,
    data_format: Any,
) -> Any:
    """Move pixels by smoothed noise; see :func:`lamina.ops.augmentation.elastic.elastic_transform`.

    Args:
        images: an image, or a batch of images.
        noise: draws normal noise of a shape and a dtype.
        alpha: the factor of the noise.
        sigma: the standard deviation of the noise, and of the filter that smooths it.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill_mode: how pixels outside are filled.
        fill_value: their value for ``"constant"``.
        data_format: ``"channels_last"``, ``"channels_first"`` or None.

    Returns:
        The shape and dtype of the images.

    Raises:
        InputError: an option is unknown, or the images have another number of axes.
    """
    x, layout = array(images), _layout(data_format)
    for value, known in ((interpolation, _ORDERS), (fill_mode, _FILL_MODES), (layout, _FORMATS)):
        if value not in known:
            raise refused("ElasticTransform", ", ".join(known), repr(value))
    if x.ndim not in (3, 4):
        raise refused("ElasticTransform", "an image, or a batch of images", f"shape {x.shape}")
    batch = floats(x if x.ndim == 4 else x[None])
    rows, columns = image_axes(layout)
    made = elastic.elastic_transform(
        batch,
        noise((batch.shape[0], batch.shape[rows], batch.shape[columns]), batch.dtype),
        alpha,
        sigma,
        float(sigma),
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=fill_value,
        data_format=layout,
    ).astype(x.dtype)
    return made if x.ndim == 4 else made[0]


def _sobel_edges(images: Any, data_format: str | None = None) -> Any:
    images, first = array(images), data_format == "channels_first"
    points = jnp.moveaxis(images, -3, -1) if first else images
    smooth, slope = jnp.array([1, 2, 1], images.dtype), jnp.array([-1, 0, 1], images.dtype)
    kernels = jnp.outer(slope, smooth), jnp.outer(smooth, slope)
    found = [_filtered(points, kernel, "SAME") for kernel in kernels]
    return jnp.stack([jnp.moveaxis(one, -1, -3) if first else one for one in found], axis=-1)


def _ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    dtype = array(image1).dtype
    x, y = floats(image1), floats(image2)
    if data_format == "channels_first":
        x, y = jnp.moveaxis(x, -3, -1), jnp.moveaxis(y, -3, -1)
    single = x.ndim == 3
    x, y = (x[None], y[None]) if single else (x, y)
    weights = _gaussian(filter_size, filter_sigma, x.dtype)
    kernel = jnp.outer(weights, weights)

    def mean(values: Any) -> Any:
        return _filtered(values, kernel, "VALID")

    of_x, of_y, small, smaller = mean(x), mean(y), (k1 * max_val) ** 2, (k2 * max_val) ** 2
    spreads = mean(x * x) - of_x**2 + mean(y * y) - of_y**2
    joint = mean(x * y) - of_x * of_y
    top = (2 * of_x * of_y + small) * (2 * joint + smaller)
    found = jnp.mean(top / ((of_x**2 + of_y**2 + small) * (spreads + smaller)), axis=(1, 2, 3))
    return (found[0] if single else found).astype(dtype)


IMAGE: dict[str, Function] = {
    "AffineTransform": _channels_last(_affine_transform),
    "CropImages": _crop_images,
    "ExtractPatches": extract_patches,
    "GaussianBlur": _channels_last(_gaussian_blur),
    "HSVToRGB": _channels_last(_hsv_to_rgb),
    "MapCoordinates": _map_coordinates,
    "PadImages": _pad_images,
    "PerspectiveTransform": _channels_last(_perspective_transform),
    "RGBToGrayscale": _channels_last(_rgb_to_grayscale),
    "RGBToHSV": _channels_last(_rgb_to_hsv),
    "Resize": _resize,
    "SSIM": _ssim,
    "ScaleAndTranslate": _scale_and_translate,
    "SobelEdges": _sobel_edges,
}
"""The functions by Keras's class names."""
