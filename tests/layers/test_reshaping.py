"""Layers that move, cut, pad and repeat elements: Keras's numbers, unknown sizes, errors."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError

few = settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RANKS = (1, 2, 3)
FORMATS = ["channels_last", "channels_first"]


def both(name, *args, **options):
    return getattr(layers, name)(*args, **options), getattr(keras.layers, name)(*args, **options)


def shaped(sizes, data_format):
    return (2, *sizes, 3) if data_format == "channels_last" else (2, 3, *sizes)


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((2, 12), (3, 4)),
        ((2, 3, 4), (12,)),
        ((2, 3, 4), (-1, 2, 2)),
        ((2, 6), (6, -1)),
        ((2,), (1, 1)),
        ((2, 1), ()),
        ((0, 4), (2, -1)),
    ],
)
def test_reshape_equals_keras(compare, normal, shape, target) -> None:
    compare(*both("Reshape", target), normal(*shape))


@few
@given(st.permutations([1, 2, 3]))
def test_permute_equals_keras(compare, normal, dims) -> None:
    compare(*both("Permute", dims), normal(2, 3, 4, 5))


def test_repeat_vector_equals_keras(compare, normal) -> None:
    compare(*both("RepeatVector", 3), normal(2, 4))


@few
@given(st.sampled_from(RANKS), st.sampled_from(FORMATS), st.data())
def test_cropping_equals_keras(compare, normal, rank, data_format, data) -> None:
    pairs = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    sizes = [front + behind + 2 for front, behind in pairs]
    if rank == 1:
        compare(*both("Cropping1D", pairs[0]), normal(2, *sizes, 3))
    else:
        x = normal(*shaped(sizes, data_format))
        compare(*both(f"Cropping{rank}D", pairs, data_format=data_format), x)


@few
@given(st.sampled_from(RANKS), st.sampled_from(FORMATS), st.data())
def test_zero_padding_equals_keras(compare, normal, rank, data_format, data) -> None:
    pairs = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    padding = pairs[0] if rank == 1 else pairs
    pair = both(f"ZeroPadding{rank}D", padding, data_format=data_format)
    compare(*pair, normal(*shaped([2] * rank, data_format)))


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("kind", ["Cropping", "ZeroPadding", "UpSampling"])
def test_defaults_and_short_forms_equal_keras(compare, normal, kind, rank) -> None:
    x, name = normal(2, *[5] * rank, 3), f"{kind}{rank}D"
    short = [(), (2,)] if rank == 1 or kind == "UpSampling" else [(), (2,), ((2, 1, 0)[:rank],)]
    if rank > 1 and kind == "UpSampling":
        short.append(((2, 1, 3)[:rank],))
    for args in short:
        compare(*both(name, *args), x)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "LANCZOS5"]
)
def test_up_sampling_between_points_equals_keras(
    compare, normal, data_format, interpolation
) -> None:
    pair = both("UpSampling2D", (2, 3), data_format, interpolation)
    compare(*pair, normal(*shaped([3, 4], data_format)))


def test_up_sampling_of_volumes_channels_first_equals_keras(compare, normal) -> None:
    compare(*both("UpSampling3D", (1, 2, 3), "channels_first"), normal(1, 2, 2, 3, 2))


PLANNED = {
    "Reshape": (layers.Reshape((-1, 5)), (None, None, 3), (2, 5, 3), (2, 3, 5)),
    "Reshape, unknown batch": (layers.Reshape((3, 2)), (None, 6), (2, 6), (2, 3, 2)),
    "Permute": (layers.Permute((2, 1)), (None, None, 3), (2, 5, 3), (2, 3, 5)),
    "RepeatVector": (layers.RepeatVector(4), (None, 3), (2, 3), (2, 4, 3)),
    "Cropping": (layers.Cropping2D(2), (None, None, None, 3), (2, 5, 6, 3), (2, 1, 2, 3)),
    "ZeroPadding": (layers.ZeroPadding1D(2), (None, None, 3), (2, 5, 3), (2, 9, 3)),
    "UpSampling": (layers.UpSampling1D(2), (None, None, 3), (2, 5, 3), (2, 10, 3)),
    "UpSampling between points": (
        layers.UpSampling1D(2, interpolation="bilinear"),
        (None, None, 3),
        (2, 5, 3),
        (2, 10, 3),
    ),
}


@pytest.mark.parametrize(("layer", "spec", "shape", "expected"), PLANNED.values(), ids=PLANNED)
def test_unknown_sizes_are_planned(normal, layer, spec, shape, expected) -> None:
    outputs = layer.plan(spec).calls[0].outputs
    assert outputs.shape[0] is None and len(outputs.shape) == len(expected)
    layer.build(spec)
    assert layer(normal(*shape)).shape == expected
    assert layer.compute_mask(None, np.ones((2, 5), bool)) is None


@pytest.mark.parametrize("dtype", ["bfloat16", "int32", "bool"])
def test_dtypes_stay(dtype) -> None:
    row = [layers.ZeroPadding1D(1), layers.Cropping1D(1), layers.UpSampling1D(2)]
    row += [layers.Permute((2, 1)), layers.Reshape((-1,)), layers.RepeatVector(2)]
    assert Sequential(row)(jnp.ones((2, 3, 4), dtype)).dtype == dtype


@pytest.mark.parametrize("target", [(-1, -1), (2, -3), "ab", None, (2.5,), (None, 3)])
def test_target_shapes_that_are_none(target) -> None:
    with pytest.raises(InputError, match="target_shape"):
        layers.Reshape(target)


@pytest.mark.parametrize("spec", [(2, 6), (None, 6)])
@pytest.mark.parametrize("target", [(5,), (4, -1), (7, 1)])
def test_a_target_shape_that_does_not_fit(spec, target) -> None:
    with pytest.raises(InputError, match=r"match its target_shape(.|\n)*6 elements"):
        layers.Reshape(target).build(spec)
    with pytest.raises(InputError, match="target_shape"):
        Sequential([layers.Reshape(target)]).build(spec)


def test_a_target_shape_that_no_longer_fits() -> None:
    layer = layers.Reshape((-1, 5))
    layer.build((None, None, 3))
    with pytest.raises(InputError, match="multiple of 5"):
        layer(jnp.ones((2, 4, 3)))


@pytest.mark.parametrize("target", [(15,), (3, 5), (7, -1)])
def test_a_target_shape_may_say_what_is_not_known(target) -> None:
    layer = layers.Reshape(target)
    known = tuple(None if size == -1 else size for size in target)
    assert layer.compute_output_shape((2, None, 5)) == (2, *known)
    assert layer.compute_output_shape((None, None, None)) == (None, *known)
    assert keras.layers.Reshape(target).compute_output_shape((2, None, 5)) == (2, *known)
    model = Sequential([lamina.Input((None, 5)), layer, layers.Flatten()])
    rows = 21 if -1 in target else 3
    assert model(jnp.ones((2, rows, 5))).shape == (2, rows * 5)
    with pytest.raises(InputError, match=r"match its target_shape(.|\n)*20 elements"):
        model(jnp.ones((2, 4, 5)))


def test_what_is_known_must_fill_a_target_shape_where_other_axes_are_not() -> None:
    for spec in ((None, 48), (None, 96), (None, 240)):  # sizes that a plan makes up elsewhere
        with pytest.raises(InputError, match="match its target_shape"):
            layers.Reshape((4, 4)).build(spec)


@pytest.mark.parametrize("dims", [(0, 1), (1, 3), (1, 1), "12", None, 2])
def test_orders_that_are_none(dims) -> None:
    with pytest.raises(InputError, match="dims"):
        layers.Permute(dims)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True])
def test_n_must_be_a_count(n) -> None:
    with pytest.raises(InputError, match="n="):
        layers.RepeatVector(n)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Permute((2, 1)), (None, 4)),
        (layers.RepeatVector(2), (None, 4, 4)),
        (layers.Reshape((1,)), ()),
        (layers.Cropping2D(1), (None, 4, 4)),
        (layers.ZeroPadding1D(1), (None, 4)),
        (layers.UpSampling3D(2), (None, 4, 4, 4)),
    ],
)
def test_another_rank_is_refused(layer, shape) -> None:
    with pytest.raises(InputError, match="batch"):
        layer.build(shape)


@pytest.mark.parametrize("kind", [layers.Cropping2D, layers.ZeroPadding2D])
@pytest.mark.parametrize("edges", [-1, (1,), (1, 2, 3), ((1, 2, 3), 1), ((1, -1), 1), "1", None])
def test_edges_that_are_none(kind, edges) -> None:
    with pytest.raises(InputError, match=r"cropping|padding"):
        kind(edges)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": (2,)}, {"interpolation": "area"}])
def test_up_sampling_options_that_are_none(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        layers.UpSampling2D(**options)


@pytest.mark.parametrize("batch", [2, None])
def test_more_cut_than_there_is_is_refused(normal, batch) -> None:
    layer = layers.Cropping2D(((1, 2), 0))
    with pytest.raises(InputError, match="too small"):
        layer.build((batch, 3, 4, 1))
    layer.build((None, None, None, 1))
    with pytest.raises(InputError, match="too small"):
        layer(normal(1, 3, 4, 1))
