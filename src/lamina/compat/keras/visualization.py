"""`keras.visualization`: images with boxes and masks, and galleries of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import choice, wrong
from lamina.compat.keras.utils.bounding_boxes import convert_format
from lamina.extras import extras

__all__ = [
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "plot_bounding_box_gallery",
    "plot_image_gallery",
    "plot_segmentation_mask_gallery",
]

Color = Sequence[int]
_FONT_SIZE = 22  # pixels, for a scale of 1
_PALETTE = 2**25 - 1, 2**15 - 1, 2**21 - 1


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: Mapping[str, Any],
    bounding_box_format: str,
    class_mapping: Mapping[int, str] | None = None,
    color: Color = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with boxes drawn on them, and the names of their classes.

    Args:
        images: ``[batch, height, width, channels]``, in [0, 1] or [0, 255].
        bounding_boxes: a dict of ``"boxes"`` ``[batch, number, 4]``, ``"labels"``
            ``[batch, number]``, where -1 is no box, and, maybe, ``"confidences"``.
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
        class_mapping: the names of classes by their labels. Default None: no names.
        color: red, green and blue in [0, 255]. Default gray.
        line_thickness: the width of lines in pixels. Default 2.
        text_thickness: the width of the lines of letters. Default 1.
        font_scale: the size of letters; 1 (default) for 22 pixels.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        uint8 images, with their channels last.

    Raises:
        InputError: the images or the boxes have other shapes.
        LaminaError: Pillow is not installed.

    >>> boxes = {"boxes": [[[1, 1, 3, 3]]], "labels": [[0]]}
    >>> made = draw_bounding_boxes(np.zeros((1, 5, 5, 3)), boxes, "xyxy", line_thickness=1)
    >>> made[0, :, :, 0].astype(bool).sum()
    np.int64(8)
    """
    with extras("Drawing boxes", "data"):
        from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - an extra
    pixels = _levels(_images("draw_bounding_boxes", images, data_format))
    if not isinstance(bounding_boxes, Mapping) or not {"boxes", "labels"} <= set(bounding_boxes):  # pyright: ignore[reportUnnecessaryIsInstance]
        remedy = "Pass {'boxes': boxes, 'labels': labels}."
        raise wrong("The boxes are no dict.", "a dict of boxes and labels", bounding_boxes, remedy)
    height, width = pixels.shape[1:3]
    corners = convert_format(bounding_boxes["boxes"], bounding_box_format, "xyxy", height, width)
    boxes, labels = np.asarray(corners).astype(int), np.asarray(bounding_boxes["labels"])
    confidences = bounding_boxes.get("confidences")
    names = class_mapping or {}
    font = ImageFont.load_default(max(round(_FONT_SIZE * font_scale), 1))
    stroke = (text_thickness or line_thickness) // 2
    ink = tuple(int(part) for part in color)
    made: list[np.ndarray] = []
    for row, image in enumerate(pixels):
        gray = image.shape[-1] == 1
        picture = Image.fromarray(np.repeat(image, 3, -1) if gray else image)
        draw = ImageDraw.Draw(picture)
        for place, (left, top, right, bottom) in enumerate(boxes[row].tolist()):
            label = int(labels[row][place])
            if label == -1:
                continue
            x, y = sorted((left, right)), sorted((top, bottom))
            draw.rectangle((x[0], y[0], x[1], y[1]), outline=ink, width=line_thickness)
            if label not in names:
                continue
            text = names[label]
            if confidences is not None:
                text = f"{text} | {float(np.asarray(confidences)[row][place]):.2f}"
            size = draw.textbbox((0, 0), text, font=font)[3]
            above = y[0] - size - line_thickness
            at = (x[0], above) if above >= 0 else (x[0] + 3, y[0] + line_thickness + 1)
            draw.text(at, text, fill=ink, font=font, stroke_width=stroke)
        drawn = np.asarray(picture)
        made.append(drawn[..., :1] if gray else drawn)
    return np.stack(made)


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: Mapping[int, Color] | Sequence[Color] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with the classes of their pixels as colors over them.

    Args:
        images: ``[batch, height, width, channels]`` in [0, 255].
        segmentation_masks: the class of each pixel, integers ``[batch, height, width, 1]``, or
            ``[batch, height, width]``.
        num_classes: the number of classes; pixels of others are not colored. Default None: the
            largest class in the masks.
        color_mapping: red, green and blue by class. Default None: colors of Keras.
        alpha: the part of the color in the result, in [0, 1]. Default 0.8.
        blend: whether images and colors are mixed. Default True.
        ignore_index: the class of pixels that stay as they are. Default -1.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``, of images and masks.

    Returns:
        uint8 images with their channels last; float32 ones without `blend`.

    Raises:
        InputError: the images or masks have another shape, or the masks are no integers.

    >>> masks = np.array([[[[1], [0]]]])
    >>> draw_segmentation_masks(np.zeros((1, 1, 2, 3)), masks, 2, [(0, 0, 9), (5, 5, 5)]).tolist()
    [[[[4, 4, 4], [0, 0, 7]]]]
    """
    name = "draw_segmentation_masks"
    pixels = _images(name, images, data_format).astype("float32")
    masks = np.asarray(segmentation_masks)
    if masks.ndim == 4:
        masks = masks[:, 0] if data_format == "channels_first" else masks[..., 0]
    if masks.shape != pixels.shape[:3] or masks.dtype.kind not in "iu":
        received = f"{masks.dtype} of shape {np.shape(segmentation_masks)}"
        expected = f"integers [batch, height, width] for images {pixels.shape}"
        raise wrong(f"{name} got no masks.", expected, received, "Pass the class of each pixel.")
    count = int(masks.max()) if num_classes is None else num_classes
    if color_mapping is None:
        colors = [[number * part % 255 for part in _PALETTE] for number in range(count)]
    else:
        colors = [color_mapping[number] for number in range(count)]
    drawn = pixels.copy()
    for number, color in enumerate(colors):
        drawn[masks == number] = np.asarray(color, "float32")
    if not blend:
        return drawn
    mixed = pixels * (1 - alpha) + drawn * alpha
    return np.where((masks != ignore_index)[..., None], mixed, pixels).astype("uint8")


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: Mapping[Any, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: tuple[float, float] = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> None:
    """Show images in rows and columns, with their labels.

    Args:
        images: ``[batch, height, width, channels]``.
        y_true: labels ``[batch]``. Default None.
        y_pred: predicted labels ``[batch]``. Default None.
        label_map: the names of labels. Default None.
        rows: the number of rows. Default None: as many as columns, about.
        cols: the number of columns. Default None: as many as are needed.
        value_range: lowest and highest value of the images. Default (0, 255).
        scale: the size of an image in inches. Default 2.
        path: a file to write. Default None: the figure is shown.
        show: whether it is shown. Default None: if there is no path. With False and no path, the
            figure stays open.
        transparent: whether the file has no background. Default True.
        dpi: the dots of the file in an inch. Default 60.
        legend_handles: what matplotlib shows as the legend. Default None.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Raises:
        InputError: the images have another shape, or there are labels without names, or a path
            although the figure is to be shown.
        LaminaError: matplotlib is not installed.
    """
    with extras("Showing images", "plot"):
        import matplotlib.pyplot as plt  # noqa: PLC0415 - an extra
    name = "plot_image_gallery"
    if path is not None and show:
        expected, remedy = "path or show", "Leave one of them out."
        raise wrong(
            f"{name} is to write and to show.", expected, f"path={path!r}, show=True", remedy
        )
    if (y_true is not None or y_pred is not None) and label_map is None:
        raise wrong(f"{name} got labels without names.", "a label_map", None, "Pass label_map.")
    pixels = _images(name, images, data_format).astype("float32")
    low, high = value_range
    pixels = np.clip((pixels - low) / (high - low), 0, 1)
    height = rows or (math.ceil(len(pixels) / cols) if cols else math.ceil(len(pixels) ** 0.5))
    width = cols or math.ceil(len(pixels) / height)
    figure, axes = cast("Any", plt).subplots(
        height,
        width,
        figsize=(width * scale, height * scale),
        frameon=False,
        layout="tight",
        squeeze=False,
    )
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    given = [(kind, one) for kind, one in (("Label", y_true), ("Pred", y_pred)) if one is not None]
    for place, axis in enumerate(axes.ravel()):
        axis.axis("off")
        if place >= len(pixels):
            continue
        axis.imshow(pixels[place], cmap="gray", vmin=0, vmax=1)
        axis.margins(x=0, y=0)
        titles = [
            f"{kind}: {(label_map or {}).get(np.asarray(labels)[place].item(), 'Unknown')}"
            for kind, labels in given
            if place < len(labels)
        ]
        if titles:
            axis.set_title("  ".join(titles), fontsize=8)
    if path is not None:
        figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
    elif show is None or show:
        cast("Any", plt).show()
    else:
        return
    plt.close(figure)


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: Mapping[str, Any] | None = None,
    y_pred: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] = (0, 255),
    true_color: Color = (0, 188, 212),
    pred_color: Color = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: Mapping[int, str] | None = None,
    ground_truth_mapping: Mapping[int, str] | None = None,
    prediction_mapping: Mapping[int, str] | None = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Show images with their boxes; see :func:`draw_bounding_boxes`.

    Args:
        images: ``[batch, height, width, channels]``.
        bounding_box_format: the format of the boxes.
        y_true: the boxes. Default None.
        y_pred: predicted boxes. Default None.
        value_range: lowest and highest value of the images. Default (0, 255).
        true_color: the color of the boxes.
        pred_color: the color of predicted boxes.
        line_thickness: Default 2.
        font_scale: Default 1.
        text_thickness: Default None: that of lines.
        class_mapping: the names of classes. Default None.
        ground_truth_mapping: the names for `y_true`. Default None: `class_mapping`.
        prediction_mapping: the names for `y_pred`. Default None: `class_mapping`.
        legend: whether a legend says which color is which. Default False.
        legend_handles: a legend of one's own. Default None.
        rows: see :func:`plot_image_gallery`.
        cols: see :func:`plot_image_gallery`.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        **kwargs: further arguments of :func:`plot_image_gallery`.

    Raises:
        InputError: an argument is not valid, or there are two legends.
        LaminaError: matplotlib is not installed.
    """
    with extras("Showing boxes", "plot"):
        from matplotlib import patches  # noqa: PLC0415 - an extra
    if legend and legend_handles:
        expected, remedy = "legend or legend_handles", "Leave one of them out."
        raise wrong("plot_bounding_box_gallery got two legends.", expected, "both", remedy)
    low, high = value_range
    shown = _images("plot_bounding_box_gallery", images, data_format).astype("float32")
    shown = (np.clip((shown - low) / (high - low), 0, 1) * 255).astype("uint8")
    for boxes, color, names in (
        (y_true, true_color, ground_truth_mapping or class_mapping),
        (y_pred, pred_color, prediction_mapping or class_mapping),
    ):
        if boxes is not None:
            shown = draw_bounding_boxes(
                shown,
                boxes,
                bounding_box_format,
                names,
                color,
                line_thickness,
                text_thickness,
                font_scale,
            )
    if legend:
        kinds = (("Ground Truth", true_color), ("Prediction", pred_color))
        legend_handles = [
            cast("Any", patches).Patch(color=[part / 255 for part in color], label=kind)
            for kind, color in kinds
        ]
    plot_image_gallery(shown, rows=rows, cols=cols, legend_handles=legend_handles, **kwargs)


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int | None,
    value_range: tuple[float, float] = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: Mapping[int, Color] | Sequence[Color] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Show images, and beside them the images with their masks; see `draw_segmentation_masks`.

    Args:
        images: ``[batch, height, width, channels]``.
        num_classes: see :func:`draw_segmentation_masks`.
        value_range: lowest and highest value of the images. Default (0, 255).
        y_true: masks. Default None.
        y_pred: predicted masks. Default None.
        color_mapping: see :func:`draw_segmentation_masks`.
        blend: Default True.
        alpha: Default 0.8.
        ignore_index: Default -1.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``, of images and masks.
        **kwargs: further arguments of :func:`plot_image_gallery`.

    Raises:
        InputError: an argument is not valid.
        LaminaError: matplotlib is not installed.
    """
    pixels = _images("plot_segmentation_mask_gallery", images, data_format)
    low, high = value_range
    pixels = (pixels.astype("float32") - low) / (high - low) * 255
    columns = [pixels]
    for masks in (y_true, y_pred):
        if masks is None:
            continue
        whole = np.asarray(masks).astype("int32")
        if data_format == "channels_first" and whole.ndim == 4:
            whole = whole[:, 0]
        columns.append(
            draw_segmentation_masks(
                pixels, whole, num_classes, color_mapping, alpha, blend, ignore_index
            ).astype("float32")
        )
    shown = np.stack(columns, axis=1).reshape(-1, *pixels.shape[1:])
    plot_image_gallery(shown, rows=len(pixels), cols=len(columns), **kwargs)


def _images(function: str, images: Any, data_format: str | None) -> np.ndarray:
    """A batch of images with their channels last."""
    choice(function, "data_format", data_format, (None, "channels_last", "channels_first"))
    x = np.asarray(images)
    if x.ndim != 4:
        expected = "a batch [batch, height, width, channels]"
        raise wrong(f"{function} got no images.", expected, f"shape {x.shape}", "Pass a batch.")
    return x.transpose(0, 2, 3, 1) if data_format == "channels_first" else x


def _levels(images: np.ndarray) -> np.ndarray:
    """Images as uint8: those of floats up to 1 are multiplied by 255."""
    if images.dtype.kind == "f" and images.size:
        images = np.clip(images, 0, 255) if images.max() > 1 else np.clip(images, 0, 1) * 255
    return images.astype("uint8")


def __getattr__(name: str) -> Any:
    raise missing("keras.visualization", name, __all__)
