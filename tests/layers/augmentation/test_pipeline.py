"""Pipelines of layers, and boxes, as many for each image."""

import json

import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError


def test_a_pipeline_runs_in_training_unless_it_is_told(images):
    pipeline = layers.Pipeline([layers.RandomInvert((1.0, 1.0)), layers.Rescaling(0.5)])
    np.testing.assert_allclose(pipeline(images, rng=0), (255 - images) / 2)
    np.testing.assert_allclose(pipeline(images, training=False), images / 2)
    model = lamina.Sequential([pipeline])
    np.testing.assert_allclose(model(images), images / 2)
    np.testing.assert_allclose(model(images, training=True, rng=0), (255 - images) / 2)


def test_a_pipeline_of_keras_is_read(images, tmp_path):
    theirs = keras.layers.Pipeline([keras.layers.AutoContrast(), keras.layers.Rescaling(0.5)])
    config = json.loads(json.dumps(theirs.get_config()))
    ours = layers.Pipeline.from_config(config)
    np.testing.assert_allclose(ours(images), theirs(images), rtol=1e-5)
    assert [type(layer).__name__ for layer in ours.layers] == ["AutoContrast", "Rescaling"]
    model = lamina.Sequential([lamina.Input((6, 8, 3)), ours])
    for name in ("model.keras", "model.lamina"):
        model.save(tmp_path / name)
        again = lamina.load(tmp_path / name)
        np.testing.assert_allclose(again(images), model(images))


def test_files_of_models_are_those_of_keras(images, tmp_path):
    steps = [layers.AutoContrast(), layers.Normalization(), layers.Dense(2), layers.RandomFlip()]
    ours = lamina.Sequential([lamina.Input((6, 8, 3)), layers.Pipeline(steps)])
    steps[1].adapt(images)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    x = images[:1]
    found = np.asarray(theirs.layers[0](x, training=False))
    np.testing.assert_allclose(found, ours.layers[0](x, training=False), rtol=1e-4, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    again = lamina.load(tmp_path / "theirs.keras")
    np.testing.assert_array_equal(
        again.layers[0](x, training=False), ours.layers[0](x, training=False)
    )


@pytest.mark.parametrize("count", [1, 2, 5])
def test_boxes_are_cut_or_padded_as_in_keras(images, count):
    rng = np.random.default_rng(0)
    boxes = {
        "boxes": rng.uniform(size=(2, count, 4)).astype("float32"),
        "labels": rng.integers(0, 9, (2, count)),
    }
    theirs = keras.layers.MaxNumBoundingBoxes(2, bounding_box_format="xyxy")
    ours = layers.MaxNumBoundingBoxes(2)
    expected = theirs({"images": images, "bounding_boxes": dict(boxes)})["bounding_boxes"]
    found = ours({"images": images, "bounding_boxes": boxes})
    np.testing.assert_array_equal(found["images"], images)
    single = ours({"bounding_boxes": {name: part[0] for name, part in boxes.items()}})
    for name, part in found["bounding_boxes"].items():
        np.testing.assert_array_equal(part, expected[name])
        np.testing.assert_array_equal(single["bounding_boxes"][name], part[0])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.Pipeline([lambda x: x]),
        lambda: layers.Pipeline.from_config({"layers": None}),
        lambda: layers.MaxNumBoundingBoxes(0),
        lambda: layers.MaxNumBoundingBoxes(1, fill_value=0.5),
        lambda: layers.MaxNumBoundingBoxes(1)({"bounding_boxes": np.ones((1, 2, 4))}),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
