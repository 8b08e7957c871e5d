"""`keras.visualization`: boxes and masks on images, and galleries, as Keras draws them."""

import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (2, 6, 8, 3)).astype("float32")
MASKS = RNG.integers(-1, 4, (2, 6, 8, 1))
BOXES = {"boxes": np.array([[[2, 1, 6, 4], [0, 0, 0, 0]]] * 2), "labels": np.array([[1, -1]] * 2)}
visualization = ours.visualization


@pytest.fixture(scope="module")
def theirs() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras").visualization


def test_the_functions_have_the_arguments_of_keras(theirs: Any) -> None:
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert set(visualization.__all__) == names
    for name in names:
        found, wanted = (
            [(one.name, one.default) for one in inspect.signature(part).parameters.values()]
            for part in (getattr(visualization, name), getattr(theirs, name))
        )
        assert found == wanted, name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_classes": 3, "alpha": 0.5, "ignore_index": 2},
        {"num_classes": 4, "color_mapping": {n: (n, 9 * n, 50 * n) for n in range(4)}},
        {"blend": False},
    ],
)
def test_masks_are_drawn_as_in_keras(theirs: Any, options: dict[str, Any]) -> None:
    found = visualization.draw_segmentation_masks(IMAGES, MASKS, **options)
    expected = np.asarray(theirs.draw_segmentation_masks(IMAGES, MASKS, **options))
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=1.01)
    first = visualization.draw_segmentation_masks(
        IMAGES.transpose(0, 3, 1, 2),
        MASKS[:, None, :, :, 0],
        data_format="channels_first",
        **options,
    )
    np.testing.assert_array_equal(first, found)


def test_boxes_are_lines_on_images() -> None:
    made = visualization.draw_bounding_boxes(
        np.zeros((2, 6, 8, 3)), BOXES, "xyxy", color=(10, 20, 30), line_thickness=1
    )
    expected = np.zeros((6, 8), bool)
    expected[1:5, 2:7] = True
    expected[2:4, 3:6] = False
    for image in made:
        np.testing.assert_array_equal(image.any(-1), expected)
        assert image[1, 2].tolist() == [10, 20, 30]
    relative = {"boxes": BOXES["boxes"] / [8, 6, 8, 6], "labels": BOXES["labels"]}
    again = visualization.draw_bounding_boxes(
        np.zeros((2, 3, 6, 8)),
        relative,
        "rel_xyxy",
        None,
        (10, 20, 30),
        1,
        data_format="channels_first",
    )
    np.testing.assert_array_equal(again, made)


def test_names_and_confidences_are_written() -> None:
    boxes = {"boxes": [[[5, 60, 90, 90]]], "labels": [[0]], "confidences": [[0.5]]}
    empty = np.zeros((1, 100, 100, 1))
    plain = visualization.draw_bounding_boxes(empty, boxes, "xyxy")
    named = visualization.draw_bounding_boxes(empty, boxes, "xyxy", {0: "cat"})
    assert named.shape == (1, 100, 100, 1)
    assert not plain[:, :58].any() and named[:, :58].any()


def test_galleries_are_written(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    names = {0: "cat", 1: "dog"}
    options: dict[str, Any] = {"y_true": np.array([0, 1]), "y_pred": [1, 7], "label_map": names}
    visualization.plot_image_gallery(IMAGES, path=paths[0], **options)
    visualization.plot_image_gallery(
        IMAGES[..., :1] / 255, cols=3, value_range=(0, 1), path=paths[1]
    )
    visualization.plot_bounding_box_gallery(
        IMAGES, "xyxy", BOXES, BOXES, class_mapping=names, legend=True, path=paths[2]
    )
    visualization.plot_segmentation_mask_gallery(
        IMAGES, 4, y_true=MASKS, y_pred=MASKS, path=paths[3]
    )
    pictures = [matplotlib.image.imread(path) for path in paths]
    assert all(picture[..., :3].std() > 0.05 for picture in pictures)
    assert pictures[3].shape[1] > pictures[3].shape[0]  # three columns of two rows


@pytest.mark.parametrize(
    "call",
    [
        lambda: visualization.plot_image_gallery(IMAGES[0]),
        lambda: visualization.plot_image_gallery(IMAGES, path="x.png", show=True),
        lambda: visualization.plot_image_gallery(IMAGES, y_true=[0, 1]),
        lambda: visualization.plot_bounding_box_gallery(
            IMAGES, "xyxy", BOXES, legend=True, legend_handles=[1]
        ),
        lambda: visualization.draw_bounding_boxes(IMAGES, [1], "xyxy"),
        lambda: visualization.draw_segmentation_masks(IMAGES, MASKS + 0.5),
        lambda: visualization.draw_segmentation_masks(IMAGES, MASKS[:, :3]),
    ],
)
def test_what_makes_no_sense_is_told(call: Any) -> None:
    with pytest.raises(InputError):
        call()
