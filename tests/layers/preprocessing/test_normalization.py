"""Scales and sizes: Keras's numbers, what is found in data, and errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError
from tests.close import assert_close


def same(ours, theirs, *inputs, rtol=1e-5, atol=1e-5):
    """Compares outputs of one program: called live, each operation is compiled by itself."""
    both = jax.jit(lambda *inputs: [(ours(x), theirs(x)) for x in inputs])
    for found, expected in both(*inputs):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(
            np.asarray(found, "float64"), np.asarray(expected, "float64"), rtol=rtol, atol=atol
        )


@pytest.mark.parametrize("options", [(1 / 255,), (2.0, -1.0), ([1.0, 2.0, 3.0], [0.0, 1.0, 2.0])])
def test_rescaling_equals_keras(normal, options):
    ours, theirs = layers.Rescaling(*options), keras.layers.Rescaling(*options)
    same(ours, theirs, normal(2, 4, 3), np.arange(12, dtype="int32").reshape(4, 3))


@pytest.mark.parametrize(
    ("axis", "mean", "shape"),
    [
        (-1, [1.0, 2.0, 3.0], (4, 3)),
        (-1, 2.0, (2, 4, 3)),
        (None, 2.0, (4, 3)),
        ((1, 2), np.arange(6.0).reshape(2, 3), (4, 2, 3)),
        ((1, 2), np.arange(3.0), (4, 2, 3)),
        ((2, 1), np.arange(6.0).reshape(2, 3), (4, 2, 3)),
        (0, np.arange(4.0), (4, 3)),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_normalization_with_what_is_known_equals_keras(normal, axis, mean, shape, invert):
    options = {"axis": axis, "mean": mean, "variance": np.abs(mean), "invert": invert}
    ours, theirs = layers.Normalization(**options), keras.layers.Normalization(**options)
    same(ours, theirs, normal(*shape), rtol=1e-4)
    assert ours.variables == []


@pytest.mark.filterwarnings("ignore:Normalization is called while JAX traces")
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
@pytest.mark.parametrize("many", [False, True])
def test_normalization_finds_what_keras_finds(normal, axis, many):
    data = np.asarray(normal(10, 4, 3)) * 3 + 7
    ours, theirs = layers.Normalization(axis), keras.layers.Normalization(axis)
    theirs.adapt(data)
    ours.adapt([data[:1], (data[1:8], "labels"), data[8:], data[:0]] if many else data)
    same(ours, theirs, normal(2, 4, 3), rtol=1e-4, atol=1e-4)
    back = layers.Normalization(axis, invert=True)
    back.adapt(data)
    x = normal(2, 4, 3)
    np.testing.assert_allclose(back(ours(x)), x, rtol=1e-3, atol=1e-3)


def test_large_numbers_lose_nothing():
    data = 1e6 + np.random.default_rng(0).normal(size=(1000, 2))
    layer = layers.Normalization()
    layer.adapt(np.split(data, 10))
    assert_close(layer.variance.value, data.var(0), rtol=1e-6)
    assert_close(layer.mean.value, data.mean(0), rtol=1e-7)


def test_what_was_found_goes_into_models_and_files(tmp_path, normal):
    data = np.asarray(normal(20, 3)) * 5 + 2
    scale = layers.Normalization()
    scale.adapt(data)
    model = Sequential([scale, layers.Dense(2)])
    x = normal(4, 3)
    expected = model(x)
    assert sorted(model.values(trainable=True)) == ["layers.1.bias", "layers.1.kernel"]
    model.compile("sgd", "mean_squared_error")
    model.save(tmp_path / "model")
    assert jnp.array_equal(lamina.load(tmp_path / "model")(x), expected)
    before = scale.mean.value
    model.fit(data, data[:, :2], verbose=0)
    assert jnp.array_equal(scale.mean.value, before)
    fast = lamina.jit(scale)
    assert jnp.array_equal(fast(x), scale(x))
    scale.adapt(data + 1)
    assert not jnp.array_equal(before, scale.mean.value)
    np.testing.assert_allclose(fast(x + 1), (x - before) / jnp.sqrt(scale.variance), rtol=1e-4)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("size", [(3, 3), (4, 2), (6, 8)])
def test_center_crop_equals_keras(normal, data_format, size):
    inputs = [normal(*shape) for shape in [(2, 7, 5, 3), (7, 5, 3), (2, 3, 9, 3), (1, 4, 4, 3)]]
    if data_format == "channels_first":
        inputs = [np.moveaxis(x, -1, -3) for x in inputs]
    ours, theirs = (  # each input is the first that a layer is built with
        lambda x, kind=kind: kind(*size, data_format=data_format)(x)
        for kind in (layers.CenterCrop, keras.layers.CenterCrop)
    )
    same(ours, theirs, *inputs)


METHODS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


@pytest.mark.parametrize("interpolation", METHODS)
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(3, 2), (9, 8)])
def test_resizing_equals_keras(normal, interpolation, antialias, size):
    options = {"interpolation": interpolation, "antialias": antialias}
    pair = layers.Resizing(*size, **options), keras.layers.Resizing(*size, **options)
    # An image without a batch is resized as one with it, for each method at one size.
    images = [normal(7, 5, 3)] if size == (3, 2) else []
    same(*pair, normal(2, 7, 5, 3), *images)


@pytest.mark.parametrize(
    "options",
    [
        {"crop_to_aspect_ratio": True},
        {"pad_to_aspect_ratio": True},
        {"pad_to_aspect_ratio": True, "fill_value": 0.5},
    ],
)
@pytest.mark.parametrize("shape", [(2, 8, 4, 3), (2, 4, 8, 3), (1, 5, 5, 1)])
@pytest.mark.parametrize("size", [(4, 4), (6, 3)])
def test_resizing_to_proportions_equals_keras(normal, options, shape, size):
    pair = layers.Resizing(*size, **options), keras.layers.Resizing(*size, **options)
    same(*pair, normal(*shape))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_whole_numbers_stay_whole(dtype):
    x = jnp.asarray(np.random.default_rng(0).integers(0, 256, (1, 6, 6, 1)), dtype)
    for interpolation in ("bilinear", "bicubic", "nearest"):
        options = {"interpolation": interpolation}
        same(layers.Resizing(9, 4, **options), keras.layers.Resizing(9, 4, **options), x, atol=1)


@pytest.mark.parametrize("make", [lambda: layers.CenterCrop(4, 4), lambda: layers.Resizing(4, 4)])
def test_sizes_need_not_be_known(make):
    plan = make().plan((None, None, None, 3))
    assert plan.calls[0].outputs.shape == (None, 4, 4, 3)


def test_gradients_pass(normal):
    model = Sequential([layers.Rescaling(2.0), layers.Resizing(3, 3), layers.CenterCrop(2, 2)])
    slopes = jax.grad(lambda x: model(x).sum())(normal(1, 5, 5, 1))
    np.testing.assert_allclose(slopes.sum(), 8.0, rtol=1e-5)


def built(layer, *shape):
    layer.build(shape)
    return layer


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.Normalization(mean=1.0),
        lambda: layers.Normalization(mean=1.0, variance=[1.0, 2.0]),
        lambda: layers.Normalization(mean=np.ones((2, 3)), variance=np.ones((2, 3))),
        lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(jnp.ones((2, 3))),
        lambda: layers.Normalization(3)(jnp.ones((2, 3))),
        lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 3))),
        lambda: layers.Normalization().adapt([]),
        lambda: layers.Normalization().adapt(np.ones((0, 3))),
        lambda: layers.Normalization().adapt([np.ones((2, 3)), np.ones((2, 4))]),
        lambda: built(layers.Normalization(), None, 4).adapt(np.ones((2, 3))),
        lambda: layers.CenterCrop(0, 2),
        lambda: layers.CenterCrop(2, 2)(jnp.ones((3, 3))),
        lambda: layers.CenterCrop(2, 2, data_format="last"),
        lambda: layers.Resizing(2, 2.5),
        lambda: layers.Resizing(2, 2, "cubic-ish"),
        lambda: layers.Resizing(2, 2, fill_mode="reflect"),
        lambda: layers.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
        lambda: layers.Resizing(2, 2, data_format="channels_first")(jnp.ones((3, 3))),
    ],
)
def test_what_makes_no_sense_is_told(wrong):
    with pytest.raises(InputError):
        wrong()


def test_data_that_do_not_fit_change_nothing():
    layer = layers.Normalization()
    with pytest.raises(InputError):
        layer.adapt([np.ones((2, 3)), np.ones((2, 4))])
    assert not layer.built
    layer.adapt(np.ones((2, 3)))
    before = layer.values()
    with pytest.raises(InputError):
        layer.adapt(np.ones((2, 4)))
    assert all(jnp.array_equal(v, before[p]) for p, v in layer.values().items())
