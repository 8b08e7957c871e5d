"""`keras.utils.bounding_boxes`: formats, transforms and overlaps of boxes.

Boxes are arrays ``[..., 4]``, in one of the formats ``"xyxy"`` (left, top, right, bottom),
``"yxyx"``, ``"xywh"`` (left, top, width, height), ``"center_xywh"`` and ``"center_yxhw"``; with
``"rel_"`` in front, but for the last, in sizes of the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.compat.keras.config import epsilon
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import choice, wrong

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

_ABSOLUTE = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
_FORMATS = (*_ABSOLUTE, *(f"rel_{one}" for one in _ABSOLUTE[:4]))
_CENTERED = ("center_xywh", "center_yxhw")


def convert_format(
    boxes: Any,
    source: str,
    target: str,
    height: Any = None,
    width: Any = None,
    dtype: Any = "float32",
) -> Any:
    """Convert boxes from one format to another.

    Args:
        boxes: boxes ``[..., 4]``; or a dict with them as ``"boxes"``.
        source: their format.
        target: the new format.
        height: the height of images, for relative formats. Default None.
        width: their width. Default None.
        dtype: the dtype of the result. Default float32.

    Returns:
        Boxes of the same shape, or a dict with them.

    Raises:
        InputError: a format is unknown, or a size is missing.

    >>> convert_format([[10, 20, 30, 60]], "xyxy", "center_xywh").tolist()
    [[20.0, 40.0, 20.0, 40.0]]
    """
    if isinstance(boxes, Mapping):
        given = dict(cast("Mapping[str, Any]", boxes))
        made = convert_format(given["boxes"], source, target, height, width, dtype)
        return given | {"boxes": made}
    source, target = source.lower(), target.lower()
    choice("convert_format", "source", source, _FORMATS)
    choice("convert_format", "target", target, _FORMATS)
    x = jnp.asarray(boxes, dtype)
    if x.shape[-1:] != (4,):
        raise wrong("convert_format got no boxes.", "[..., 4]", f"shape {x.shape}", "Pass boxes.")
    relative = source.startswith("rel_"), target.startswith("rel_")
    if any(relative) and (height is None or width is None):
        received = f"height={height}, width={width}"
        expected = "the height and the width of the image, for relative boxes"
        raise wrong("convert_format got no size.", expected, received, "Pass height and width.")
    if source == target:
        return x
    corners = list(_corners(x, source.removeprefix("rel_")))
    if relative[0] != relative[1]:
        sizes = [jnp.asarray(one, x.dtype) for one in (width, height, width, height)]
        pairs = zip(corners, sizes, strict=True)
        corners = [one * size if relative[0] else one / size for one, size in pairs]
    return _from_corners(corners, target.removeprefix("rel_"))


def _corners(boxes: jax.Array, form: str) -> tuple[jax.Array, ...]:
    """Left, top, right and bottom of boxes in an absolute format."""
    a, b, c, d = (boxes[..., place : place + 1] for place in range(4))
    if form == "xyxy":
        return a, b, c, d
    if form == "yxyx":
        return b, a, d, c
    if form == "xywh":
        return a, b, a + c, b + d
    x, y, width, height = (a, b, c, d) if form == "center_xywh" else (b, a, d, c)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _from_corners(corners: list[jax.Array], form: str) -> jax.Array:
    left, top, right, bottom = corners
    width, height = right - left, bottom - top
    x, y = left + width / 2, top + height / 2
    parts = {
        "xyxy": (left, top, right, bottom),
        "yxyx": (top, left, bottom, right),
        "xywh": (left, top, width, height),
        "center_xywh": (x, y, width, height),
        "center_yxhw": (y, x, height, width),
    }
    return jnp.concatenate(parts[form], axis=-1)


def clip_to_image_size(
    bounding_boxes: Mapping[str, Any],
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> dict[str, Any]:
    """Clip boxes to the image; the label of a box of which nothing is left becomes -1.

    Args:
        bounding_boxes: a dict of ``"boxes"`` and, maybe, ``"labels"``.
        height: the height of the image, for ``"xyxy"``. Default None.
        width: its width. Default None.
        bounding_box_format: ``"xyxy"`` (default) or ``"rel_xyxy"``.

    Raises:
        InputError: the format is another, or a size is missing.

    >>> boxes = {"boxes": [[-5, 0, 20, 30], [-9, 0, -1, 4]], "labels": [1, 2]}
    >>> clipped = clip_to_image_size(boxes, height=10, width=10)
    >>> clipped["boxes"].tolist(), clipped["labels"].tolist()
    ([[0, 0, 10, 10], [0, 0, 0, 4]], [1, -1])
    """
    name = "clip_to_image_size"
    choice(name, "bounding_box_format", bounding_box_format, ("xyxy", "rel_xyxy"))
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    elif height is None or width is None:
        received = f"height={height}, width={width}"
        raise wrong(f"{name} got no size.", "height and width", received, "Pass both.")
    boxes = _clipped(jnp.asarray(bounding_boxes["boxes"]), height, width)
    made = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        left, top, right, bottom = (boxes[..., place] for place in range(4))
        areas = (right - left) * (bottom - top)
        made["labels"] = jnp.where(areas > 0, jnp.asarray(bounding_boxes["labels"]), -1)
    return made


def _clipped(boxes: jax.Array, height: Any, width: Any) -> jax.Array:
    sizes = [jnp.asarray(one, boxes.dtype) for one in (width, height, width, height)]
    parts = [jnp.clip(boxes[..., place], 0, size) for place, size in enumerate(sizes)]
    return jnp.stack(parts, axis=-1)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> jax.Array:
    """The boxes around the transformed boxes.

    Args:
        boxes: ``[batch, number, 4]``.
        angle: ``[batch]``, angles of rotation in degrees.
        translate_x: ``[batch]``, movements to the side in widths of the image.
        translate_y: ``[batch]``, movements down in heights of the image.
        scale: ``[batch]``, factors of the sizes.
        shear_x: ``[batch]``, angles of shears along x in degrees.
        shear_y: ``[batch]``, angles of shears along y in degrees.
        height: the height of the images.
        width: the width of the images.
        center_x: the center in widths of the image. Default None: 0.5.
        center_y: the center in heights of the image. Default None: 0.5.
        bounding_box_format: only ``"xyxy"`` (default).

    Raises:
        InputError: the format is another.

    >>> one, no = jnp.ones(1), jnp.zeros(1)
    >>> affine_transform([[[0, 0, 4, 2]]], no, no, no, one, no, no, 5, 5).tolist()
    [[[0.0, 0.0, 4.0, 2.0]]]
    """
    choice("affine_transform", "bounding_box_format", bounding_box_format, ("xyxy",))
    given = (angle, translate_x, translate_y, scale, shear_x, shear_y)
    turn, right, down, factor, x_shear, y_shear = (
        jnp.asarray(one, jnp.float32)[..., None, None] for one in given
    )
    last_x, last_y = width - 1, height - 1
    middle_x = (0.5 if center_x is None else center_x) * last_x
    middle_y = (0.5 if center_y is None else center_y) * last_y
    turn, x_shear, y_shear = (-jnp.deg2rad(one) for one in (turn, x_shear, y_shear))
    a = jnp.cos(turn - y_shear) / jnp.cos(y_shear)
    b = a * jnp.tan(x_shear) + jnp.sin(turn)
    c = -jnp.sin(turn - y_shear) / jnp.cos(y_shear)
    d = jnp.cos(turn) - c * jnp.tan(x_shear)
    corners = jnp.asarray(boxes, jnp.float32)
    x = corners[..., jnp.array([0, 2, 2, 0])] - (middle_x - right * last_x)
    y = corners[..., jnp.array([1, 1, 3, 3])] - (middle_y - down * last_y)
    new_x = middle_x + factor * (d * x - b * y)
    new_y = middle_y + factor * (a * y - c * x)
    found = [new_x.min(-1), new_y.min(-1), new_x.max(-1), new_y.max(-1)]
    return jnp.stack(found, axis=-1)


def crop(
    boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy"
) -> jax.Array:
    """Boxes in a part of the image, clipped to it.

    Args:
        boxes: boxes ``[..., 4]``.
        top: the first row of the part.
        left: its first column.
        height: its height.
        width: its width.
        bounding_box_format: only ``"xyxy"`` (default).

    Raises:
        InputError: the format is another.

    >>> crop([[10, 20, 50, 60]], top=10, left=20, height=40, width=20).tolist()
    [[0, 10, 20, 40]]
    """
    return _clipped(_moved(boxes, -top, -left, bounding_box_format, "crop"), height, width)


def pad(
    boxes: Any,
    top: Any,
    left: Any,
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> jax.Array:
    """Boxes in an image with rows and columns added in front.

    Args:
        boxes: boxes ``[..., 4]``.
        top: the number of rows.
        left: the number of columns.
        height: has no effect.
        width: has no effect.
        bounding_box_format: only ``"xyxy"`` (default).

    Raises:
        InputError: the format is another.

    >>> pad([[10, 20, 50, 60]], top=1, left=2).tolist()
    [[12, 21, 52, 61]]
    """
    return _moved(boxes, top, left, bounding_box_format, "pad")


def _moved(boxes: Any, down: Any, right: Any, form: str, function: str) -> jax.Array:
    choice(function, "bounding_box_format", form, ("xyxy",))
    x = jnp.asarray(boxes)
    return jnp.stack([x[..., at] + (down if at % 2 else right) for at in range(4)], axis=-1)


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> jax.Array:
    """What leads from anchors to boxes: ``(center' - center) / size`` and ``log(size' / size)``.

    Args:
        anchors: ``[number, 4]``.
        boxes: ``[..., number, 4]``.
        anchor_format: the format of the anchors.
        box_format: the format of the boxes.
        encoding_format: ``"center_yxhw"`` (default) or ``"center_xywh"``, the order of the result.
        variance: 4 numbers by which the result is divided. Default None.
        image_shape: ``(height, width, channels)``, for relative formats. Default None.

    Raises:
        InputError: an argument is not valid.

    >>> encode_box_to_deltas([[0, 0, 2, 2]], [[1, 0, 3, 2]], "xyxy", "xyxy").tolist()
    [[0.0, 0.5, 0.0, 0.0]]
    """
    choice("encode_box_to_deltas", "encoding_format", encoding_format, _CENTERED)
    spread = _variance(variance)
    height, width = _size(image_shape)
    start = convert_format(anchors, anchor_format, encoding_format, height, width)
    end = convert_format(boxes, box_format, encoding_format, height, width)
    sizes, others = (jnp.maximum(one[..., 2:], epsilon()) for one in (start, end))
    moves = (end[..., :2] - start[..., :2]) / sizes
    moves, growths = jnp.broadcast_arrays(moves, jnp.log(others / sizes))
    return jnp.concatenate([moves, growths], axis=-1) / spread


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The boxes of anchors and of what :func:`encode_box_to_deltas` returned.

    Args:
        anchors: ``[number, 4]``; or a dict of them.
        boxes_delta: ``[..., number, 4]``; or a dict of them.
        anchor_format: the format of the anchors.
        box_format: the format of the boxes.
        encoded_format: ``"center_yxhw"`` (default) or ``"center_xywh"``.
        variance: 4 numbers by which the deltas are multiplied. Default None.
        image_shape: ``(height, width, channels)``, for relative formats. Default None.

    Raises:
        InputError: an argument is not valid.

    >>> decode_deltas_to_boxes([[0, 0, 2, 2]], [[0, 0.5, 0, 0]], "xyxy", "xyxy").tolist()
    [[1.0, 0.0, 3.0, 2.0]]
    """
    choice("decode_deltas_to_boxes", "encoded_format", encoded_format, _CENTERED)
    spread = _variance(variance)
    height, width = _size(image_shape)

    def decoded(anchor: Any, delta: Any) -> Any:
        start = convert_format(anchor, anchor_format, encoded_format, height, width)
        change, sizes = jnp.asarray(delta) * spread, start[..., 2:]
        centers = change[..., :2] * sizes + start[..., :2]
        box = jnp.concatenate([centers, jnp.exp(change[..., 2:]) * sizes], axis=-1)
        return convert_format(box, encoded_format, box_format, height, width)

    if isinstance(anchors, Mapping) and isinstance(boxes_delta, Mapping):
        levels = cast("Mapping[Any, Any]", anchors)
        deltas = cast("Mapping[Any, Any]", boxes_delta)
        return {level: decoded(one, deltas[level]) for level, one in levels.items()}
    return decoded(anchors, boxes_delta)


def _variance(given: Any) -> jax.Array:
    spread = jnp.ones(4) if given is None else jnp.asarray(given, jnp.float32)
    if spread.shape[-1:] != (4,):
        raise wrong("variance has another length.", "4 numbers", given, "Pass 4 numbers, or None.")
    return spread


def _size(image_shape: Any) -> tuple[Any, Any]:
    """The height and the width of an image's shape; two times None for None."""
    if image_shape is None:
        return None, None
    height, width, _ = image_shape
    return height, width


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> jax.Array:
    """The overlap of each box with each other one: intersection over union.

    Args:
        boxes1: ``[n, 4]`` or ``[batch, n, 4]``.
        boxes2: ``[m, 4]`` or ``[batch, m, 4]``.
        bounding_box_format: the format of both.
        use_masking: whether pairs with a box of negative numbers alone are masked. Default False.
        mask_val: the value of masked pairs. Default -1.
        image_shape: ``(height, width, channels)``, for relative formats. Default None.

    Returns:
        ``[n, m]`` or ``[batch, n, m]``.

    Raises:
        InputError: the boxes have other numbers of axes, or an argument is not valid.

    >>> compute_iou([[0, 0, 2, 2]], [[0, 0, 2, 1], [5, 5, 6, 6]], "xyxy").tolist()
    [[0.5, 0.0]]
    """
    height, width = _size(image_shape)
    first, second = (
        convert_format(one, bounding_box_format, "yxyx", height, width) for one in (boxes1, boxes2)
    )
    for boxes in (first, second):
        if boxes.ndim not in (2, 3):
            expected, remedy = "[number, 4] or [batch, number, 4]", "Reshape the boxes."
            raise wrong("compute_iou got no boxes.", expected, f"shape {boxes.shape}", remedy)
    one, other = first[..., :, None, :], second[..., None, :, :]
    ends, starts = (
        jnp.minimum(one[..., 2:], other[..., 2:]),
        jnp.maximum(one[..., :2], other[..., :2]),
    )
    shared = jnp.prod(jnp.maximum(ends - starts, 0), axis=-1)
    areas = [jnp.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (one, other)]
    found = shared / (areas[0] + areas[1] - shared + epsilon())
    if not use_masking:
        return found
    masked = (one.max(-1) < 0) | (other.max(-1) < 0)
    return jnp.where(masked, jnp.asarray(mask_val, found.dtype), found)


def compute_ciou(
    boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None
) -> jax.Array:
    """The complete overlap of boxes with as many others: ``IoU - d^2 / c^2 - a v``.

    d is the distance of the centers, c the diagonal of the smallest box around both,
    ``v = 4 / pi^2 (arctan(w / h) - arctan(w' / h'))^2``, and ``a = v / (v - IoU + 1)``.

    Args:
        boxes1: ``[..., 4]``.
        boxes2: ``[..., 4]``.
        bounding_box_format: the format of both.
        image_shape: ``(height, width, channels)``, for relative formats. Default None.

    Returns:
        ``[...]``.

    Raises:
        InputError: an argument is not valid.

    Source: Zheng et al., Distance-IoU loss, arXiv 1911.08287.

    >>> compute_ciou([[0, 0, 2, 2]], [[0, 0, 2, 2]], "xyxy").round(3).tolist()
    [1.0]
    """
    size = _size(image_shape)
    first, second = (
        convert_format(one, bounding_box_format, "xyxy", *size) for one in (boxes1, boxes2)
    )
    tiny = epsilon()
    widths, heights = zip(
        *[(one[..., 2] - one[..., 0], one[..., 3] - one[..., 1] + tiny) for one in (first, second)],
        strict=True,
    )
    ends = jnp.minimum(first[..., 2:], second[..., 2:])
    starts = jnp.maximum(first[..., :2], second[..., :2])
    shared = jnp.prod(jnp.maximum(ends - starts, 0), axis=-1)
    union = widths[0] * heights[0] + widths[1] * heights[1] - shared + tiny
    overlap = shared / (union + tiny)
    around = jnp.maximum(first[..., 2:], second[..., 2:])
    around = around - jnp.minimum(first[..., :2], second[..., :2])
    diagonal = jnp.sum(around**2, axis=-1) + tiny
    centers = [(one[..., :2] + one[..., 2:]) / 2 for one in (first, second)]
    distance = jnp.sum((centers[0] - centers[1]) ** 2, axis=-1)
    ratios = [jnp.arctan(w / h) for w, h in zip(widths, heights, strict=True)]
    v = 4 / math.pi**2 * (ratios[1] - ratios[0]) ** 2
    return overlap - (distance / diagonal + v * v / (v - overlap + 1 + tiny))


def __getattr__(name: str) -> Any:
    raise missing("keras.utils.bounding_boxes", name, __all__)
