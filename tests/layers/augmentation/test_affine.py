"""Rotations, zooms, translations and shears: Keras's images, and the ranges of what is drawn."""

from functools import partial

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import layers
from lamina.errors import InputError

MODES = ("reflect", "wrap", "constant", "nearest")


def rotated(matrices, x):
    return {"rotation_matrix": np.pad(matrices.reshape(-1, 6), ((0, 0), (0, 2)))}


def zoomed(matrices, x):
    zooms = {"height_zoom": matrices[:, 1, 1:2], "width_zoom": matrices[:, 0, :1]}
    return zooms | {"input_shape": x.shape}


def moved(matrices, x):
    return {"translations": -matrices[:, :, 2], "input_shape": x.shape}


def sheared(matrices, x):
    factors = np.stack([matrices[:, 0, 1], matrices[:, 1, 0]], 1)
    return {"shear_factor": factors, "input_shape": x.shape}


KINDS = {
    "RandomRotation": ((0.3,), {}, rotated),
    "RandomZoom": ((0.4, (-0.6, 0.9)), {"fill_mode": "wrap"}, zoomed),
    "RandomTranslation": ((0.7, (-0.9, 0.3)), {"fill_mode": "constant", "fill_value": 7.0}, moved),
    "RandomShear": ((0.7, (0.1, 0.4)), {"fill_mode": "nearest"}, sheared),
}
kinds = pytest.mark.parametrize("name", KINDS)


def pair(name, *args, **options):
    return [getattr(one, name)(*args, **options) for one in (layers, keras.layers)]


@kinds
def test_images_are_those_of_keras(images, same, name):
    args, options, given = KINDS[name]
    same([(*pair(name, *args, **options), given)], images)


def test_fills_are_those_of_keras(images, same):
    given = [{"fill_mode": m, "interpolation": "nearest", "fill_value": 7.0} for m in MODES]
    pairs = [(*pair("RandomTranslation", 1.0, 0.8, **one), moved) for one in given]
    same(pairs, images)


def test_channels_first(images, same_first):
    same_first([partial(layers.RandomRotation, 0.3)], images)


def test_fixed_factors_give_keras_outputs(images, whole):
    fixed = {
        "RandomRotation": ((0.25, 0.25),),
        "RandomZoom": ((-0.3, -0.3), (0.5, 0.5)),
        "RandomTranslation": ((0.5, 0.5), (-0.5, -0.5)),
    }
    whole([pair(name, *args, interpolation="nearest") for name, args in fixed.items()], images)


def test_one_image_and_integers(images, in_training):
    layer = layers.RandomRotation(0.3)
    x = images.astype("uint8")
    (one,) = in_training([layer], x[0])
    assert one.shape == x.shape[1:] and one.dtype == "float32"
    assert layer(x).dtype == "float32"
    assert layers.RandomZoom(0.1, dtype="float16")(x).dtype == "float16"
    np.testing.assert_array_equal(layer(x), x)


def test_half_precision_samples_at_exact_points(images, in_training):
    layer = layers.RandomTranslation((0.5, 0.5), 0.0, fill_mode="wrap")
    x = images.astype("float16")
    (made,) = in_training([layer], x)
    assert made.dtype == "float16"
    np.testing.assert_array_equal(made, np.roll(x, 3, 1))


@pytest.fixture(scope="module")
def many_drawn(drawn):
    made = [getattr(layers, name)(*args) for name, (args, *_) in KINDS.items()]
    return dict(zip(KINDS, drawn(made, (400, 4, 5, 1)), strict=True))


@kinds
def test_parameters_fill_their_ranges(name, many_drawn):
    drawn = many_drawn[name]
    if name == "RandomRotation":
        turns = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0]) / (2 * np.pi)
        found = {(-0.3, 0.3): turns}
    elif name == "RandomZoom":
        found = {(0.6, 1.4): drawn[:, 1, 1], (0.4, 1.9): drawn[:, 0, 0]}
    elif name == "RandomTranslation":
        found = {(-2.8, 2.8): -drawn[:, 1, 2], (-4.5, 1.5): -drawn[:, 0, 2]}
    else:
        found = {(-0.7, 0.7): drawn[:, 0, 1], (0.1, 0.4): abs(drawn[:, 1, 0])}
        assert 150 < (drawn[:, 1, 0] > 0).sum() < 250
    for (low, high), values in found.items():
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)
        assert abs(values.mean() - (low + high) / 2) < 0.05 * (high - low)


def test_the_aspect_ratio_is_kept_by_default(drawn):
    (matrices,) = drawn([layers.RandomZoom(0.4)], (9, 4, 5, 1))
    np.testing.assert_array_equal(matrices[:, 0, 0], matrices[:, 1, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.RandomRotation(1.5),
        lambda: layers.RandomRotation((0.1, 0.2, 0.3)),
        lambda: layers.RandomRotation((2, 3)),
        lambda: layers.RandomRotation("much"),
        lambda: layers.RandomRotation(float("nan")),
        lambda: layers.RandomRotation(0.1, "mirror"),
        lambda: layers.RandomRotation(0.1, interpolation="bicubic"),
        lambda: layers.RandomRotation(0.1, fill_value=None),
        lambda: layers.RandomRotation(0.1, data_format="last"),
        lambda: layers.RandomZoom(-1.0),
        lambda: layers.RandomZoom((0.1, 1.5)),
        lambda: layers.RandomTranslation(0.1, None),
        lambda: layers.RandomTranslation(0.1, True),
        lambda: layers.RandomShear(-0.1),
        lambda: layers.RandomRotation(0.1)(jnp.ones((3, 3))),
        lambda: layers.RandomRotation(0.1)({"images": jnp.ones((3, 3, 1)), "bounding_boxes": 1}),
        lambda: layers.RandomRotation(0.1)({"x": jnp.ones((3, 3, 1))}),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()
