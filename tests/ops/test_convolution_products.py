"""The three products of a convolution against XLA's own, in derivatives, batches and layouts."""

import dataclasses
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from lamina.ops.convolution import bilinear, cpu, extent, library
from lamina.ops.convolution.geometry import Geometry

few = settings(deadline=None, max_examples=12)
NAMES = ["convolve", "input_gradient", "kernel_gradient"]


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> jax.Array:
    return jax.device_put(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def operands(name: str, geometry: Geometry, channels: int, filters: int, dtype: str = "float32"):
    """The two operands of a product: of x, the kernel and y those that it has."""
    x = normal(*geometry.shaped(2, geometry.sizes, channels), dtype=dtype)
    kernel = normal(*geometry.taps, channels // geometry.groups, filters, seed=1, dtype=dtype)
    y = normal(*geometry.shaped(2, geometry.outputs, filters), seed=2, dtype=dtype)
    return {"convolve": (x, kernel), "input_gradient": (y, kernel), "kernel_gradient": (x, y)}[name]


def agree(got: jax.Array, expected: jax.Array, tolerance: float = 1e-5) -> None:
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    scale = np.abs(np.asarray(expected, "float32")).max(initial=1e-30)
    np.testing.assert_allclose(
        np.asarray(got, "float32") / scale, np.asarray(expected, "float32") / scale, atol=tolerance
    )


@st.composite
def geometries(draw):
    rank = draw(st.integers(1, 3))
    per_axis = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    taps, strides, dilation = draw(per_axis), draw(per_axis), draw(per_axis)
    pads = [(draw(st.integers(-1, 3)), draw(st.integers(-1, 3))) for _ in range(rank)]
    sizes = [
        max(extent(k, d) - sum(p), 1) + draw(st.integers(0, (20, 6, 3)[rank - 1]))
        for k, d, p in zip(taps, dilation, pads, strict=True)
    ]
    groups, per_group, multiple = (draw(st.integers(1, n)) for n in (4, 3, 3))
    geometry = Geometry(
        tuple(sizes), tuple(taps), tuple(strides), tuple(pads), tuple(dilation), groups,
        draw(st.booleans()),
    )  # fmt: skip
    return geometry, groups * per_group, groups * multiple


@few
@given(geometries(), st.sampled_from(NAMES))
def test_the_products_on_the_cpu_are_those_of_the_library(case, name) -> None:
    geometry, channels, filters = case
    given_ = operands(name, geometry, channels, filters)
    agree(
        *jax.jit(lambda *a: [getattr(way, name)(*a, geometry) for way in (cpu, library)])(*given_)
    )


KINDS = {
    "depthwise": (Geometry((9, 7), (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2), 6), 6, 6),
    "depthwise with several filters": (Geometry((11,), (3,), (1,), ((2, 0),), (2,), 4), 4, 12),
    "depthwise over volumes": (
        Geometry((4, 5, 3), (2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (1, 0)), (1, 1, 1), 5), 5, 5,
    ),
    "grouped": (Geometry((6, 5), (3, 3), (1, 2), ((1, 1), (1, 1)), (1, 1), 4), 160, 12),
    "pointwise": (Geometry((6, 5), (1, 1), (2, 1), ((0, 0), (0, 0)), (1, 1)), 8, 3),
    "volume": (Geometry((5, 4, 6), (3, 2, 3), (2, 1, 2), ((1, 1), (0, 0), (1, 0)), (1,) * 3), 3, 4),
    "grouped volume": (Geometry((4, 4, 4), (2, 2, 2), (1,) * 3, ((0, 1),) * 3, (1,) * 3, 2), 4, 6),
    "dense": (Geometry((6, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), 4, 5),
    "dense, not reaching the end": (
        Geometry((12, 16), (3, 2), (2, 3), ((0, 0), (0, 0)), (1, 2)), 16, 5,
    ),
    "dense line, cropped": (Geometry((50,), (3,), (2,), ((-1, -2),), (2,)), 16, 5),
    "few points": (Geometry((3, 2), (3, 2), (2, 1), ((1, 2), (1, 1)), (1, 2)), 5, 4),
    "few points, cropped": (Geometry((6,), (2,), (2,), ((-1, -1),), (2,)), 5, 4),
    "few channels": (Geometry((6, 7), (3, 3), (1, 1), ((1, 1), (0, 2)), (1, 1)), 3, 5),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "arrangement"),
    [
        ("depthwise", "depthwise"),
        ("grouped", "grouped"),
        ("pointwise", "patches"),
        ("volume", "volume"),
        ("dense", "dense"),
        ("dense, not reaching the end", "dense"),
        ("dense line, cropped", "dense"),
        ("few points", "patches"),
        ("few points, cropped", "patches"),
        ("few channels", "patches"),
    ],
)
def test_the_examples_of_each_kind_use_its_arrangement(kind, arrangement) -> None:
    geometry, channels, _ = KINDS[kind]
    assert cpu.kind_of(geometry, 2, channels // geometry.groups, jnp.dtype("float32")) == (
        arrangement
    )


@pytest.mark.parametrize("batch", [1, 32, 4096])
def test_patches_larger_than_a_cache_are_made_only_where_the_library_is_slow(batch) -> None:
    def kind(points: int, channels: int) -> str:
        geometry = Geometry((points,) * 2, (3, 3), (1, 1), ((1, 1),) * 2, (1, 1))
        return cpu.kind_of(geometry, batch, channels, jnp.dtype("float32"))

    assert kind(2, 256) == "patches"
    assert kind(4, 256) == ("dense" if batch > 32 else "patches")
    assert kind(32, 3) == ("dense" if batch > 32 else "patches")
    assert kind(32, 64) == "dense"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_any_order_and_mode(kind, name) -> None:
    geometry, channels, filters = KINDS[kind]
    product = getattr(bilinear, name)
    check_grads(
        lambda a, b: product(a, b, geometry),
        [np.asarray(a) for a in operands(name, geometry, channels, filters)],
        order=2,
        modes=["fwd", "rev"],
        rtol=2e-2,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [False, True])
def test_convolutions_have_the_layout_of_fast_loops(kind, name, first) -> None:
    # XLA changes layouts and negative padding outside of loops only: not in the steps of an epoch
    geometry, channels, filters = KINDS[kind]
    geometry = dataclasses.replace(geometry, channels_first=first)
    a, b = operands(name, geometry, channels, filters)

    text = jax.jit(lambda a, b: getattr(cpu, name)(a, b, geometry)).lower(a, b).as_text()
    lines = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    assert all(re.search(r"= \[b, [\d, ]*f\]x\[[\d, ]*i, o\]->\[b, [\d, ]*f\]", x) for x in lines)
    assert not any(re.search(r"pad = \[[^=]*-\d", line) for line in lines)
    assert bool(lines) == ("dense" in kind or kind == "grouped")


AXES = [(0, None), (None, 0), (0, 0), (2, 1)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["depthwise", "grouped", "volume", "dense"])
@pytest.mark.parametrize("first", [False, True])
def test_batches_of_either_operand(kind, name, first) -> None:
    geometry, channels, filters = KINDS[kind]
    if first:
        geometry = Geometry(
            geometry.sizes, geometry.taps, geometry.strides, geometry.pads, geometry.dilation,
            geometry.groups, channels_first=True,
        )  # fmt: skip
    copies = 3
    given_ = [np.asarray(a) for a in operands(name, geometry, channels, filters)]
    batched = [
        [
            a if axis is None else np.stack([(i + 1) * a for i in range(copies)], axis)
            for a, axis in zip(given_, axes, strict=True)
        ]
        for axes in AXES
    ]

    def product(a, b):
        return getattr(bilinear, name)(a, b, geometry)

    @jax.jit
    def of_batches(batched):
        return [jax.vmap(product, axes)(*pair) for axes, pair in zip(AXES, batched, strict=True)]

    alone = jax.jit(product)
    made = map(np.asarray, of_batches(batched))
    for axes, pair, got in zip(AXES, batched, made, strict=True):
        for i in range(copies):
            one = (a if x is None else a.take(i, x) for a, x in zip(pair, axes, strict=True))
            agree(got[i], alone(*one))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_sums_in_low_precision_are_rounded_once(kind, name) -> None:
    geometry, channels, filters = KINDS[kind]
    low = [operands(name, geometry, channels, filters, type_) for type_ in ("bfloat16", "float16")]
    wide = [[np.asarray(a, "float32") for a in pair] for pair in low]
    products = jax.jit(
        lambda pairs: [getattr(cpu, name)(*pair, geometry) for pair in pairs],
    )([*low, *wide])
    for got, exact, (a, _) in zip(products[:2], products[2:], low, strict=True):
        assert (got.dtype, exact.dtype) == (a.dtype, "float32")
        agree(got, np.asarray(exact).astype(got.dtype), 2 * float(jnp.finfo(got.dtype).eps))


def test_products_within_shard_map() -> None:
    geometry, channels, filters = KINDS["depthwise"]
    given_ = operands("convolve", geometry, channels, filters)
    mesh = Mesh(np.array(jax.devices()[:1]), ("batch",))
    rows, whole = PartitionSpec("batch"), PartitionSpec()
    sharded = jax.shard_map(
        lambda x, kernel: bilinear.convolve(x, kernel, geometry),
        mesh=mesh, in_specs=(rows, whole), out_specs=rows,
    )  # fmt: skip
    agree(jax.jit(sharded)(*given_), bilinear.convolve(*given_, geometry))


def test_other_devices_get_the_library_s_convolution() -> None:
    geometry, channels, filters = KINDS["depthwise"]
    given_ = operands("convolve", geometry, channels, filters)
    exported = jax.export.export(
        jax.jit(lambda x, kernel: bilinear.convolve(x, kernel, geometry)), platforms=["cuda"]
    )(*given_)
    assert "stablehlo.convolution" in str(exported.mlir_module())
    on_cpu = jax.jit(lambda x, kernel: bilinear.convolve(x, kernel, geometry)).lower(*given_)
    assert "stablehlo.convolution" not in on_cpu.as_text()


def test_one_program_serves_equal_geometries() -> None:
    made = [Geometry((5,), (3,), (1,), ((1, 1),), (1,)) for _ in range(2)]
    assert len({hash(each) for each in made}) == 1
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "shapes", [((0, 5, 4), (3, 4, 2)), ((2, 2, 4), (3, 4, 2)), ((2, 5, 4), (3, 4, 0))]
)
def test_empty_arrays(shapes) -> None:
    (batch, size, channels), (taps, _, filters) = shapes
    geometry = Geometry((size,), (taps,), (1,), ((0, 0),), (1,))
    x, kernel = normal(batch, size, channels), normal(taps, channels, filters)
    y = bilinear.convolve(x, kernel, geometry)
    assert y.shape == (batch, max(size - taps + 1, 0), filters)
    gradients = jax.grad(lambda *a: bilinear.convolve(*a, geometry).sum(), (0, 1))(x, kernel)
    for gradient, operand in itertools.zip_longest(gradients, (x, kernel)):
        assert gradient.shape == operand.shape
