"""Metrics against Keras on JAX, over several batches."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import losses, metrics
from lamina.errors import InputError, UnknownNameError

RNG = np.random.default_rng(0)
SHARES = RNG.dirichlet(np.ones(5), size=(12,)).astype("float32")
LABELS = RNG.integers(0, 5, size=(12,))
ONE_HOT = np.eye(5, dtype="float32")[LABELS]
BITS = RNG.integers(0, 2, size=(12, 5)).astype("float32")
UNIT = RNG.uniform(size=(12, 5)).astype("float32")
SEQUENCES = RNG.integers(0, 5, size=(12, 3))
SEQUENCE_SHARES = RNG.dirichlet(np.ones(5), size=(12, 3)).astype("float32")
WEIGHTS = RNG.uniform(0, 2, size=(12,)).astype("float32")

CASES = [
    ("Accuracy", {}, LABELS, LABELS[::-1].copy()),
    ("BinaryAccuracy", {}, BITS, UNIT),
    ("BinaryAccuracy", {"threshold": 0.2}, BITS, UNIT),
    ("CategoricalAccuracy", {}, ONE_HOT, SHARES),
    ("SparseCategoricalAccuracy", {}, LABELS, SHARES),
    ("SparseCategoricalAccuracy", {}, LABELS[:, None], SHARES),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT, SHARES),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, LABELS, SHARES),
    ("MeanSquaredError", {}, BITS, UNIT),
    ("MeanAbsoluteError", {}, BITS, UNIT),
    ("RootMeanSquaredError", {}, BITS, UNIT),
    ("CosineSimilarity", {}, BITS, UNIT),
    ("Precision", {}, BITS, UNIT),
    ("Precision", {"thresholds": 0.8}, BITS, UNIT),
    ("Precision", {"thresholds": [0.2, 0.9]}, BITS, UNIT),
    ("Precision", {"top_k": 2}, BITS, UNIT),
    ("Precision", {"class_id": 1}, BITS, UNIT),
    ("Recall", {}, BITS, UNIT),
    ("Recall", {"thresholds": [0.2, 0.9]}, BITS, UNIT),
    ("Recall", {"top_k": 2, "class_id": 3}, BITS, UNIT),
]


quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def run(metric, y, p, weights=None):
    """The result over two batches."""

    def over_batches(y, p, weights):
        state = metric.init()
        for part in (slice(0, 5), slice(5, 12)):
            w = None if weights is None else weights[part]
            state = metric.update(state, y[part], p[part], sample_weight=w)
        return metric.result(state)

    return quick(over_batches)(y, p, weights)


def run_keras(metric, y, p, weights=None):
    def over_batches(y, p, weights):
        state = [variable.value for variable in metric.variables]
        for part in (slice(0, 5), slice(5, 12)):
            w = None if weights is None else weights[part]
            state = metric.stateless_update_state(state, y[part], p[part], sample_weight=w)
        return metric.stateless_result(state)

    return quick(over_batches)(y, p, weights)


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES)
def test_weighed_numbers_are_those_of_keras(name, options, y, p):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    weights = WEIGHTS
    if name in ("Precision", "Recall") and "class_id" not in options:
        weights = np.repeat(WEIGHTS[:, None], 5, axis=1)
    expected = run_keras(theirs, y, p, weights)
    np.testing.assert_allclose(run(ours, y, p, WEIGHTS), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "y", "p"),
    [
        ("mse", BITS, UNIT),
        ("mae", BITS, UNIT),
        ("sparse_categorical_crossentropy", LABELS, SHARES),
        ("categorical_crossentropy", ONE_HOT, SHARES),
        ("binary_crossentropy", BITS, UNIT),
        ("kl_divergence", SHARES, SHARES[::-1].copy()),
        ("cosine_similarity", BITS, UNIT),
        ("binary_accuracy", BITS, UNIT),
        ("MeanSquaredError", BITS, UNIT),
        ("TopKCategoricalAccuracy", ONE_HOT, SHARES),
        ("Precision", BITS, UNIT),
        ("recall", BITS, UNIT),
    ],
)
def test_names_are_those_of_keras(name, y, p):
    theirs = keras.metrics.get(name)
    theirs = theirs if isinstance(theirs, keras.Metric) else keras.metrics.MeanMetricWrapper(theirs)
    ours = metrics.get(name)
    assert ours.name == name
    np.testing.assert_allclose(run(ours, y, p), run_keras(theirs, y, p), rtol=1e-5)


@pytest.mark.parametrize("name", ["accuracy", "acc"])
@pytest.mark.parametrize(
    ("kind", "y", "p"),
    [
        ("BinaryAccuracy", BITS[:, :1], UNIT[:, :1]),
        ("BinaryAccuracy", BITS[:, 0], UNIT[:, :1]),
        ("BinaryAccuracy", BITS[:, 0], UNIT[:, 0]),
        ("SparseCategoricalAccuracy", LABELS, SHARES),
        ("SparseCategoricalAccuracy", LABELS[:, None], SHARES),
        ("SparseCategoricalAccuracy", SEQUENCES, SEQUENCE_SHARES),
        ("CategoricalAccuracy", ONE_HOT, SHARES),
    ],
)
def test_plain_accuracy_is_the_one_that_fits_the_shapes(name, kind, y, p):
    metric = metrics.get(name)
    assert metric.name == name
    expected = run(getattr(metrics, kind)(), y, p)
    np.testing.assert_allclose(run(metric, y, p), expected)


@pytest.mark.parametrize("weights", [None, (4,), (4, 3)])
def test_means_of_sequences_are_those_of_keras(weights):
    values = RNG.normal(size=(4, 3)).astype("float32")
    w = None if weights is None else RNG.uniform(size=weights).astype("float32")
    theirs = keras.metrics.Mean()
    theirs.update_state(values, sample_weight=w)
    mean = metrics.Mean("loss")
    assert mean.name == "loss"
    state = mean.update(mean.init(), values, sample_weight=w)
    np.testing.assert_allclose(mean.result(state), np.asarray(theirs.result()), rtol=1e-5)


def test_states_go_through_jit_and_scan():
    metric = metrics.Precision(thresholds=[0.2, 0.5])

    @jax.jit
    def over_batches(y, p):
        def step(state, batch):
            return metric.update(state, *batch), None

        return metric.result(jax.lax.scan(step, metric.init(), (y, p))[0])

    batches = over_batches(BITS.reshape(4, 3, 5), UNIT.reshape(4, 3, 5))
    np.testing.assert_allclose(batches, run(metric, BITS, UNIT), rtol=1e-6)


def test_nothing_seen_is_zero():
    for metric in (metrics.Mean(), metrics.Precision(), metrics.get("accuracy")):
        assert metric.result(metric.init()).item() == 0.0


def test_losses_and_functions_are_metrics():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=2)
    metric = metrics.get(loss)
    assert metric.name == "sparse_categorical_crossentropy"
    np.testing.assert_allclose(run(metric, LABELS, SHARES), loss(LABELS, SHARES), rtol=1e-5)
    weighed = run(metric, LABELS, SHARES, WEIGHTS)
    kept = LABELS != 2
    values = losses.sparse_categorical_crossentropy(LABELS, SHARES)
    expected = (values * WEIGHTS)[kept].sum() / WEIGHTS[kept].sum()
    np.testing.assert_allclose(weighed, expected, rtol=1e-5)

    def far(y_true, y_pred):
        return jnp.abs(y_true - y_pred) > 0.5

    assert metrics.get(far).name == "far"
    np.testing.assert_allclose(run(metrics.get(far), BITS, UNIT), far(BITS, UNIT).mean(), rtol=1e-6)
    assert metrics.get(losses.Huber).name == "huber"
    assert metrics.get(metrics.Recall).name == "recall"
    assert repr(metrics.get(far)) == "FunctionMetric(far)"


def test_a_label_that_is_no_class_is_no_hit():
    shares = jnp.array([[0.1, 0.9], [0.1, 0.9], [0.1, jnp.nan]])
    hits = metrics.sparse_top_k_categorical_accuracy(jnp.array([-1, 2, 1]), shares, k=2)
    assert hits.tolist() == [0.0, 0.0, 0.0]


def test_shapes_that_do_not_fit_are_told():
    for name in ("BinaryAccuracy", "CategoricalAccuracy", "Precision", "RootMeanSquaredError"):
        metric = getattr(metrics, name)()
        with pytest.raises(InputError, match="do not fit together"):
            metric.update(metric.init(), np.zeros(5), np.zeros((5, 5)))


def test_wrong_identifiers():
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(UnknownNameError, match="no metric of that name"):
        metrics.get("mean_square_error")
    for wrong in (None, 3, int):
        with pytest.raises(InputError, match="not a metric"):
            metrics.get(wrong)
