"""The functions of `tf` against NumPy, with TensorFlow's argument names and defaults."""

import jax
import numpy as np
import pytest
from scipy import special

from lamina.compat import tf
from lamina.errors import TraceError, UnknownNameError

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
P = np.abs(X) + 0.1
I = np.array([[2, 0, 1], [1, 1, 0]], np.int32)  # noqa: E741


def softmax(x, axis=-1):
    return special.softmax(x, axis=axis)


CASES = {
    "expand_dims": (lambda: tf.expand_dims(X, 1), X[:, None]),
    "expand_dims by name": (lambda: tf.expand_dims(input=X, axis=-1), X[..., None]),
    "squeeze": (lambda: tf.squeeze(X[:1]), X[0]),
    "squeeze axis": (lambda: tf.squeeze(X[:1, :1], axis=[1]), X[:1, 0]),
    "concat": (lambda: tf.concat([X, X], axis=-1), np.concatenate([X, X], -1)),
    "concat by name": (lambda: tf.concat(values=[X, X], axis=0), np.concatenate([X, X])),
    "stack": (lambda: tf.stack([X, X], axis=1), np.stack([X, X], 1)),
    "unstack": (lambda: tf.unstack(X, axis=1)[2], X[:, 2]),
    "split": (lambda: tf.split(X, 2, axis=-1)[1], X[..., 2:]),
    "split sizes": (lambda: tf.split(X, [1, -1, 1], axis=2)[1], X[..., 1:3]),
    "split by name": (lambda: tf.split(X, num_or_size_splits=3, axis=1)[0], X[:, :1]),
    "reshape": (lambda: tf.reshape(X, (-1, X.shape[2])), X.reshape(-1, 4)),
    "reshape by sizes": (lambda: tf.reshape(X, [tf.shape(X)[0], -1]), X.reshape(2, -1)),
    "transpose": (lambda: tf.transpose(X), X.T),
    "transpose perm": (lambda: tf.transpose(X, perm=[0, 2, 1]), X.transpose(0, 2, 1)),
    "tile": (lambda: tf.tile(X, [1, 2, 1]), np.tile(X, [1, 2, 1])),
    "repeat": (lambda: tf.repeat(X, 2, axis=1), np.repeat(X, 2, 1)),
    "reverse": (lambda: tf.reverse(X, [0, 2]), X[::-1, :, ::-1]),
    "roll": (lambda: tf.roll(X, 1, axis=1), np.roll(X, 1, 1)),
    "pad": (lambda: tf.pad(X, [[0, 0], [1, 2], [0, 1]]), np.pad(X, [(0, 0), (1, 2), (0, 1)])),
    "pad reflect": (
        lambda: tf.pad(X, tf.constant([[0, 0], [1, 1], [0, 0]]), mode="REFLECT"),
        np.pad(X, [(0, 0), (1, 1), (0, 0)], mode="reflect"),
    ),
    "broadcast_to": (lambda: tf.broadcast_to(X[:1], tf.shape(X)), np.broadcast_to(X[:1], X.shape)),
    "gather": (lambda: tf.gather(X, [1, 0], axis=1), X[:, [1, 0]]),
    "gather batch": (
        lambda: tf.gather(X, I, batch_dims=1),
        np.stack([X[0][I[0]], X[1][I[1]]]),
    ),
    "gather axis and batch": (
        lambda: tf.gather(X, I, axis=2, batch_dims=1),
        np.stack([X[0][:, I[0]], X[1][:, I[1]]]),
    ),
    "gather_nd": (lambda: tf.gather_nd(X, [[0, 1], [1, 2]]), X[[0, 1], [1, 2]]),
    "boolean_mask": (lambda: tf.boolean_mask(X, X > 0), X[X > 0]),
    "where": (lambda: tf.where(X > 0, X, 0.0), np.where(X > 0, X, 0)),
    "where indices": (lambda: tf.where(X > 0), np.argwhere(X > 0)),
    "one_hot": (lambda: tf.one_hot(I, 3), np.eye(3)[I]),
    "one_hot values": (
        lambda: tf.one_hot(indices=[0, 5], depth=2, on_value=2.0, off_value=-1.0),
        [[2, -1], [-1, -1]],
    ),
    "sequence_mask": (lambda: tf.sequence_mask([1, 3], 4), [[1, 0, 0, 0], [1, 1, 1, 0]]),
    "fill": (lambda: tf.fill([2, 3], 7), np.full((2, 3), 7)),
    "eye": (lambda: tf.eye(2, 3), np.eye(2, 3)),
    "linspace": (lambda: tf.linspace(0.0, 1.0, 5), np.linspace(0, 1, 5)),
    "meshgrid": (lambda: tf.meshgrid([1, 2], [3, 4, 5])[1], np.meshgrid([1, 2], [3, 4, 5])[1]),
    "range": (lambda: tf.range(5), np.arange(5)),
    "range limits": (lambda: tf.range(start=3, limit=18, delta=3), np.arange(3, 18, 3)),
    "zeros": (lambda: tf.zeros((tf.shape(X)[0], 5)), np.zeros((2, 5))),
    "ones": (lambda: tf.ones([2], dtype=tf.int32), np.ones(2, np.int32)),
    "zeros_like": (lambda: tf.zeros_like(X), np.zeros_like(X)),
    "ones_like": (lambda: tf.ones_like(I, dtype=tf.float32), np.ones(I.shape)),
    "constant": (lambda: tf.constant([[1.0, 2.0]]), [[1.0, 2.0]]),
    "constant filled": (lambda: tf.constant(3, shape=(2, 2)), np.full((2, 2), 3)),
    "cast": (lambda: tf.cast([1.9, -1.9], tf.int32), [1, -1]),
    "argmax": (lambda: tf.argmax(X), X.argmax(0)),
    "argmax axis": (lambda: tf.argmax(X, axis=-1), X.argmax(-1)),
    "argmin": (lambda: tf.argmin(X, axis=1), X.argmin(1)),
    "argsort": (lambda: tf.argsort(X), X.argsort(-1)),
    "sort": (lambda: tf.sort(X, direction="DESCENDING"), -np.sort(-X, -1)),
    "cumsum": (lambda: tf.cumsum(X, axis=1), X.cumsum(1)),
    "cumsum exclusive": (lambda: tf.cumsum([1, 2, 3], exclusive=True), [0, 1, 3]),
    "cumsum reverse": (lambda: tf.cumsum([1, 2, 3], reverse=True), [6, 5, 3]),
    "cumprod": (lambda: tf.math.cumprod([1, 2, 3]), [1, 2, 6]),
    "reduce_sum": (lambda: tf.reduce_sum(X, axis=1), X.sum(1)),
    "reduce_sum all": (lambda: tf.reduce_sum([[1, 2], [3, 4]]), 10),
    "reduce_mean": (
        lambda: tf.reduce_mean(X, axis=[0, 2], keepdims=True),
        X.mean((0, 2), keepdims=True),
    ),
    "reduce_mean of ints": (lambda: tf.reduce_mean([1, 2]), 1),
    "reduce_max": (lambda: tf.reduce_max(input_tensor=X, axis=-1), X.max(-1)),
    "reduce_min": (lambda: tf.reduce_min(X), X.min()),
    "reduce_prod": (lambda: tf.reduce_prod(X, 0), X.prod(0)),
    "reduce_any": (lambda: tf.reduce_any(X > 1, axis=1), (X > 1).any(1)),
    "reduce_all": (lambda: tf.reduce_all(X < 9), True),
    "reduce_std": (lambda: tf.math.reduce_std(X, axis=0), X.std(0)),
    "reduce_logsumexp": (lambda: tf.reduce_logsumexp(X, -1), special.logsumexp(X, -1)),
    "add_n": (lambda: tf.add_n([X, X, X]), 3 * X),
    "top_k": (lambda: tf.math.top_k(X, k=2)[0], -np.sort(-X, -1)[..., :2]),
    "matmul": (lambda: tf.matmul(X, X, transpose_b=True), X @ X.transpose(0, 2, 1)),
    "matmul a": (lambda: tf.matmul(a=X, b=X, transpose_a=True), X.transpose(0, 2, 1) @ X),
    "einsum": (lambda: tf.einsum("bij,bkj->bik", X, X), X @ X.transpose(0, 2, 1)),
    "tensordot": (
        lambda: tf.tensordot(X, X, axes=[[0, 1], [0, 1]]),
        np.tensordot(X, X, [(0, 1)] * 2),
    ),
    "norm": (lambda: tf.norm(X), np.sqrt((X**2).sum())),
    "norm axis": (
        lambda: tf.norm(X, axis=-1, keepdims=True),
        np.sqrt((X**2).sum(-1, keepdims=True)),
    ),
    "norm 1": (lambda: tf.linalg.norm(X, ord=1), np.abs(X).sum()),
    "band_part": (lambda: tf.linalg.band_part(tf.ones((3, 3)), -1, 0), np.tril(np.ones((3, 3)))),
    "band_part upper": (
        lambda: tf.linalg.band_part(tf.ones((4, 4)), 0, 1),
        np.triu(np.tril(np.ones((4, 4)), 1)),
    ),
    "diag": (lambda: tf.linalg.diag([1.0, 2.0]), np.diag([1, 2])),
    "diag_part": (lambda: tf.linalg.diag_part(X), np.diagonal(X, axis1=1, axis2=2)),
    "trace": (lambda: tf.linalg.trace(X), np.trace(X, axis1=1, axis2=2)),
    "clip_by_value": (lambda: tf.clip_by_value(X, -0.5, 0.5), X.clip(-0.5, 0.5)),
    "softmax": (lambda: tf.nn.softmax(X, axis=1), softmax(X, 1)),
    "softmax default": (lambda: tf.nn.softmax(X, None), softmax(X)),
    "log_softmax": (lambda: tf.nn.log_softmax(X), np.log(softmax(X))),
    "relu": (lambda: tf.nn.relu(X), X.clip(0)),
    "leaky_relu": (lambda: tf.nn.leaky_relu(X), np.where(X > 0, X, 0.2 * X)),
    "gelu": (lambda: tf.nn.gelu(X), X * special.ndtr(X)),
    "l2_normalize": (
        lambda: tf.math.l2_normalize(X, axis=-1),
        X / np.sqrt((X**2).sum(-1, keepdims=True)),
    ),
    "embedding_lookup": (lambda: tf.nn.embedding_lookup(X[0], I), X[0][I]),
    "sparse cross-entropy": (
        lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=I, logits=X),
        -np.log(np.take_along_axis(softmax(X), I[..., None], -1)[..., 0]),
    ),
    "cross-entropy": (
        lambda: tf.nn.softmax_cross_entropy_with_logits(labels=np.eye(4)[I], logits=X),
        -np.log(np.take_along_axis(softmax(X), I[..., None], -1)[..., 0]),
    ),
    "sigmoid cross-entropy": (
        lambda: tf.nn.sigmoid_cross_entropy_with_logits(labels=X > 0, logits=X),
        np.log1p(np.exp(-np.abs(X))),
    ),
    "is nan": (lambda: tf.math.is_nan([1.0, np.nan]), [False, True]),
    "divide_no_nan": (lambda: tf.math.divide_no_nan([1.0, 2.0], [0.0, 4.0]), [0, 0.5]),
    "multiply_no_nan": (lambda: tf.math.multiply_no_nan([np.inf, 2.0], [0.0, 4.0]), [0, 8]),
}


@pytest.mark.parametrize("case", CASES)
def test_it_gives_what_numpy_gives(case):
    compute, expected = CASES[case]
    found = compute()
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(np.asarray(found, expected.dtype), expected, rtol=2e-5, atol=1e-5)


UNARY = {
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": special.erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "floor": np.floor,
    "is_finite": np.isfinite,
    "lgamma": special.gammaln,
    "log": np.log,
    "log1p": np.log1p,
    "log_sigmoid": special.log_expit,
    "negative": np.negative,
    "reciprocal": np.reciprocal,
    "round": np.round,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": special.expit,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
}
BINARY = {
    "add": np.add,
    "atan2": np.arctan2,
    "divide": np.divide,
    "equal": np.equal,
    "floordiv": np.floor_divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "multiply": np.multiply,
    "not_equal": np.not_equal,
    "pow": np.power,
    "squared_difference": lambda x, y: (x - y) ** 2,
    "subtract": np.subtract,
}


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_array_is_numpys(name):
    function = getattr(tf.math, name)
    np.testing.assert_allclose(function(P), UNARY[name](P), rtol=2e-5, atol=1e-5)
    assert function([1.0, 2.0], name="named").shape == (2,)


@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_arrays_is_numpys(name):
    function, other = getattr(tf.math, name), P[::-1] + 0.5
    np.testing.assert_allclose(function(P, other), BINARY[name](P, other), rtol=2e-5, atol=1e-5)
    assert function(x=P, y=2.0, name="named").shape == P.shape


def test_numbers_beside_arrays_take_the_arrays_dtype():
    half = tf.cast(X, tf.float16)
    assert tf.multiply(half, 2.0).dtype == tf.multiply(2.0, half).dtype == tf.float16
    assert tf.equal(I, 0).dtype == tf.bool
    assert tf.reduce_sum(tf.cast(X, tf.int8)).dtype == tf.int8


def test_logic():
    yes, no = [True, True], [True, False]
    assert tf.math.logical_not(no).tolist() == [False, True]
    assert tf.logical_and(yes, no).tolist() == [True, False]
    assert tf.math.logical_xor(yes, no).tolist() == [False, True]


def test_a_shape_stays_numbers_in_a_compiled_function():
    @jax.jit
    def fold(x):
        batch, time, features = tf.unstack(tf.shape(x))
        assert all(type(size) is int for size in (batch, time, features))
        wide = tf.reshape(x, tf.concat([tf.shape(x)[:-1], [2, 2]], axis=0))
        flat = tf.reshape(wide, tf.stack([tf.reduce_prod(tf.shape(x)[:-1]), features]))
        return flat + tf.zeros((tf.shape(x)[0] * tf.shape(x)[1], 1)), tf.size(x) + tf.rank(x)

    folded, count = fold(X)
    np.testing.assert_array_equal(folded, X.reshape(-1, 4))
    assert count == 24 + 3
    assert (tf.shape(X) * 2).tolist() == [4, 6, 8]
    assert tf.shape(X).dtype == np.int32


def test_indices_out_of_range_are_seen():
    assert np.isnan(tf.gather(X[0], [3])).all()
    assert np.isnan(tf.gather(X[0], [-1])).all()
    assert np.isnan(tf.gather_nd(X[0], [[-1, 0]])).all()
    assert not np.isnan(tf.gather_nd(X[0], [[2, 3]])).any()


def test_pieces_that_do_not_add_up_are_errors():
    with pytest.raises(ValueError, match="size 4"):
        tf.split(X, [1, 2], axis=2)
    with pytest.raises(ValueError, match="size 3"):
        tf.unstack(X, num=2, axis=1)


def test_random_numbers_follow_the_seed():
    tf.random.set_seed(3)
    first, second = tf.random.normal((4, 5)), tf.random.normal((4, 5))
    tf.random.set_seed(3)
    np.testing.assert_array_equal(tf.random.normal([4, 5]), first)
    assert not np.array_equal(first, second)
    draws = []
    for seed in (None, 1, 2, 1):
        tf.random.set_seed(3)
        draws.append(tf.random.uniform((4,), seed=seed).tolist())
    assert draws[1] == draws[3] and len({*map(tuple, draws)}) == 3


def test_random_numbers_have_the_law_asked_for():
    draws = np.asarray(tf.random.normal((4000,), mean=3.0, stddev=2.0))
    assert abs(draws.mean() - 3) < 0.2 and abs(draws.std() - 2) < 0.2
    draws = np.asarray(tf.random.truncated_normal((4000,), stddev=2.0))
    assert np.abs(draws).max() <= 4.0
    draws = np.asarray(tf.random.uniform((1000,), minval=2, maxval=5, dtype=tf.int32))
    assert sorted(set(draws.tolist())) == [2, 3, 4]
    draws = np.asarray(tf.random.uniform((1000,)))
    assert 0 <= draws.min() < 0.1 and 0.9 < draws.max() < 1
    with pytest.raises(ValueError, match="maxval"):
        tf.random.uniform((2,), dtype=tf.int32)
    drawn = tf.random.categorical([[0.0, -np.inf], [-np.inf, 0.0]], 5)
    assert drawn.tolist() == [[0] * 5, [1] * 5]
    assert sorted(tf.random.shuffle(tf.range(9)).tolist()) == list(range(9))


def test_a_random_constant_in_a_compiled_function_is_an_error():
    with pytest.raises(TraceError, match="same numbers"):
        jax.jit(lambda: tf.random.uniform((2,)))()


def test_functions_are_compiled_and_assign_variables():
    total = tf.Variable(1.0)

    @tf.function(reduce_retracing=True)
    def add(x):
        total.assign_add(x)
        return total * 2.0

    assert [float(add(tf.constant(x))) for x in (1.0, 2.0)] == [4.0, 8.0]
    assert float(total.value) == 4.0


def test_tensors_are_jax_arrays():
    assert tf.is_tensor(tf.zeros(2)) and not tf.is_tensor(np.zeros(2))
    assert isinstance(tf.identity([1.0]), tf.Tensor)
    assert tf.constant([1.0]).dtype == tf.float32
    assert tf.bfloat16.itemsize == 2
    assert tf.dtypes.bool == tf.bool
    assert X[:, tf.newaxis].shape == (2, 1, 3, 4)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("gradients", "jax.grad"),
        ("data", "iterable of batches"),
        ("expand_dimz", "tf.expand_dims"),
        ("nn.dropout", "tf.keras.layers.Dropout"),
        ("nn.relux", "tf.nn.relu"),
        ("math.reduce_sums", "tf.math.reduce_sum"),
        ("linalg.band_parts", "tf.linalg.band_part"),
        ("random.norma", "tf.random.normal"),
        ("dtypes.float23", "tf.dtypes.float32"),
        ("keras.backend", "tf.math"),
        ("keras.layers.Densee", "tf.keras.layers.Dense"),
        ("keras.models.Modell", "tf.keras.models.Model"),
        ("keras.metrics.Meann", "tf.keras.metrics.Mean"),
        ("keras.optimizers.Adamm", "tf.keras.optimizers.Adam"),
        ("keras.optimizers.schedules.CosineDecays", "CosineDecay"),
        ("unheard_of", "jax.numpy"),
    ],
)
def test_a_name_that_is_not_there_says_what_serves_instead(name, remedy):
    *spaces, last = name.split(".")
    namespace = tf
    for space in spaces:
        namespace = getattr(namespace, space)
    with pytest.raises(UnknownNameError, match=r"lamina\.compat\.tf has no") as caught:
        getattr(namespace, last)
    assert f"tf.{name}" in str(caught.value) and remedy in str(caught.value)
    assert not hasattr(namespace, last)


def test_all_that_is_listed_is_there():
    for namespace in (tf, tf.math, tf.nn, tf.linalg, tf.random, tf.dtypes, tf.keras):
        assert all(hasattr(namespace, name) for name in namespace.__all__)
        assert not hasattr(namespace, "__wrapped__")
