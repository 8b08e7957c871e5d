"""The operations of Keras as layers: their numbers, graphs with them, and their files."""

import importlib
import inspect
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.errors import LaminaError
from lamina.models.array_functions import (
    FUNCTIONS,
    MODULES,
    ArrayFunction,
    keras_arguments,
    keras_node,
)
from lamina.models.array_functions.values import tuples
from lamina.models.symbol import Operation
from lamina.saving import deserialize
from tests.close import assert_close

FILES = Path(__file__).parents[2] / "shared" / "keras_files" / "made"

_random = np.random.default_rng(0)
X = _random.uniform(-0.9, 0.9, (2, 6)).astype("float32")
Y = _random.uniform(0.1, 0.9, (2, 6)).astype("float32")
V, W = X[0], Y[0]
N = np.arange(12, dtype="int32").reshape(2, 6) % 5
K = np.array([[0, 2, 1, 1, 0, 2], [1, 1, 2, 0, 0, 1]], "int32")
B = X > 0
I3 = _random.uniform(0.1, 0.9, (2, 6, 6, 3)).astype("float32")
J3 = _random.uniform(0.1, 0.9, (2, 6, 6, 3)).astype("float32")
M = (lambda a: a @ a.T + np.eye(3, dtype="float32"))(I3[0, 0, :3])
R = _random.normal(size=(3, 2)).astype("float32")
NAN = np.where(B, X, np.nan).astype("float32")
S = _random.normal(size=(1, 24)).astype("float32")
H = _random.normal(size=(2, 4, 2, 6)).astype("float32")

UNARY = """
    Abs Absolute Angle Arcsin Arccos Arcsinh Arctan Arctanh Cbrt Ceil Conj Conjugate Copy Cos Cosh
    Deg2rad Exp Exp2 Expm1 Fabs Floor I0 Imag Isfinite Isinf Isnan Isneginf Isposinf Isreal
    LogicalNot Negative Rad2deg Real Reciprocal Sign Signbit Sin Sinc Sinh Square Tan Tanh Trunc
    Round NanToNum Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu
    Squareplus LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu Glu TanhShrink HardTanh
    HardShrink Softmax LogSoftmax Erf Erfc Erfinv StopGradient ConvertToTensor Array
    Ravel Fliplr Flipud Flip Transpose Squeeze Tril Triu Diag Diagonal Trace OnesLike ZerosLike
    Size Ndim Rot90 All Any Amax Amin Argmax Argmin Argsort Average CountNonzero Cumprod Cumsum
    Diff Max Mean Median Min Prod Ptp Sort Std Sum Var Corrcoef Logsumexp Norm Normalize RFFT
    Trapezoid Nansum RMSNorm LayerNorm Pinv MatrixRank Qr
""".split()  # noqa: SIM905 - a list would be ten times as long
POSITIVE = "Arccosh Log Log10 Log1p Log2 Sqrt Rsqrt".split()  # noqa: SIM905 - as above
INTEGERS = "BitwiseInvert BitwiseNot Mean Exp Sin Log1p Var Std Median Floor".split()  # noqa: SIM905 - as above
BINARY = """
    Add Arctan2 Divide DivideNoNan Equal FloorDivide Fmax Fmin Fmod Greater GreaterEqual Heaviside
    Hypot Isclose AllClose Less LessEqual Logaddexp Logaddexp2 LogicalAnd LogicalOr LogicalXor
    Maximum Minimum Mod Multiply NotEqual Power Subtract TrueDivide Inner Outer Vdot Kron Append
    IsIn BinaryCrossentropy CategoricalCrossentropy CDist
""".split()  # noqa: SIM905 - as above
PAIRS = """
    BitwiseAnd BitwiseLeftShift BitwiseOr BitwiseRightShift BitwiseXor LeftShift RightShift Gcd Lcm
    TrueDivide
""".split()  # noqa: SIM905 - as above
NANS = "argmax argmin cumprod cumsum max mean median min prod std var"

Case = tuple[str, tuple[Any, ...], dict[str, Any]]
CASES: list[Case] = [
    *((name, (X,), {}) for name in UNARY),
    *((name, (Y + (1 if name == "Arccosh" else 0),), {}) for name in POSITIVE),
    *((name, (N,), {}) for name in INTEGERS),
    *((name, (X if name != "Power" else Y, Y), {}) for name in BINARY),
    *((name, (N, K), {}) for name in PAIRS),
    *((f"Nan{name}", (NAN,), {"axis": 1}) for name in NANS.split()),
    ("Add", (N, 2.5), {}),
    ("Multiply", (X.astype("float16"), 2.0), {}),
    ("Mean", (X.astype("float16"),), {"axis": (0, 1), "keepdims": True}),
    ("Linspace", (X, X + 1), {"num": 5, "endpoint": False, "axis": -1}),
    ("Meshgrid", (V, W[:3]), {}),
    ("Average", (X, Y), {"axis": 1}),
    ("Nextafter", (X, Y), {}),
    ("Clip", (X,), {"x_min": -0.5, "x_max": 0.5}),
    ("Ldexp", (X, N), {}),
    ("Round", (N * 7,), {"decimals": -1}),
    ("Threshold", (X,), {"threshold": 0.1, "default_value": -2.0}),
    ("Argpartition", (V,), {"kth": 2}),
    ("Correlate", (V, W[:3]), {"mode": "same"}),
    ("Cross", (X[:, :3], Y[:, :3]), {}),
    ("Digitize", (X, np.sort(W)), {}),
    ("SearchSorted", (np.sort(W), V), {"side": "right"}),
    ("Dot", (X, Y.T), {}),
    ("Matmul", (X, Y.T), {}),
    ("Einsum", (X, Y), {"subscripts": "ij,kj->ik"}),
    ("Tensordot", (X, Y), {"axes": [[1], [1]]}),
    ("Nanpercentile", (NAN, 30.0), {"axis": 1}),
    ("Nanquantile", (NAN, [0.2, 0.7]), {"axis": 1, "keepdims": True}),
    ("Percentile", (X, 30.0), {"axis": 1}),
    ("Quantile", (X, [0.2, 0.7]), {"keepdims": True}),
    ("Max", (X,), {"axis": [1], "initial": 0.5}),
    ("ArraySplit", (X,), {"indices_or_sections": 4, "axis": 1}),
    ("BroadcastTo", (X,), {"shape": [3, 2, 6]}),
    ("Concatenate", ([X, Y],), {"axis": -1}),
    ("Diagflat", (V,), {"k": 1}),
    ("Dsplit", (I3[0],), {"indices_or_sections": 3}),
    ("Dstack", ([X, Y],), {}),
    ("ExpandDims", (X,), {"axis": 1}),
    ("FullLike", (X, 3), {}),
    ("GetItem", (X, (slice(None), slice(1, 4), None)), {}),
    ("GetItem", (X, [Ellipsis, 0]), {}),
    ("Hsplit", (X,), {"indices_or_sections": [2, 3]}),
    ("Hstack", ([X, Y],), {}),
    ("Moveaxis", (I3,), {"source": [1], "destination": [-1]}),
    ("Pad", (X,), {"pad_width": [[1, 0], [2, 3]], "mode": "reflect"}),
    ("Pad", (X, 2.0), {"pad_width": 1}),
    ("Repeat", (X,), {"repeats": 2, "axis": 1}),
    ("Reshape", (X,), {"newshape": [-1, 3]}),
    ("Roll", (X,), {"shift": 2, "axis": 1}),
    ("Select", ([B, ~B], [X, Y]), {}),
    ("Slogdet", (M,), {}),
    ("Split", (X,), {"indices_or_sections": 3, "axis": 1}),
    ("Stack", ([X, Y],), {"axis": 1}),
    ("Swapaxes", (X,), {"axis1": 0, "axis2": 1}),
    ("Take", (X, K), {"axis": 1}),
    ("TakeAlongAxis", (X, K), {"axis": 1}),
    ("Tile", (X,), {"repeats": [2, 1]}),
    ("UnravelIndex", (K,), {"shape": [2, 3]}),
    ("Vander", (V,), {"N": 3}),
    ("View", (X,), {"dtype": "int32"}),
    ("Vsplit", (X,), {"indices_or_sections": 2}),
    ("Vstack", ([X, Y],), {}),
    ("Where", (B, X, 0.0), {}),
    ("Cast", (X,), {"dtype": "float16"}),
    ("SaturateCast", (X * 500,), {"dtype": "uint8"}),
    ("SaturateCast", (X * 1e11,), {"dtype": "int32"}),
    ("Scatter", (K[:, :2], Y[:, 0]), {"shape": [3, 3]}),
    ("ScatterUpdate", (X, np.array([[0, 1], [1, 2]]), W[:2]), {"reduction": "max"}),
    ("Slice", (X, [0, 1]), {"shape": [2, -1]}),
    ("SliceUpdate", (X, [0, 1], Y[:, :2]), {}),
    ("Unstack", (X,), {"axis": 1}),
    ("OneHot", (K,), {"num_classes": 3}),
    ("MultiHot", (K,), {"num_classes": 3}),
    ("SparseCategoricalCrossentropy", (K[:, 0], Y), {}),
    ("SparseCategoricalCrossentropy", (K[:, :1], X), {"from_logits": True}),
    ("BinaryCrossentropy", (Y, X), {"from_logits": True}),
    ("Moments", (X,), {"axes": [0]}),
    ("BatchNorm", (X, W, W + 1, V, W), {"axis": -1}),
    ("CTCLoss", (K[:, :2] + 1, H[..., 0, :], np.array([1, 2]), np.array([4, 3])), {}),
    ("Normalize", (X,), {"order": 3}),
    ("PSNR", (X, Y), {"max_val": 1.0}),
    ("DotProductAttention", (H, H, H), {"is_causal": True}),
    ("LayerNorm", (I3, J3[0, 0, 0], J3[0, 0, 1]), {"axis": [-1]}),
    ("Polar", (Y, X), {}),
    ("MaxPool", (I3,), {"pool_size": 2, "strides": 2, "padding": "same"}),
    ("AveragePool", (I3,), {"pool_size": [3, 3], "strides": 1, "padding": "same"}),
    ("AdaptiveMaxPool", (I3,), {"output_size": 4}),
    ("AdaptiveAveragePool", (I3,), {"output_size": 4}),
    ("Conv", (I3, J3[:, :2, :3, :]), {"strides": 2, "padding": "same"}),
    ("DepthwiseConv", (I3, J3[:, :2, :3, :2]), {}),
    ("SeparableConv", (I3, J3[:, :2, :3, :2], J3[:1, :1, :, :]), {}),
    ("ConvTranspose", (I3, J3[:, :2, :4, :]), {"strides": 2, "data_format": "channels_last"}),
    ("Unfold", (I3,), {"kernel_size": [2, 2], "padding": 1}),
    ("Fold", (J3[:, :, 0, :2].repeat(2, 1)[:, :8],), {"output_size": [2, 3], "kernel_size": 2}),
    ("DepthToSpace", (I3.repeat(4, -1),), {"block_size": 2}),
    ("SpaceToDepth", (I3,), {"block_size": 2}),
    *(
        (f"Segment{name}", (Y.T, K[0]), {"num_segments": 3})
        for name in ("Max", "Min", "Prod", "Sum")
    ),
    ("TopK", (X,), {"k": 2}),
    ("InTopK", (K[:, 0], Y), {"k": 2}),
    ("ExtractSequences", (S,), {"sequence_length": 8, "sequence_stride": 4}),
    ("FFT", ((X, Y),), {}),
    ("FFT2", ((X, Y),), {}),
    ("IFFT2", ((X, Y),), {}),
    ("IRFFT", ((X, Y),), {}),
    ("STFT", (S,), {"sequence_length": 6, "sequence_stride": 2, "fft_length": 8}),
    (
        "ISTFT",
        ((H[:, :, 0, :5], H[:, :, 1, :5]),),
        {"sequence_length": 8, "sequence_stride": 2, "fft_length": 8},
    ),
    ("Logdet", (M,), {}),
    ("ViewAsComplex", (R,), {}),
    ("ViewAsReal", (R[:, 0] + 1j * R[:, 1],), {}),
    ("Cholesky", (M,), {"upper": True}),
    ("CholeskyInverse", (np.linalg.cholesky(M),), {}),
    ("Det", (M,), {}),
    ("Eig", (np.triu(M),), {}),
    ("Eigh", (M,), {}),
    ("Inv", (M,), {}),
    ("LuFactor", (M,), {}),
    ("Solve", (M, R), {}),
    ("SolveTriangular", (np.tril(M), R), {"lower": True}),
    ("SVD", (M,), {"compute_uv": False}),
    ("Lstsq", (M, R), {}),
    ("RGBToGrayscale", (I3,), {}),
    ("RGBToHSV", (I3,), {}),
    ("HSVToRGB", (I3,), {}),
    ("Resize", (I3,), {"size": [4, 9], "interpolation": "bicubic"}),
    ("Resize", (I3[0],), {"size": [4, 8], "crop_to_aspect_ratio": True}),
    ("Resize", ((I3 * 255).astype("uint8"),), {"size": [4, 8]}),
    ("AffineTransform", (I3, np.array([[1, 0.2, 0.5, -0.1, 0.9, 1, 0, 0]] * 2, "float32")), {}),
    ("ExtractPatches", (I3,), {"size": [2, 3], "strides": 1, "padding": "same"}),
    ("MapCoordinates", (X, np.stack([N * 0.3, K * 0.7]).astype("float32")), {"order": 1}),
    (
        "PadImages",
        (I3,),
        {"top_padding": 1, "left_padding": 2, "target_height": 8, "target_width": 9},
    ),
    (
        "CropImages",
        (I3,),
        {"top_cropping": 1, "left_cropping": 2, "target_height": 3, "target_width": 3},
    ),
    (
        "PerspectiveTransform",
        (
            I3,
            np.array([[[0, 0], [0, 5], [5, 0], [5, 5]]] * 2, "float32"),
            np.array([[[1, 0], [0, 5], [5, 1], [4, 5]]] * 2, "float32"),
        ),
        {},
    ),
    ("GaussianBlur", (I3,), {"kernel_size": [3, 5], "sigma": [1.0, 2.0]}),
    (
        "ScaleAndTranslate",
        (I3[0, ..., 0], (3, 4), np.array([0.5, 0.7], "float32"), np.array([0.1, 0.0], "float32")),
        {"spatial_dims": [0, 1], "method": "linear"},
    ),
    ("SobelEdges", (I3,), {}),
    ("SSIM", (I3, J3), {"filter_size": 3}),
    ("EmptyLike", (X,), {}),
]


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _called(keras: Any, case: Case, arrays: list[Any]) -> tuple[Any, Any]:
    """What Keras and Lamina give for a case, of the arrays in the place of those of NumPy."""
    name, args, options = case
    left = iter(arrays)
    args = jax.tree.map(lambda one: next(left) if isinstance(one, np.ndarray) else one, args)
    if name == "ConvTranspose":  # Keras's class mixes up two arguments
        theirs = keras.ops.conv_transpose(*args, **options)
    else:
        kind = getattr(importlib.import_module(MODULES[name]), name)
        theirs = kind(**tuples(options)).call(*args)
    ours = FUNCTIONS[name](*args, **tuples(options))
    return tuple(theirs) if isinstance(theirs, list | tuple) else theirs, ours


def _assert_alike(name: str, ours: Any, theirs: Any) -> None:
    ours = tuple(ours) if isinstance(ours, list) else ours
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if not isinstance(other, int):
            assert one.dtype == other.dtype, (one.dtype, other.dtype)
            assert one.shape == other.shape, (one.shape, other.shape)
        if name != "EmptyLike":
            one, other = np.asarray(one), np.asarray(other)
            for part, wish in ((one.real, other.real), (one.imag, other.imag)):
                assert_close(part, wish, 2e-5)


def test_all_functions_compute_as_in_keras(keras: Any) -> None:
    # Keras's Histogram fails on JAX, and its Sparsemax sums the wrong numbers
    assert {name for name, _, _ in CASES} | {"Histogram", "Sparsemax"} == set(FUNCTIONS)
    wrong: list[str] = []

    def noted(case: Case, run: Callable[..., Any], *given: Any) -> Any:
        try:
            return run(*given)
        except Exception as error:
            wrong.append(f"{case[0]}: {type(error).__name__} {error}"[:600])
            return None

    def run(given: list[list[Any]]) -> list[Any]:
        return [
            noted(case, _called, keras, case, arrays)
            for case, arrays in zip(CASES, given, strict=True)
        ]

    given = [
        [one for one in jax.tree.leaves(args) if isinstance(one, np.ndarray)]
        for _, args, _ in CASES
    ]
    # One program for all: Keras would compile several programs for each case
    for case, both in zip(CASES, jax.device_get(jax.jit(run)(given)), strict=True):
        if both is not None:
            noted(case, _assert_alike, case[0], *reversed(both))
    assert not wrong, "\n".join(wrong)


def test_the_table_has_the_parameters_of_keras(keras: Any) -> None:
    for name, function in FUNCTIONS.items():
        kind = getattr(importlib.import_module(MODULES[name]), name)
        called = list(inspect.signature(kind.call).parameters.values())[1:]
        made = list(inspect.signature(kind.__init__).parameters.values())[1:]
        own = list(inspect.signature(function).parameters)
        options = {one.name for one in made} - {"name", "args", "kwargs"}
        if hasattr(function, "__wrapped__"):  # it takes the layout for another function
            options -= {"data_format"}
        if name != "Einsum":
            assert own[: len(called)] == [one.name for one in called], name
        assert options <= set(own), name


def test_other_functions() -> None:
    sparse = jax.jit(FUNCTIONS["Sparsemax"])(np.array([0.5, 0.0, -2.0], "float32"))
    assert sparse.tolist() == [0.75, 0.25, 0.0]
    counts, _ = jax.jit(lambda x: FUNCTIONS["Histogram"](x, bins=2))(np.array([0.0, 0.1, 1.0], "f"))
    assert counts.tolist() == [2, 1]


def test_numbers_that_would_make_long_programs_are_refused() -> None:
    for name, options in (
        ("ArraySplit", {"indices_or_sections": 10**12}),
        ("Pad", {"pad_width": 10**9, "mode": "reflect"}),
    ):
        with pytest.raises(LaminaError, match="does not support"):
            ArrayFunction(name, options)(jnp.ones(3))
    assert ArrayFunction("Diff", {"n": 10**9})(jnp.ones(3)).shape == (0,)


def test_an_unknown_operation_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(LaminaError, match="Did you mean 'Softmax'"):
        ArrayFunction("Softmx")


def _model() -> Any:
    x, y = lamina.Input((4, 6)), lamina.Input((4, 6))
    sums = ArrayFunction("Concatenate", {"axis": -1})([x, y])
    part = ArrayFunction("GetItem")(sums, ("tuple", ("slice", None, None, None), 1))
    return lamina.Model([x, y], [part * 2, ArrayFunction("Where")(x > y, x, 0.0)])


def test_a_graph_with_functions_is_stored(tmp_path: Path) -> None:
    model = _model()
    x, y = np.ones((2, 4, 6), "float32"), np.arange(48, dtype="float32").reshape(2, 4, 6) / 20
    wanted = model([x, y])
    assert wanted[0].shape == (2, 12)
    model.save(tmp_path / "model.lamina")
    twin = lamina.Model.from_config(json.loads(json.dumps(model.get_config())))
    for other in (twin, lamina.load(tmp_path / "model.lamina"), lamina.jit(model)):
        for actual, desired in zip(other([x, y]), wanted, strict=True):
            np.testing.assert_array_equal(actual, desired)
    assert all(not isinstance(one, ArrayFunction) for one in model.layers)


def test_a_functional_model_of_keras_with_operations_is_read(keras: Any) -> None:
    k, i, j = keras.ops, keras.Input((4, 6)), keras.Input((4, 6))
    outputs = [
        k.mean(i, axis=1),
        i[:, 1:3, ...],
        k.concatenate([i, j], axis=-1),
        k.einsum("bij,bkj->bik", i, j),
        k.pad(2.0 - i, [[0, 0], [1, 1], [0, 0]], constant_values=3.0),
        k.softmax(j, axis=1) + k.stack([i, j], axis=1)[:, 0],
        k.where(i > j, i, j) * k.convert_to_tensor(np.arange(6, dtype="float32")),
    ]
    config = json.loads(
        json.dumps(keras.saving.serialize_keras_object(keras.Model([i, j], outputs)))
    )
    model, x, y = deserialize(config), I3[..., 0].repeat(1, 2)[:, :4], J3[:, :4, :, 0]
    for actual, desired in zip(model([x, y]), keras.Model([i, j], outputs)([x, y]), strict=True):
        assert_close(actual, desired, 1e-5)


def test_a_file_of_keras_with_operations_is_read() -> None:
    path = FILES / "func_multi.keras"
    if not path.exists():
        pytest.skip("the collection of Keras's files is not here")
    with zipfile.ZipFile(path) as archive:
        model = deserialize(json.loads(archive.read("config.json")))
    names = {entry["name"] for entry in model.get_config()["layers"]}
    assert {"tanh", "get_item", "get_item_1", "subtract", "maximum"} <= names


def test_operators_have_a_node_of_keras() -> None:
    assert keras_node(Operation("mul")) == ("keras.src.ops.numpy", "Multiply", {})
    assert keras_node(Operation("and_"), integers=True)[1] == "BitwiseAnd"
    assert keras_arguments(Operation("sub", swapped=True), ("x", 1.0), {}) == ((1.0, "x"), {})
    mean = ArrayFunction("Mean", {"axis": 1})
    assert keras_node(mean) == ("keras.src.ops.numpy", "Mean", {"axis": 1})
    part = {"class_name": "__slice__", "config": {"start": 0, "stop": 2, "step": None}}
    for layer in (
        Operation("getitem", ("tuple", 1, ("slice", 0, 2, None))),
        ArrayFunction("GetItem", {"key": ("tuple", 1, ("slice", 0, 2, None))}),
    ):
        assert keras_node(layer)[1:] == ("GetItem", {})
        assert keras_arguments(layer, ("x",), {}) == (("x", [1, part]), {})
