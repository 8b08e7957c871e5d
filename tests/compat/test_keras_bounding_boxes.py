"""`keras.utils.bounding_boxes` against Keras."""

import inspect
import itertools
import os
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

RNG = np.random.default_rng(0)
FORMATS = (
    *("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw"),
    *("rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"),
)


def boxes(*shape: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    corners = np.sort(RNG.uniform(-0.1, 1.1, (*shape, 2, 2)), axis=-2)
    return (corners * size).reshape(*shape, 4).astype("float32")


A, B = boxes(2, 5), boxes(2, 5)
ONE = RNG.uniform(0.1, 0.9, 2).astype("float32")
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *(
        ("convert_format", (A, *pair), {"height": 30, "width": 40})
        for pair in itertools.product(FORMATS, ("center_yxhw", "rel_center_xywh"))
    ),
    *(("convert_format", (A, "center_yxhw", one), {"height": 30, "width": 40}) for one in FORMATS),
    ("convert_format", (A[0], "XYXY", "xywh"), {"dtype": "float16"}),
    ("clip_to_image_size", ({"boxes": A, "labels": np.arange(10).reshape(2, 5)}, 20, 25), {}),
    ("clip_to_image_size", ({"boxes": A / 40}, None, None, "rel_xyxy"), {}),
    ("affine_transform", (A, 30 * ONE, ONE, -ONE, 1 + ONE, 9 * ONE, 5 * ONE, 30, 40), {}),
    ("affine_transform", (A, -ONE, ONE, ONE, ONE, ONE, ONE, 30, 40, 0.2, 0.8), {}),
    ("crop", (A, 3, 4, 20, 10), {}),
    ("pad", (A, 3, 4), {}),
    ("encode_box_to_deltas", (A[0], B, "xyxy", "xyxy"), {}),
    (
        "encode_box_to_deltas",
        (A[0], B, "xywh", "rel_xyxy", "center_xywh", [0.1, 0.1, 0.2, 0.2], (30, 40, 3)),
        {},
    ),
    ("decode_deltas_to_boxes", (A[0], B / 40, "xyxy", "xyxy"), {}),
    (
        "decode_deltas_to_boxes",
        (A[0], B / 40, "xywh", "rel_xyxy", "center_xywh", [0.1, 0.1, 0.2, 0.2], (30, 40, 3)),
        {},
    ),
    ("compute_iou", (A, B, "xyxy"), {}),
    ("compute_iou", (A[0], B[0, :3], "xywh"), {}),
    ("compute_iou", (A, B[0], "center_xywh"), {}),
    ("compute_iou", (A - 50, B, "xyxy"), {"use_masking": True, "mask_val": -3}),
    ("compute_iou", (A / 40, B / 40, "rel_yxyx"), {"image_shape": (30, 40, 3)}),
    ("compute_ciou", (A, B, "xyxy"), {}),
    ("compute_ciou", (A[0], B[0], "center_xywh"), {}),
]


@pytest.fixture(scope="module")
def theirs() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras").utils.bounding_boxes


def test_the_functions_have_the_arguments_of_keras(theirs: Any) -> None:
    own = ours.utils.bounding_boxes
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert set(own.__all__) == names
    for name in names:
        found, wanted = (
            [(one.name, one.default) for one in inspect.signature(part).parameters.values()]
            for part in (getattr(own, name), getattr(theirs, name))
        )
        assert found == wanted, name


def test_the_numbers_are_those_of_keras(theirs: Any) -> None:
    for name, args, options in CALLS:
        copied = [dict(one) if isinstance(one, dict) else one for one in args]
        found = getattr(ours.utils.bounding_boxes, name)(*args, **options)
        expected = getattr(theirs, name)(*copied, **options)
        if not isinstance(found, dict):
            found, expected = {"boxes": found}, {"boxes": expected}
        assert set(found) == set(expected)
        for key, one in found.items():
            assert one.dtype == expected[key].dtype, (name, args[1:])
            np.testing.assert_allclose(
                one, expected[key], rtol=2e-4, atol=2e-4, err_msg=f"{name} {args[1:]}"
            )


def test_dicts() -> None:
    made = ours.utils.bounding_boxes.convert_format({"boxes": A, "labels": [1]}, "xyxy", "yxyx")
    np.testing.assert_array_equal(made["boxes"], A[..., [1, 0, 3, 2]])
    assert made["labels"] == [1]
    levels = ours.utils.bounding_boxes.decode_deltas_to_boxes(
        {"P3": A[0]}, {"P3": np.zeros((5, 4))}, "xyxy", "xyxy"
    )
    np.testing.assert_allclose(levels["P3"], A[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("convert_format", (A, "xyxy", "xxyy")),
        ("convert_format", (A, "xyxy", "rel_xyxy")),
        ("convert_format", (A[..., :3], "xyxy", "xywh")),
        ("clip_to_image_size", ({"boxes": A},)),
        ("crop", (A, 1, 1, 1, 1, "xywh")),
        ("encode_box_to_deltas", (A[0], B, "xyxy", "xyxy", "xyxy")),
        ("encode_box_to_deltas", (A[0], B, "xyxy", "xyxy", "center_xywh", [1.0])),
        ("compute_iou", (A[0, 0], B, "xyxy")),
    ],
)
def test_what_makes_no_sense_is_told(name: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(InputError):
        getattr(ours.utils.bounding_boxes, name)(*args)
