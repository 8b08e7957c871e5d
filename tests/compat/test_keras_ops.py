"""`keras.ops` against Keras: signatures, results and dtypes, on arrays, variables and symbols."""

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.compat import keras as ours
from lamina.compat.keras.ops.table import OPERATIONS
from lamina.errors import LaminaError
from tests.close import assert_close
from tests.models.test_array_functions import CASES

_random = np.random.default_rng(0)
X = _random.uniform(-0.9, 0.9, (2, 6)).astype("float32")
Y = _random.uniform(0.1, 0.9, (2, 6)).astype("float32")
N = np.arange(12, dtype="int32").reshape(2, 6) % 5
P = _random.uniform(0.1, 0.9, (2, 4, 3)).astype("float32")
I3 = _random.uniform(0.1, 0.9, (2, 6, 6, 3)).astype("float32")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


OTHER_SIGNATURES = {
    "einsum": "it has options of a backend",
    "layer_normalization": "rms_scaling is among Keras's further arguments",
    "multi_hot": "num_tokens is among Keras's further arguments",
}


def test_elastic_transforms_have_the_numbers_of_keras(keras: Any) -> None:
    found, expected = (
        one.ops.image.elastic_transform(I3, 3.0, 1.2, fill_mode="wrap", seed=4)
        for one in (ours, keras)
    )
    assert_close(found, expected, rtol=1e-4)
    symbol = ours.ops.image.elastic_transform(ours.Input((6, 6, 3)), seed=1)
    assert symbol.shape == (None, 6, 6, 3)
    with pytest.raises(LaminaError, match="mirror"):
        ours.ops.image.elastic_transform(I3, fill_mode="zero")


@pytest.mark.parametrize("namespace", ["", "image", "linalg", "nn", "numpy"])
def test_all_functions_are_there_with_the_arguments_of_keras(keras: Any, namespace: str) -> None:
    theirs = getattr(keras.ops, namespace) if namespace else keras.ops
    own = getattr(ours.ops, namespace) if namespace else ours.ops
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert set(dir(own)) == names
    for name in names - set(OTHER_SIGNATURES):
        function = getattr(theirs, name)
        if not inspect.ismodule(function):
            assert _parameters(getattr(own, name)) == _parameters(function), name


Case = tuple[str, tuple[Any, ...], dict[str, Any]]
CALLS: list[Case] = [
    ("arange", (5,), {}),
    ("arange", (1, 2.5, 0.5), {}),
    ("arange", (3,), {"dtype": "float16"}),
    ("associative_scan", (lambda a, b: a + b, X), {"axis": 1}),
    ("average", (X, 1, Y), {}),
    ("bartlett", (5,), {}),
    ("batch_normalization", (X, X[0], Y[0], -1), {"offset": Y[1], "scale": Y[0]}),
    ("bincount", (N[0],), {"minlength": 8}),
    ("bincount", (N,), {}),
    ("bincount", (N[0],), {"weights": X[0]}),
    ("blackman", (5,), {}),
    ("cond", (True, lambda: X, lambda: Y), {}),
    ("convert_to_numpy", (X,), {}),
    ("convert_to_tensor", ([1, 2.5],), {}),
    ("convert_to_tensor", (X,), {"dtype": "int32"}),
    ("ctc_decode", (P, np.array([3, 4])), {}),
    ("ctc_decode", (P, np.array([3, 4])), {"merge_repeated": False, "mask_index": 2}),
    (
        "ctc_decode",
        (P, np.array([3, 4])),
        {"strategy": "beam_search", "beam_width": 5, "top_paths": 3},
    ),
    (
        "ctc_decode",
        (P, np.array([2, 4])),
        {"strategy": "beam_search", "beam_width": 50, "top_paths": 2, "mask_index": None},
    ),
    ("dtype", (X,), {}),
    ("einsum", ("ij,kj->ik", X, Y), {}),
    ("empty", ((2, 3),), {}),
    ("eye", (3, 4, 1), {"dtype": "int32"}),
    ("fori_loop", (0, 3, lambda i, v: v * 2 + i, X), {}),
    ("full", ((2, 3), 7), {}),
    ("geomspace", (1.0, 100.0, 5), {}),
    ("hamming", (5,), {}),
    ("hanning", (5,), {}),
    ("hard_swish", (X,), {}),
    ("identity", (3,), {}),
    ("is_tensor", (X,), {}),
    ("jvp", (np.sin, (X,), (Y,)), {}),
    ("kaiser", (5, 2.0), {}),
    ("linspace", (0.0, 1.0, 4), {"endpoint": False}),
    ("linspace", (X[0], Y[0], 3), {"retstep": True, "axis": 1}),
    ("logspace", (0.0, 1.0, 4), {"base": 2}),
    ("map", (lambda row: row * 2, X), {}),
    ("multi_hot", (N,), {"num_classes": 5}),
    ("nonzero", (N,), {}),
    ("ones", ((2,),), {"dtype": "bool"}),
    ("pad", (X, [[1, 0], [0, 2]]), {}),
    ("pad", (X, 1, "constant", 3.0), {}),
    ("rearrange", (P, "b h w -> b (w h)"), {}),
    ("rearrange", (I3, "b (h one) w c -> one b c (h w)"), {"one": 2}),
    ("rearrange", (P, "a b c -> c a b"), {}),
    ("scan", (lambda c, x: (c + x, c * x), X[0], Y), {"reverse": True}),
    ("segment_sum", (X.T, N[0]), {"num_segments": 5}),
    ("shape", (X,), {}),
    ("swish", (X,), {}),
    ("switch", (1, [lambda x: x, lambda x: x * 2], X), {}),
    ("tri", (3,), {"k": 1}),
    ("unique", (N,), {"return_counts": True, "return_inverse": True}),
    ("unique", (N,), {"size": 7, "fill_value": -1}),
    ("unique", (np.array([1.0, np.nan, 2.0, np.nan], "float32"),), {}),
    ("vectorized_map", (lambda row: row.sum(), X), {}),
    ("where", (N,), {}),
    ("where", (N > 2, X, 0.0), {}),
    ("while_loop", (lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (0, X)), {}),
    ("while_loop", (lambda i: i < 30, lambda i: i + 1, 0), {"maximum_iterations": 4}),
    ("zeros", ((2, 3),), {}),
    ("image.affine_transform", (I3, np.eye(3, dtype="f").reshape(1, 9)[:, :8].repeat(2, 0)), {}),
    ("image.extract_patches_3d", (I3[None], 2), {}),
    ("image.gaussian_blur", (I3, (3, 3), (1.0, 1.0), "channels_last"), {}),
    ("image.rgb_to_grayscale", (I3.transpose(0, 3, 1, 2),), {"data_format": "channels_first"}),
]


def _found(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def _assert_alike(actual: Any, wanted: Any) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(wanted), strict=True):
        if isinstance(other, str | bool | int):
            assert one == other
            continue
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert_close(np.asarray(one), np.asarray(other), 1e-5)


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case[0])
def test_functions_outside_of_the_table_compute_as_in_keras(keras: Any, case: Case) -> None:
    name, args, options = case
    args = jax.tree.map(lambda one: jnp.asarray(one) if isinstance(one, np.ndarray) else one, args)
    if name == "jvp":
        args = (jnp.sin, *args[1:])
    theirs = _found(keras.ops, name)(*args, **options)
    _assert_alike(_found(ours.ops, name)(*args, **options), theirs)


def test_functions_outside_of_the_table_are_all_tried() -> None:
    tried = {name for name, _, _ in CALLS}
    others = set(dir(ours.ops)) - set(OPERATIONS) - {"image", "linalg", "nn", "numpy"}
    assert others - tried == {"custom_gradient", "vectorize"}


DTYPES = ["bool", "uint8", "int32", "float16", "bfloat16", "float32"]
BINARY = ["add", "divide", "maximum", "power", "floor_divide", "arctan2", "logaddexp", "mod"]
UNARY = ["exp", "sqrt", "mean", "sum", "var", "abs", "square", "floor", "cumsum", "max", "round"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_those_of_keras(keras: Any, dtype: str) -> None:
    x = jnp.asarray([[1, 2], [3, 4]], dtype)
    for name in UNARY:
        if (name, dtype) in {("abs", "bool"), ("round", "bool"), ("square", "bool")}:
            continue
        actual, wanted = getattr(ours.ops, name)(x), getattr(keras.ops, name)(x)
        assert actual.dtype == wanted.dtype, name
    for other in (2, 2.5, *(jnp.asarray(2, one) for one in DTYPES)):
        for name in BINARY:
            actual = jax.eval_shape(getattr(ours.ops, name), x, other)
            try:
                wanted = jax.eval_shape(getattr(keras.ops, name), x, other)
            except TypeError:
                continue
            assert actual.dtype == wanted.dtype, (name, getattr(other, "dtype", other))


def _symbolic(module: Any, value: Any) -> Any:
    def symbol(one: Any) -> Any:
        is_array = isinstance(one, np.ndarray) and one.ndim > 0
        return module.Input(batch_shape=one.shape, dtype=one.dtype.name) if is_array else one

    return jax.tree.map(symbol, value)


OTHER_SPECS = {"Corrcoef", "Eig", "LuFactor", "MultiHot", "Ndim", "Polar"}
"""Where Keras's symbols have other shapes or dtypes than what Keras computes."""


def test_symbols_have_the_shapes_and_dtypes_of_keras(keras: Any) -> None:
    wrong: list[str] = []
    seen: set[str] = set()
    functions = {function.__name__: function for function in OPERATIONS.values()}
    kinds = {kind: functions[name] for name, kind in _kinds().items()}
    for kind, args, options in CASES:
        if kind in OTHER_SPECS:
            continue
        function = kinds[kind]
        name = function.__name__
        theirs = getattr(keras.ops, name, None) or getattr(keras.ops.image, name)
        try:
            wanted = _bound(theirs, kind, _symbolic(keras, args), options)
        except Exception:
            continue  # Keras fails
        seen.add(kind)
        try:
            actual = _bound(function, kind, _symbolic(ours, args), options)
            leaves = zip(_leaves(actual), _leaves(wanted), strict=True)
            for one, other in leaves:
                if None not in other.shape and one.shape != tuple(other.shape):
                    wrong.append(f"{name}: {one.shape} {other.shape}")
                if one.dtype != other.dtype:
                    wrong.append(f"{name}: {one.dtype} {other.dtype}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__} {error}"[:300])
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 250


def _kinds() -> dict[str, str]:
    from lamina.compat.keras.ops import table  # noqa: PLC0415 - the names of the table

    return {name: kind for name, kind in table._BY_NAME.items() if name not in table._ALIASES}


def _bound(function: Any, kind: str, args: Any, options: dict[str, Any]) -> Any:
    if kind == "Einsum":
        return function(options["subscripts"], *args)
    if kind == "Pad" and len(args) > 1:
        return function(args[0], constant_values=args[1], **options)
    if kind == "BatchNorm":
        names = ("x", "mean", "variance", "offset", "scale")
        return function(**dict(zip(names, args, strict=True)), **options)
    if kind == "Average" and len(args) > 1:
        return function(args[0], weights=args[1], **options)
    return function(*args, **options)


def _leaves(value: Any) -> list[Any]:
    return [one for one in jax.tree.leaves(value) if hasattr(one, "shape")]


def test_a_graph_of_functions_computes_is_stored_and_trained(tmp_path: Path) -> None:
    ops = ours.ops
    x, y = ours.Input((4, 6)), ours.Input((4, 6))
    outputs = [
        ops.mean(x, axis=1),
        ops.einsum("bij,bkj->bik", x, y),
        ops.average(x, axis=2, weights=y),
        ops.where(x > y, x, 0.0),
        ops.concatenate([ops.relu(x), ops.expand_dims(y[:, 0], 1)], axis=1),
        ops.pad(x, [[0, 0], [1, 1], [0, 0]], constant_values=2.0),
        ops.get_item(x, (slice(None), 0)),
        ops.cast(x, "int32"),
        ops.cast(x, jnp.float16),
    ]
    assert all(one.shape[0] is None for one in outputs)
    model = ours.Model([x, y], outputs)
    a = _random.uniform(-1, 1, (3, 4, 6)).astype("float32")
    b = _random.uniform(0.1, 1, (3, 4, 6)).astype("float32")
    wanted = model([a, b])
    np.testing.assert_allclose(wanted[1], np.einsum("bij,bkj->bik", a, b), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(wanted[2], np.average(a, 2, b), rtol=1e-5, atol=1e-6)
    assert wanted[7].dtype == jnp.int32 and wanted[8].dtype == jnp.float16
    model.save(tmp_path / "model.lamina")
    twin = lamina.Model.from_config(json.loads(json.dumps(model.get_config())))
    for other in (twin, ours.models.load_model(tmp_path / "model.lamina")):
        for one, desired in zip(other([a, b]), wanted, strict=True):
            np.testing.assert_array_equal(one, desired)


def test_a_graph_of_functions_goes_to_keras_and_back(keras: Any, tmp_path: Path) -> None:
    x = ours.Input((4, 6))
    h = ours.ops.softmax(ours.layers.Dense(3)(x), axis=1)
    model = ours.Model(x, ours.ops.max(h, axis=2) + ours.ops.sum(h, axis=(2,)))
    a = _random.uniform(-1, 1, (3, 4, 6)).astype("float32")
    wanted = model(a)
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(a), wanted, 1e-5)
    assert_close(ours.models.load_model(tmp_path / "model.keras")(a), wanted, 1e-6)


def test_functions_of_functions_are_nodes_too() -> None:
    ops = ours.ops
    x, y = ours.Input((4, 6)), ours.Input((4, 6))
    model = ours.Model(
        [x, y],
        [
            ops.map(lambda row: row * 2, x),
            ops.vectorized_map(lambda pair: pair[0] @ pair[1].T, [x, y]),
            ops.scan(lambda c, v: (c + v, c), ops.zeros((4, 6)), x)[0],
            ops.linspace(x, y, 3),
            ops.rearrange(x, "b s (h d) -> b h s d", h=2),
        ],
    )
    a, b = (_random.uniform(-1, 1, (3, 4, 6)).astype("float32") for _ in range(2))
    twice, products, total, line, heads = model([a, b])
    np.testing.assert_allclose(twice, 2 * a)
    np.testing.assert_allclose(products, a @ b.transpose(0, 2, 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total, a.sum(0), rtol=1e-6)
    np.testing.assert_allclose(line[1], (a + b) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(heads, a.reshape(3, 4, 2, 3).transpose(0, 2, 1, 3))


def test_variables_are_operands() -> None:
    v = ours.Variable([1.0, 2.0, 3.0])
    ops = ours.ops
    assert ops.sum(v).item() == 6
    assert ops.concatenate([v, v]).shape == (6,)
    assert ops.map(lambda x: x + 1, v).tolist() == [2, 3, 4]
    assert ops.scan(lambda c, x: (c + x, c), 0.0, v)[0].item() == 6
    assert ops.stop_gradient(v).tolist() == [1, 2, 3]
    assert ops.convert_to_tensor(v, "int32").tolist() == [1, 2, 3]
    assert ops.shape(v) == (3,)


def test_custom_gradients_and_vectorized_functions() -> None:
    @ours.ops.custom_gradient
    def doubled(x: Any) -> Any:
        return x, lambda upstream: upstream * 2

    assert jax.grad(lambda x: doubled(x) * 3)(1.0).item() == 6
    add = ours.ops.vectorize(lambda a, b: a + b)
    assert add(jnp.arange(3), 1).tolist() == [1, 2, 3]


def test_numbers_that_do_not_fit_are_errors() -> None:
    with pytest.raises(LaminaError, match="out of range"):
        ours.ops.convert_to_tensor(np.array([2**40]))


def test_a_missing_name_says_what_serves_instead() -> None:
    with pytest.raises(AttributeError, match=r"Did you mean keras.ops.softmax\?"):
        ours.ops.sofmax  # noqa: B018 - reading it is the test
    with pytest.raises(ImportError, match="Models of TensorFlow"):
        from lamina.compat.keras.layers import TFSMLayer  # noqa: F401, PLC0415


def test_a_condition_may_be_a_symbol() -> None:
    x = ours.Input((3,))
    model = ours.Model(x, ours.ops.cond(ours.ops.sum(x) > 0, lambda: 1.0, lambda: 2.0))
    assert [model(jnp.full((1, 3), value)).item() for value in (1.0, -1.0)] == [1, 2]
    with pytest.raises(LaminaError, match=r"Use keras\.ops\.where"):
        ours.ops.cond(ours.ops.sum(x) > 0, lambda: x, lambda: x * 2)


@pytest.mark.parametrize("compiled", [False, True])
def test_sizes_are_known_while_a_function_is_compiled(compiled: bool) -> None:
    ops = ours.ops

    def repeated(x: Any) -> Any:
        batch, steps, _ = ops.shape(x)
        mask = ops.arange(steps)[:, None] >= ops.arange(steps)
        times = ops.concatenate([ops.expand_dims(batch, -1), ops.convert_to_tensor([1, 1])], axis=0)
        padded = ops.broadcast_to(mask[None], ops.stack([batch, steps, steps]))
        ones = ops.ones(ops.stack([batch, 2 * steps]), "int32")
        same = ops.reshape(ops.tile(mask[None], times), ops.maximum(ops.shape(padded), 1))
        return same == padded, ones

    function = jax.jit(repeated) if compiled else repeated
    same, ones = function(jnp.zeros((2, 3, 4)))
    assert same.shape == (2, 3, 3) and bool(same.all())
    assert ones.shape == (2, 6)


def test_text_stays_text() -> None:
    assert ours.ops.convert_to_tensor([["a"], ["b c"]]).tolist() == [["a"], ["b c"]]
    assert ours.ops.convert_to_tensor([[1], [2]]).dtype == jnp.int32
