"""Losses against Keras on JAX."""

import functools
import os
from inspect import signature

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import losses
from lamina.errors import InputError, UnknownNameError
from lamina.losses import lookup
from lamina.names import snake
from tests.close import assert_close

RNG = np.random.default_rng(0)
SHARES = RNG.dirichlet(np.ones(5), size=(6,)).astype("float32")
LOGITS = RNG.normal(size=(6, 5)).astype("float32") * 3
LABELS = RNG.integers(0, 5, size=(6,))
ONE_HOT = np.eye(5, dtype="float32")[LABELS]
BITS = RNG.integers(0, 2, size=(6, 5)).astype("float32")
WEIGHTS = RNG.uniform(0, 2, size=(6,)).astype("float32")
UNIT = LOGITS / np.linalg.norm(LOGITS, axis=1, keepdims=True)
PAIRS = np.array([0, 1, 0, 1, 2, 2])
WORDS = np.array([[1, 2, 2], [3, 0, 0], [4, 1, 0], [2, 2, 2], [1, 3, 4], [4, 4, 0]])
STEPS = RNG.normal(size=(6, 8, 5)).astype("float32")

quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

CASES = [
    ("MeanSquaredError", {}, BITS, LOGITS),
    ("MeanAbsoluteError", {}, BITS, LOGITS),
    ("MeanAbsolutePercentageError", {}, LOGITS, SHARES),
    ("MeanSquaredLogarithmicError", {}, BITS, SHARES),
    ("Huber", {}, BITS, LOGITS),
    ("Huber", {"delta": 0.3}, BITS, LOGITS),
    ("LogCosh", {}, BITS, LOGITS),
    ("Hinge", {}, BITS, LOGITS),
    ("Hinge", {}, 2 * BITS - 1, LOGITS),
    ("SquaredHinge", {}, BITS, LOGITS),
    ("CategoricalHinge", {}, ONE_HOT, LOGITS),
    ("KLDivergence", {}, SHARES[::-1], SHARES),
    ("Poisson", {}, BITS, SHARES),
    ("CosineSimilarity", {}, BITS, LOGITS),
    ("CosineSimilarity", {"axis": 0}, SHARES, LOGITS),
    ("BinaryCrossentropy", {}, BITS, SHARES),
    ("BinaryCrossentropy", {"from_logits": True}, BITS, LOGITS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BITS, LOGITS),
    ("CategoricalCrossentropy", {}, ONE_HOT, SHARES),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, SHARES),
    ("CategoricalCrossentropy", {"from_logits": True}, SHARES, LOGITS),
    ("SparseCategoricalCrossentropy", {}, LABELS, SHARES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS[:, None], LOGITS),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, LABELS, SHARES),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2, "from_logits": True}, LABELS, LOGITS),
    ("BinaryFocalCrossentropy", {}, BITS, SHARES),
    ("BinaryFocalCrossentropy", {"from_logits": True, "gamma": 1.5}, BITS, LOGITS),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.6}, BITS, SHARES),
    ("BinaryFocalCrossentropy", {"label_smoothing": 0.1}, BITS, SHARES),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, SHARES),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 3.0}, ONE_HOT, LOGITS),
    ("CategoricalFocalCrossentropy", {"label_smoothing": 0.1, "alpha": 0.5}, ONE_HOT, SHARES),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]}, ONE_HOT, SHARES),
    ("CategoricalGeneralizedCrossEntropy", {}, LABELS, SHARES),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, LABELS, SHARES),
    ("Dice", {}, BITS, SHARES),
    ("Dice", {"axis": (1,)}, BITS, SHARES),
    ("Tversky", {}, BITS, SHARES),
    ("Tversky", {"alpha": 0.3, "beta": 0.7, "axis": -1}, BITS, SHARES),
    ("Circle", {}, PAIRS, UNIT),
    ("Circle", {"gamma": 20.0, "margin": 0.1, "remove_diagonal": False}, PAIRS, UNIT),
    ("CTC", {}, WORDS, STEPS),
]


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES)
def test_numbers_and_gradients_are_those_of_keras(name, options, y, p):
    ours, theirs = getattr(losses, name)(**options), getattr(keras.losses, name)(**options)

    def both(y, p):
        graded = [jax.value_and_grad(loss, argnums=1)(y, p) for loss in (ours, theirs)]
        return (ours.per_example(y, p), *graded[0]), (theirs.call(y, p), *graded[1])

    y = jnp.asarray(y) if y.dtype.kind == "i" else jnp.asarray(y, jnp.float32)
    for one, other in zip(*quick(both)(y, p), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert np.isfinite(one).all()


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighed"])
@pytest.mark.parametrize("ignore_class", [None, 2])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
)
def test_reductions_are_those_of_keras(reduction, ignore_class, weights):
    options = {"reduction": reduction, "ignore_class": ignore_class}
    name = "SparseCategoricalCrossentropy"
    pair = getattr(losses, name)(**options), getattr(keras.losses, name)(**options)
    ours, theirs = quick(lambda y, p, w: [f(y, p, w) for f in pair])(LABELS, SHARES, weights)
    if reduction in ("none", None) and ignore_class is not None:
        assert (np.asarray(ours)[LABELS == 2] == 0).all()
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["MeanSquaredError", "SparseCategoricalCrossentropy"])
def test_values_come_in_a_dtype_if_one_is_asked_for(name):
    labels = LABELS if name.startswith("Sparse") else ONE_HOT
    for dtype, tolerance in (("bfloat16", 1e-2), ("float16", 2e-3), ("float32", 1e-6)):
        pair = [getattr(m, name)(dtype=dtype) for m in (losses, keras.losses)]
        ours, theirs = quick(lambda y, p, pair=pair: [loss(y, p) for loss in pair])(labels, SHARES)
        assert ours.dtype == dtype
        np.testing.assert_allclose(float(ours), float(theirs), rtol=tolerance)
    as_they_are = quick(getattr(losses, name)())
    assert as_they_are(labels, SHARES.astype("bfloat16")).dtype == "float32"


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_options_bear_keras_names_and_defaults(name):
    ours = signature(getattr(losses, name)).parameters
    theirs = signature(getattr(keras.losses, name)).parameters
    assert list(ours) == list(theirs)  # the same by position
    for option in set(ours) - {"name"}:
        assert ours[option].default == theirs[option].default
    assert getattr(losses, name)().per_example is not None


NAMES = sorted(set(lookup._KNOWN) - {"categorical_generalized_cross_entropy"})  # Keras has none


@pytest.mark.parametrize(
    "name", [*NAMES, "mse", "mae", "mape", "msle", "bce", "kld", "MeanSquaredError", "MSE"]
)
def test_names_are_those_of_keras(name):
    found = keras.losses.get(name)
    expected = getattr(found, "__name__", type(found).__name__)
    assert snake(type(lookup.loss_of(name)).__name__) == snake(expected)


@pytest.mark.parametrize("name", ["mse", "MSE", "huber", "Huber", "bce", "CTC", "MeanSquaredError"])
def test_get_returns_the_function_or_the_loss_of_a_name(name):
    ours, theirs = losses.get(name), keras.losses.get(name)
    assert isinstance(ours, losses.Loss) == isinstance(theirs, keras.losses.Loss)
    if not isinstance(ours, losses.Loss):
        assert ours.__name__ == theirs.__name__


def test_get_takes_configs_functions_and_none():
    huber = losses.get({"class_name": "Huber", "config": {"delta": 0.5}})
    assert huber.delta == 0.5
    assert losses.get(None) is None
    assert losses.get(losses.hinge) is losses.hinge
    assert losses.get(huber) is huber
    assert isinstance(losses.get(losses.Dice), losses.Dice)


def test_sequences_are_weighed_by_example_and_by_step():
    labels = RNG.integers(0, 5, size=(2, 3))
    logits = RNG.normal(size=(2, 3, 5)).astype("float32")
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    values = np.asarray(loss.per_example(labels, logits))
    assert values.shape == (2, 3)
    by_example = quick(loss)(labels, logits, np.array([1.0, 0.0]))
    assert_close(by_example, values[0].sum() / 6, rtol=1e-6)
    by_step = quick(loss)(labels, logits, np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    assert_close(by_step, (values[0, :2].sum() + values[1, 0]) / 6, rtol=1e-6)
    true_mean = losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    by_weight = quick(true_mean)(labels, logits, np.array([1.0, 0.0]))
    assert_close(by_weight, values[0].mean(), rtol=1e-6)


def test_ignored_labels_do_not_count():
    labels, logits = np.array([0, -1, 2]), LOGITS[:3].copy()
    logits[1] = np.nan
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    kept = losses.SparseCategoricalCrossentropy(from_logits=True)(labels[::2], logits[::2])
    graded = quick(jax.value_and_grad(loss, argnums=1))
    value, gradient = map(np.asarray, graded(labels, logits))
    assert_close(value, kept, rtol=1e-6)
    assert loss.mask(labels, logits).tolist() == [True, False, True]
    assert gradient[1].tolist() == [0.0] * 5
    assert np.isfinite(gradient).all()
    assert graded(np.array([-1, -1, -1]), logits)[0].item() == 0.0


def test_a_column_of_labels_does_not_make_a_table():
    column, row = jnp.zeros((6, 1)), jnp.arange(6.0)
    for name in ("mse", "mae", "bce", "huber"):
        assert lookup.loss_of(name)(row, column).shape == ()
        np.testing.assert_allclose(
            lookup.loss_of(name)(row, column), lookup.loss_of(name)(row[:, None], column)
        )
    for y, p in ((np.zeros((6, 1)), np.zeros((6, 5))), (np.zeros(5), np.zeros((5, 5)))):
        with pytest.raises(InputError, match="do not match"):
            losses.mean_squared_error(y, p)


@pytest.mark.parametrize(("y", "p"), [((6, 5), (6, 5)), ((5,), (6, 5)), ((), ()), ((6, 2), (6, 5))])
def test_sparse_labels_of_a_wrong_shape_are_told(y, p):
    with pytest.raises(InputError, match="one class label per prediction"):
        losses.sparse_categorical_crossentropy(np.zeros(y, int), np.ones(p))


def test_weights_of_a_wrong_shape_are_told():
    with pytest.raises(InputError, match="sample weights does not match"):
        lookup.loss_of("mse")(BITS, LOGITS, np.ones(5))
    assert lookup.loss_of("mse")(BITS, LOGITS, np.ones((6, 1))).shape == ()


def test_functions_are_losses():
    def spread(y_true, y_pred):
        return jnp.abs(y_true - y_pred).max(-1)

    loss = lookup.loss_of(spread)
    assert loss.name == "spread"
    assert repr(loss) == "FunctionLoss(spread)"
    assert_close(loss(BITS, LOGITS), np.abs(BITS - LOGITS).max(-1).mean(), rtol=1e-6)
    scaled = losses.FunctionLoss(losses.huber, delta=0.3)
    np.testing.assert_allclose(scaled(BITS, LOGITS), losses.Huber(0.3)(BITS, LOGITS))
    single = lookup.loss_of(lambda y, p: jnp.mean((y - p) ** 2))
    assert_close(single(BITS, LOGITS), losses.MeanSquaredError()(BITS, LOGITS), rtol=1e-6)
    weighed = single(BITS, LOGITS, WEIGHTS)
    assert_close(weighed, single(BITS, LOGITS) * WEIGHTS.mean(), rtol=1e-6)


def test_a_users_own_class_works_as_in_keras():
    class Power(losses.Loss):
        def __init__(self, exponent, **options):
            super().__init__(**options)
            self.exponent = exponent

        def call(self, y_true, y_pred):
            return jnp.mean(jnp.abs(y_true - y_pred) ** self.exponent, axis=-1)

    loss = Power(2, reduction="sum")
    assert loss.name == "power"
    assert_close(
        loss(BITS, LOGITS), losses.MeanSquaredError(reduction="sum")(BITS, LOGITS), rtol=1e-6
    )


def test_losses_run_inside_jit():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert_close(jax.jit(loss)(LABELS, LOGITS), loss(LABELS, LOGITS), rtol=1e-6)


def test_an_empty_batch_is_no_nan():
    assert lookup.loss_of("mse")(np.zeros((0, 3)), np.zeros((0, 3))).item() == 0.0


def test_wrong_identifiers():
    with pytest.raises(UnknownNameError, match="Did you mean 'mean_squared_error'"):
        lookup.loss_of("mean_square_error")
    for wrong in (None, 3, int):
        with pytest.raises(InputError, match="loss is not valid"):
            lookup.loss_of(wrong)
    with pytest.raises(InputError, match="unknown reduction"):
        losses.MeanSquaredError(reduction="average")


def test_hard_cases_of_focal_and_circle_are_finite():
    """Far logits, and embeddings that no other has the label of."""
    far = jnp.array([[60.0, -60.0]])
    for loss in (losses.BinaryFocalCrossentropy, losses.CategoricalFocalCrossentropy):
        graded = quick(jax.value_and_grad(loss(from_logits=True), argnums=1))
        value, slope = graded(jnp.array([[0.0, 1.0]]), far)
        assert np.isfinite(value) and np.isfinite(slope).all() and value > 1
    alone = losses.Circle()
    value, slope = quick(jax.value_and_grad(alone, argnums=1))(np.arange(6), UNIT)
    assert value == 0 and (np.asarray(slope) == 0).all()
    assert losses.categorical_generalized_cross_entropy([7], SHARES[:1]).tolist() != [0.0]


def test_wrong_options_and_shapes_are_told():
    with pytest.raises(InputError, match="outside of"):
        losses.CategoricalGeneralizedCrossEntropy(q=1.0)
    with pytest.raises(InputError, match="do not have the shapes of CTC"):
        losses.ctc(LABELS, STEPS)


def test_every_loss_of_keras_is_here():
    theirs = {name for name in dir(keras.losses) if not name.startswith("_")}
    assert theirs - {"serialize", "deserialize"} <= set(losses.__all__)
