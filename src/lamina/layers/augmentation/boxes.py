"""Bounding boxes of images, as many for each image."""

from __future__ import annotations

from typing import Any, Unpack, cast

import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers.bases.checks import check_count
from lamina.layers.bases.errors import bad_option, refusal
from lamina.options import LayerOptions

__all__ = ["MaxNumBoundingBoxes"]


class MaxNumBoundingBoxes(Layer):
    """Cuts or pads the bounding boxes of each image to one number, in training and outside.

    Shapes: a dict with ``"bounding_boxes"``, a dict of ``"boxes"`` ``[..., number, 4]`` and
    ``"labels"`` ``[..., number]``: ``number`` becomes ``max_number``. All else stays as it is.

    Args:
        max_number: positive integer, the number of boxes.
        fill_value: int, coordinates and labels of the boxes that are added; -1 by default.
        bounding_box_format: str; has no effect, as boxes of any format are treated alike; None by
            default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid, or the input is a dict without such boxes.

    >>> boxes = {"boxes": jnp.zeros((2, 1, 4)), "labels": jnp.array([[3], [5]])}
    >>> made = MaxNumBoundingBoxes(2)({"bounding_boxes": boxes})["bounding_boxes"]
    >>> made["boxes"].shape, made["labels"].tolist()
    ((2, 2, 4), [[3, -1], [5, -1]])
    """

    supports_masking = False

    def __init__(
        self,
        max_number: int,
        fill_value: int = -1,
        bounding_box_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.max_number = check_count(self, "max_number", max_number)
        if int(fill_value) != fill_value:
            raise bad_option(self, "fill_value", fill_value, "an integer")
        self.fill_value = int(fill_value)
        self.bounding_box_format = bounding_box_format

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, dict) or "bounding_boxes" not in inputs:
            return cast("Any", inputs)
        given = cast("dict[str, Any]", inputs)
        boxes = given["bounding_boxes"]
        if not isinstance(boxes, dict) or set(cast("Any", boxes)) != {"boxes", "labels"}:
            raise refusal(
                self,
                "got bounding boxes that it does not know",
                expected="a dict of 'boxes' and 'labels'",
                received=f"{boxes!r}"[:200],
                remedy="Pass {'boxes': boxes, 'labels': labels} as 'bounding_boxes'.",
            )
        cut = {"boxes": self._cut(boxes["boxes"], -2), "labels": self._cut(boxes["labels"], -1)}
        return given | {"bounding_boxes": cut}

    def _cut(self, array: Any, axis: int) -> Any:
        array = jnp.asarray(array)
        kept = [slice(None)] * array.ndim
        kept[axis] = slice(self.max_number)
        array = array[tuple(kept)]
        added = [(0, 0)] * array.ndim
        added[axis] = (0, self.max_number - array.shape[axis])
        return jnp.pad(array, added, constant_values=self.fill_value)
