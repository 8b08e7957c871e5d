"""Images of Pillow and files as arrays."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from lamina.compat.keras.ops.table import OPERATIONS
from lamina.compat.keras.utils.arguments import choice, wrong
from lamina.extras import extras

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["array_to_img", "img_to_array", "load_img", "resized", "save_img", "smart_resize"]

_MODES = {"grayscale": ("L", "I;16", "I"), "rgb": ("RGB",), "rgba": ("RGBA",)}
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _pillow() -> Any:
    with extras("Reading images", "data"):
        import PIL.Image  # noqa: PLC0415 - an extra
    return PIL.Image


def load_img(
    path: str | PathLike[str] | Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Image:
    """Read an image as one of Pillow.

    Args:
        path: the path of the file, or an open binary file.
        color_mode: ``"rgb"`` (default), ``"rgba"`` or ``"grayscale"``.
        target_size: ``(height, width)``. Default None: that of the file.
        interpolation: a filter of Pillow: nearest (default), bilinear, bicubic, hamming, box or
            lanczos.
        keep_aspect_ratio: whether the image is cropped to the ratio of the target first. Default
            False.

    Raises:
        InputError: an argument is not among the values there are.
        LaminaError: Pillow is not installed.
    """
    choice("load_img", "color_mode", color_mode, _MODES)
    choice("load_img", "interpolation", interpolation, _FILTERS)
    pillow = _pillow()
    image = pillow.open(path)
    image.load()
    if image.mode not in _MODES[color_mode]:
        image = image.convert(_MODES[color_mode][0])
    if target_size is None or image.size == target_size[::-1]:
        return image
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        own_width, own_height = image.size
        kept_height = min(own_height, own_width * height // width)
        kept_width = min(own_width, own_height * width // height)
        left, top = (own_width - kept_width) // 2, (own_height - kept_height) // 2
        box = (left, top, left + kept_width, top + kept_height)
    return image.resize((width, height), pillow.Resampling[interpolation.upper()], box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """The array ``[height, width, channels]`` of an image.

    Args:
        img: an image of Pillow, or an array of 2 or 3 axes.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        dtype: the dtype. Default: float32.

    Raises:
        InputError: the array has another number of axes.
    """
    choice("img_to_array", "data_format", data_format, (None, "channels_last", "channels_first"))
    x = np.asarray(img, dtype or "float32")
    if x.ndim not in (2, 3):
        raise wrong(
            "img_to_array received no image.",
            "an array of 2 or 3 axes",
            f"shape {x.shape}",
            "Convert one image at a time.",
        )
    x = x[..., None] if x.ndim == 2 else x
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Image:
    """An array ``[height, width, channels]`` as an image of Pillow.

    Args:
        x: the array, with 1, 3 or 4 channels.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        scale: whether its least number becomes 0 and its largest 255. Default True.
        dtype: the dtype of the computation. Default: float32.

    Raises:
        InputError: the array is no image.
        LaminaError: Pillow is not installed.
    """
    choice("array_to_img", "data_format", data_format, (None, "channels_last", "channels_first"))
    x = np.asarray(x, dtype or "float32")
    if x.ndim == 3 and data_format == "channels_first":
        x = x.transpose(1, 2, 0)
    if x.ndim != 3 or x.shape[-1] not in (1, 3, 4):
        raise wrong(
            "array_to_img received no image.",
            "an array [height, width, channels] with 1, 3 or 4 channels",
            f"shape {x.shape}",
            "Pass one image, and data_format='channels_first' if its channels come first.",
        )
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    pillow = _pillow()
    if x.shape[-1] > 1:
        return pillow.fromarray(x.astype("uint8"))
    return pillow.fromarray(x[..., 0].astype("int32" if x.max() > 255 else "uint8"))


def save_img(
    path: str | PathLike[str] | Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array to a file of an image.

    Args:
        path: the path, or an open binary file.
        x: the array.
        data_format: see :func:`array_to_img`.
        file_format: the format. Default None: that of the extension.
        scale: see :func:`array_to_img`.
        **kwargs: further options of Pillow's `save`.
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    if image.mode == "RGBA" and str(file_format or path).lower().endswith(("jpg", "jpeg")):
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def smart_resize(
    x: Any,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    data_format: str | None = None,
    backend_module: Any = None,
) -> Any:
    """Crop images to the ratio of a size, and resize them.

    Args:
        x: images ``[..., height, width, channels]``.
        size: ``(height, width)``.
        interpolation: ``"bilinear"`` (default), ``"nearest"``, ``"bicubic"`` or others of
            `keras.ops.image.resize`.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        backend_module: has no effect.

    Returns:
        An array of floats of the same kind as `x`.
    """
    floats = OPERATIONS["cast"](x, jnp.promote_types(x.dtype, jnp.float32))
    made = OPERATIONS["resize"](
        floats, size, interpolation, crop_to_aspect_ratio=True, data_format=data_format
    )
    return np.asarray(made) if isinstance(x, np.ndarray) else made


def resized(x: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resize one image on the host: XLA would compile a program for each size.

    Args:
        x: ``[height, width, channels]``.
        size: ``(height, width)``.
        interpolation: ``"bilinear"``, or others of `keras.ops.image.resize`, which are compiled.
    """
    if x.shape[:2] == tuple(size):
        return x
    if interpolation != "bilinear":
        return np.asarray(OPERATIONS["resize"](x, size, interpolation))
    for axis, new in enumerate(size):
        old = x.shape[axis]
        centers = (np.arange(new) + 0.5) * (old / new) - 0.5
        low = np.floor(centers).astype(int)
        part = np.expand_dims((centers - low).astype(x.dtype), tuple(range(1, x.ndim)))
        rows = np.moveaxis(x, axis, 0)
        below, above = rows[np.clip(low, 0, old - 1)], rows[np.clip(low + 1, 0, old - 1)]
        x = np.moveaxis(below + (above - below) * part, 0, axis)
    return x
