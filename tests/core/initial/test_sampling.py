"""Drawing: bits that never change, ranges that are slices, and the right distributions."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import initializers
from lamina.core.initial import samplers
from lamina.core.initial.random_words import digest
from lamina.core.initial.sampling import check, draw, draw_callable
from lamina.errors import BuildError

UNIFORM, NORMAL = initializers.RandomUniform(0.0, 1.0), initializers.RandomNormal(stddev=1.0)
TRUNCATED, ORTHOGONAL = initializers.TruncatedNormal(stddev=1.0), initializers.Orthogonal()
SEED = (7, 0)


def drawn(initializer, shape, dtype="float32", path="layer.kernel", seed=SEED, **span):
    return draw(initializer, shape, dtype, seed=seed, path=path, **span)


GOLDEN = {
    ("glorot_uniform", "float32"): [
        [0.6543936133384705, 0.4120866656303406],
        [0.30680710077285767, 0.8141432404518127],
    ],
    ("glorot_uniform", "float64"): [
        [0.41208678821459155, 0.2351219857097353],
        [0.1455591452430236, 0.2475555444168558],
    ],
    ("he_normal", "bfloat16"): [[-0.275390625, -0.625], [-0.80859375, -0.06640625]],
    ("random_normal", "float32"): [
        [-0.015561302192509174, -0.035650722682476044],
        [-0.04631689563393593, -0.0037577287293970585],
    ],
    ("random_normal", "float64"): [
        [-0.035650720830301914, -0.05498125702497843],
        [-0.06892042129599403, -0.053363213195923645],
    ],
    ("truncated_normal", "float32"): [
        [-0.014831583015620708, -0.033749163150787354],
        [-0.043559424579143524, -0.0035864505916833878],
    ],
}


@pytest.mark.parametrize(("initializer", "dtype"), list(GOLDEN))
def test_bits_are_those_of_the_first_release(initializer, dtype):
    values = drawn(initializers.get(initializer), (3, 5), dtype)
    assert values[:2, :2].tolist() == GOLDEN[initializer, dtype]


@settings(max_examples=60, deadline=None)
@given(
    initializer=st.sampled_from(
        [
            UNIFORM,
            NORMAL,
            TRUNCATED,
            ORTHOGONAL,
            initializers.Identity(2.0),
            initializers.Constant(3),
        ]
    ),
    dtype=st.sampled_from(["float32", "float64", "bfloat16", "float16"]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ends=st.tuples(st.integers(0, 1700), st.integers(0, 1700)),
)
def test_a_range_is_the_slice_of_the_whole(initializer, dtype, shape, ends):
    start, stop = ends
    whole = drawn(initializer, shape, dtype).reshape(-1)
    part = drawn(initializer, shape, dtype, start=start, stop=stop)
    assert part.dtype == jnp.dtype(dtype)
    assert part.tobytes() == whole[start:stop].tobytes()


@pytest.mark.parametrize("initializer", [UNIFORM, NORMAL], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_range_across_blocks_is_the_slice_too(initializer, dtype):
    whole = drawn(initializer, (300, 333), dtype).reshape(-1)
    for start, stop in ((0, 1), (5, 70001), (32767, 32769), (65529, 99900)):
        part = drawn(initializer, (300, 333), dtype, start=start, stop=stop)
        assert part.tobytes() == whole[start:stop].tobytes()


def test_values_depend_on_seed_and_path_alone():
    first = drawn(NORMAL, (50,))
    assert np.array_equal(first, drawn(NORMAL, (50,)))
    for other in ({"path": "layer.bias"}, {"seed": (7, 1)}, {"seed": (8, 0)}, {"seed": (-7, 0)}):
        assert not np.intersect1d(first, drawn(NORMAL, (50,), **other)).size


def test_a_seed_of_its_own_overrules_seed_and_path():
    fixed = initializers.GlorotUniform(seed=3)
    first, again = drawn(fixed, (4, 4)), drawn(fixed, (4, 4), path="other", seed=(1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, drawn(initializers.GlorotUniform(seed=4), (4, 4)))
    assert digest((3, 0), None) != digest((3, 0), "")


def test_threads_do_not_disturb_each_other():
    barrier = threading.Barrier(8)

    def work(index):
        barrier.wait()
        return [drawn(NORMAL, (100, 60), path=f"{index % 4}.{k}") for k in range(5)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for index, arrays in enumerate(results):
        for k, array in enumerate(arrays):
            assert np.array_equal(array, drawn(NORMAL, (100, 60), path=f"{index % 4}.{k}"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_uniform(dtype):
    values = drawn(UNIFORM, (400_000,), dtype).astype(np.float64)
    assert 0.0 <= values.min() < 1e-5
    assert 1 - 1e-5 < values.max() < 1.0
    counts = np.bincount((values * 100).astype(int), minlength=100)
    chi_square = ((counts - 4000.0) ** 2 / 4000).sum()
    assert 50 < chi_square < 160  # 99 degrees of freedom: mean 99, stddev 14
    pairs = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(pairs) < 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_normal(dtype):
    values = drawn(NORMAL, (400_000,), dtype).astype(np.float64)
    moments = [(values**k).mean() for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    quantiles = np.quantile(values, [0.001, 0.025, 0.25, 0.5, 0.75, 0.975, 0.999])
    expected = [-3.0902, -1.96, -0.6745, 0, 0.6745, 1.96, 3.0902]
    np.testing.assert_allclose(quantiles, expected, atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_numbers_stay_within_two(dtype):
    values = drawn(TRUNCATED, (400_000,), dtype).astype(np.float64)
    assert 1.999 < np.abs(values).max() <= 2.0
    np.testing.assert_allclose(values.mean(), 0, atol=0.005)
    np.testing.assert_allclose(values.std(), 0.87962566, atol=0.003)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precisions_are_rounded_from_float32(dtype):
    half, full = drawn(NORMAL, (100, 7), dtype), drawn(NORMAL, (100, 7))
    assert half.dtype == jnp.dtype(dtype)
    assert np.array_equal(half, full.astype(half.dtype))


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (3, 2, 4), (6, 6)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_orthogonal_matrices(shape, dtype):
    values = drawn(initializers.Orthogonal(gain=2.0), shape, dtype)
    matrix = values.astype(np.float64).reshape(-1, shape[-1]) / 2
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.02 if dtype == "bfloat16" else 1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (5, 40), (300, 100), (0, 4), (4, 0)])
def test_orthogonal_matrices_are_those_of_reflections(shape):
    """Long matrices are made orthogonal in another way than others, to the same numbers."""
    values = drawn(ORTHOGONAL, shape, "float64")
    tall = (max(shape), min(shape))
    normal = drawn(initializers.RandomNormal(stddev=1.0), tall, "float64")
    q, r = np.linalg.qr(normal)
    q = q * np.where(np.diagonal(r) < 0, -1, 1)
    np.testing.assert_allclose(values, q if shape == tall else q.T, atol=1e-13)


def test_constants_and_identity():
    assert drawn(initializers.Zeros(), (2, 3), "int32").dtype == np.int32
    assert drawn(initializers.Ones(), (), "bool").item() is True
    np.testing.assert_array_equal(drawn(initializers.Identity(3.0), (2, 3)), 3 * np.eye(2, 3))
    table = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(drawn(initializers.Constant(table), (2, 3)), table)
    np.testing.assert_array_equal(drawn(initializers.Constant(table[0]), (2, 3)), table[[0, 0]])


def test_empty_and_scalar_weights():
    assert drawn(NORMAL, (0, 4)).shape == (0, 4)
    assert drawn(NORMAL, ()).shape == ()
    assert drawn(NORMAL, (9,), start=7, stop=3).shape == (0,)
    assert drawn(NORMAL, (9,), start=3, stop=3).shape == (0,)


@pytest.mark.parametrize(
    ("initializer", "shape", "dtype", "part"),
    [
        (NORMAL, (2,), "int32", "a floating dtype"),
        (NORMAL, (2,), "complex64", "a floating dtype"),
        (ORTHOGONAL, (2,), "float32", "at least two axes"),
        (initializers.Identity(), (2, 2, 2), "float32", "two axes"),
        (initializers.Constant(0.5), (2,), "int32", "a value that int32 can represent"),
        (initializers.Constant(1j), (2,), "float32", "a value that float32 can represent"),
        (initializers.Constant(np.ones(3)), (2,), "float32", "broadcasts to"),
        (initializers.Constant(np.ones((2, 1))), (2,), "float32", "broadcasts to"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_path(initializer, shape, dtype, part):
    for act in (draw, check):
        with pytest.raises(BuildError, match=part) as caught:
            act(initializer, shape, dtype, path="net.w", **({"seed": SEED} if act is draw else {}))
        assert "net.w" in str(caught.value)


def test_a_draw_holds_its_output_and_little_more():
    drawn(NORMAL, (10,))
    tracemalloc.start()
    values = drawn(NORMAL, (1 << 21,))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < values.nbytes + 2_000_000


@pytest.mark.parametrize("law", [NORMAL, UNIFORM])
def test_any_number_of_threads_draws_the_same(law, monkeypatch):
    shape = (3 * (1 << 20) + 5,)
    found = []
    for count in (1, 2, 3, 64):
        monkeypatch.setattr(samplers, "_THREADS", count)
        found.append(drawn(law, shape))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


GLOROT = jax.nn.initializers.glorot_normal()


def called(function, shape=(3, 4), dtype="float32", path="net.w"):
    return draw_callable(function, shape, dtype, seed=SEED, path=path)


def test_callables_draw_the_same_inside_every_trace():
    seen = [called(GLOROT)]

    def body(x):
        seen.append(called(GLOROT))
        return x

    jax.jit(body)(1.0)
    jax.vmap(body)(jnp.ones(3))
    jax.grad(body)(1.0)
    jax.eval_shape(body, 1.0)
    jax.checkpoint(body)(1.0)
    jax.lax.scan(lambda c, _: (body(c), None), 1.0, None, length=2)
    custom = jax.custom_jvp(body)
    custom.defjvp(lambda primals, tangents: (body(primals[0]), tangents[0]))
    jax.jit(jax.grad(custom))(1.0)
    assert len(seen) > 6
    assert all(np.array_equal(seen[0], other) for other in seen)
    assert not np.array_equal(seen[0], called(GLOROT, path="net.v"))


def test_callables_see_the_callers_settings():
    with jax.enable_x64(True):
        assert called(GLOROT, dtype="float64").dtype == np.float64
    device = jax.devices()[-1]
    with jax.default_device(device):
        assert called(lambda k, s, d: np.ones(s)).devices() == {device}
    assert called(lambda k, s, d: jnp.ones(s, int)).dtype == np.float32


@pytest.mark.parametrize(
    ("function", "part"),
    [
        (lambda key, shape, dtype: jnp.zeros(3), r"shape \(3,\)"),
        (lambda key, shape: jnp.zeros(shape), "TypeError"),
        (lambda key, shape, dtype: jnp.ones(shape, "complex64"), "dtype complex64"),
        (lambda key, shape, dtype: "no", "TypeError"),
    ],
)
def test_callables_that_fail_are_named_with_the_path(function, part):
    with pytest.raises(BuildError, match=part) as caught:
        called(function)
    assert "net.w" in str(caught.value)
