"""Layer, batch and group normalization: Keras's numbers, moving statistics, errors."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.initializers import Constant
from lamina.layers import BatchNormalization, GroupNormalization, LayerNormalization

PARTS = [(True, True), (True, False), (False, True)]
few = settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(("center", "scale"), PARTS)
def test_layer_normalization_equals_keras(compare, normal, center, scale) -> None:
    options = {"center": center, "scale": scale, "epsilon": 1e-2}
    ours, theirs = LayerNormalization(**options), keras.layers.LayerNormalization(**options)
    compare(ours, theirs, normal(4, 5))


@pytest.mark.parametrize("axis", [1, -1, [1, 2], [-2, -1], (1, 3)])
def test_layer_normalization_over_other_axes(compare, normal, axis) -> None:
    ours, theirs = LayerNormalization(axis), keras.layers.LayerNormalization(axis)
    compare(ours, theirs, normal(2, 3, 4, 5))


@few
@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_layer_normalization_at_any_rank(compare, normal, shape) -> None:
    compare(LayerNormalization(), keras.layers.LayerNormalization(), normal(*shape))


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("axis", [-1, (1, 2)])
def test_layer_normalization_without_a_mean(compare, normal, axis) -> None:
    ours = LayerNormalization(axis, rms_scaling=True)
    theirs = keras.layers.LayerNormalization(axis, rms_scaling=True)
    compare(ours, theirs, normal(2, 3, 4))
    assert set(ours.values()) == {"gamma"}


@pytest.mark.parametrize(("center", "scale"), PARTS)
@pytest.mark.parametrize("groups", [1, 3, 6, -1])
def test_group_normalization_equals_keras(compare, normal, groups, center, scale) -> None:
    options = {"groups": groups, "center": center, "scale": scale, "epsilon": 1e-2}
    ours, theirs = GroupNormalization(**options), keras.layers.GroupNormalization(**options)
    compare(ours, theirs, normal(4, 5, 6))


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_group_normalization_on_another_axis(compare, normal, axis) -> None:
    ours, theirs = GroupNormalization(2, axis), keras.layers.GroupNormalization(2, axis)
    compare(ours, theirs, normal(2, 4, 4, 6))


@few
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 3), st.integers(1, 3))
def test_group_normalization_at_any_rank(compare, normal, shape, groups, size) -> None:
    ours, theirs = GroupNormalization(groups), keras.layers.GroupNormalization(groups)
    compare(ours, theirs, normal(*shape, groups * size))


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(InputError, match="channels") as caught:
        GroupNormalization(4).build((None, 6))
    assert "groups=4" in str(caught.value)


@pytest.mark.parametrize("groups", [0, -2, 1.5, True])
def test_groups_that_are_none(groups) -> None:
    with pytest.raises(InputError, match="groups"):
        GroupNormalization(groups)


@pytest.mark.parametrize(("axis", "shape"), [(0, (4, 6)), (-2, (4, 6)), (2, (4, 6)), (-1, (6,))])
def test_group_normalization_needs_an_axis_of_channels(axis, shape) -> None:
    with pytest.raises(InputError, match=r"axis|axes"):
        GroupNormalization(2, axis).build(shape)


def test_without_center_and_scale_there_are_no_weights(normal) -> None:
    layer = LayerNormalization(center=False, scale=False)
    x = normal(2, 5)
    expected = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert layer.values() == {}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("center", "scale"), PARTS)
def test_batch_normalization_equals_keras(compare, normal, training, center, scale) -> None:
    options = {"center": center, "scale": scale, "momentum": 0.7}
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    compare(ours, theirs, normal(6, 3), training=training)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_batch_normalization_on_another_axis(compare, normal, axis) -> None:
    ours, theirs = BatchNormalization(axis), keras.layers.BatchNormalization(axis)
    compare(ours, theirs, normal(4, 3, 5, 2), training=True)


def test_batch_normalization_with_a_mask(compare, normal) -> None:
    mask = jnp.asarray(np.random.default_rng(1).random((4, 5)) < 0.6)
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    compare(ours, theirs, normal(4, 5, 3), training=True, mask=mask)


@few
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans())
def test_batch_normalization_at_any_rank(compare, normal, shape, training) -> None:
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    compare(ours, theirs, normal(*shape), training=training)


CLIPPED = {"rmin": 0.5, "rmax": 2.0, "dmax": 0.3}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("clipping", [None, {"rmax": 1.5}, CLIPPED])
@pytest.mark.parametrize(("center", "scale"), PARTS)
def test_batch_renormalization_equals_keras(
    compare, normal, training, clipping, center, scale
) -> None:
    options = {"center": center, "scale": scale, "momentum": 0.7, "renorm": True}
    options |= {"renorm_clipping": clipping, "renorm_momentum": 0.6, "epsilon": 0.1}
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    compare(ours, theirs, normal(6, 3), training=training)


def test_statistics_of_renormalization_are_those_of_keras(normal) -> None:
    options = {"momentum": 0.7, "renorm": True, "moving_variance_initializer": Constant(4.0)}
    ours = BatchNormalization(**options)
    options["moving_variance_initializer"] = keras.initializers.Constant(4.0)
    theirs = keras.layers.BatchNormalization(**options)
    for seed in range(3):
        x = normal(5, 2) * (seed + 1) + seed
        np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    expected = {variable.name: np.asarray(variable) for variable in theirs.variables}
    assert set(ours.values()) == set(expected)
    for name, value in ours.values().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("center", "scale"), [*PARTS, (False, False)])
def test_renormalization_keeps_the_dtype_of_the_layer(normal, center, scale) -> None:
    options = {"center": center, "scale": scale, "dtype": "mixed_bfloat16"}
    outputs = [
        BatchNormalization(renorm=renorm, **options)(normal(4, 3), training=True)
        for renorm in (False, True)
    ]
    assert [y.dtype for y in outputs] == [jnp.bfloat16, jnp.bfloat16]


def test_renormalization_begins_with_a_constant_variance() -> None:
    drawn = BatchNormalization(moving_variance_initializer="random_uniform", renorm=True)
    with pytest.raises(InputError, match="constant variance, for renorm"):
        drawn.build((2, 3))
    given = BatchNormalization(
        moving_variance_initializer=lambda _, shape, dtype: jnp.full(shape, 9.0, dtype), renorm=True
    )
    given.build((2, 3))
    assert given.renorm_stddev.value.tolist() == [3.0, 3.0, 3.0]


def test_moving_statistics_follow_the_batches(normal) -> None:
    layer = BatchNormalization(momentum=0.9)
    x = normal(64, 3) * 2 + 5
    layer(x)
    np.testing.assert_array_equal(layer.values()["moving_mean"], 0)
    layer(x, training=True)
    np.testing.assert_allclose(layer.values()["moving_mean"], 0.1 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.values()["moving_variance"], 0.9 + 0.1 * x.var(0), rtol=1e-5)
    for _ in range(100):
        layer(x, training=True)
    np.testing.assert_allclose(layer(x), layer(x, training=True), atol=1e-2)


def test_apply_gives_the_new_statistics_and_keeps_the_old(normal) -> None:
    layer = BatchNormalization()
    layer.build((None, 3))
    before = layer.values()
    _, new = jax.jit(lambda values, x: layer.apply(values, x, training=True))(before, normal(8, 3))
    assert (new["moving_mean"] != before["moving_mean"]).all()
    np.testing.assert_array_equal(layer.values()["moving_mean"], before["moving_mean"])


def test_statistics_are_not_trained() -> None:
    layer = BatchNormalization()
    layer.build((None, 3))
    assert set(layer.values(trainable=True)) == {"gamma", "beta"}
    assert set(layer.values(trainable=False)) == {"moving_mean", "moving_variance"}


def test_a_frozen_layer_stays_in_inference_mode(normal) -> None:
    layer = BatchNormalization()
    x = normal(8, 3)
    still = layer(x)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), still)
    np.testing.assert_array_equal(layer.values()["moving_mean"], 0)


@pytest.mark.parametrize(
    "kind", [LayerNormalization, BatchNormalization, functools.partial(GroupNormalization, 3)]
)
def test_half_precision(kind, normal) -> None:
    layer = kind(dtype="bfloat16")
    y = layer((normal(8, 3) * 300).astype("bfloat16"), training=True)
    assert y.dtype == "bfloat16"
    assert np.isfinite(np.asarray(y, "float32")).all()
    assert {value.dtype.name for value in layer.values().values()} == {"bfloat16"}


@pytest.mark.parametrize("kind", [LayerNormalization, BatchNormalization])
@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there(kind, axis) -> None:
    with pytest.raises(InputError, match="axis"):
        kind(axis=axis).build((4, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 1.5},
        {"momentum": "high"},
        {"epsilon": -1.0},
        {"axis": "last"},
        {"renorm_momentum": 2},
        {"renorm_clipping": {"rmost": 1.0}},
        {"dmax": -1.0},
        {"rmax": 0.0, "rmin": 1.0},
    ],
)
def test_options_out_of_range(options) -> None:
    bounds = {"dmax", "rmax"} & set(options)
    given = {"renorm": True, "renorm_clipping": options} if bounds else options
    with pytest.raises(InputError, match=next(iter(options))):
        BatchNormalization(**given)


def test_an_axis_named_twice() -> None:
    with pytest.raises(InputError, match="different axes"):
        LayerNormalization([1, -1]).build((4, 3))


def test_a_mask_that_does_not_fit(normal) -> None:
    with pytest.raises(InputError, match="mask"):
        BatchNormalization()(normal(4, 5, 3), mask=jnp.ones((4, 5, 3), bool))
