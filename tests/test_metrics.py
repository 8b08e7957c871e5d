"""Metrics against Keras on JAX, over several batches."""

import functools
import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import Spec, losses, metrics
from lamina.errors import InputError, UnknownNameError
from tests.close import assert_close

RNG = np.random.default_rng(0)
SHARES = RNG.dirichlet(np.ones(5), size=(12,)).astype("float32")
LABELS = RNG.integers(0, 5, size=(12,))
ONE_HOT = np.eye(5, dtype="float32")[LABELS]
BITS = RNG.integers(0, 2, size=(12, 5)).astype("float32")
UNIT = RNG.uniform(size=(12, 5)).astype("float32")
RATES = RNG.uniform(size=(12, 5)).astype("float32")
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
    ("MeanAbsolutePercentageError", {}, UNIT, BITS),
    ("MeanSquaredLogarithmicError", {}, BITS, UNIT),
    ("LogCoshError", {}, BITS, UNIT),
    ("PearsonCorrelation", {}, RATES, UNIT),
    ("ConcordanceCorrelation", {}, RATES, UNIT),
    ("R2Score", {}, RATES, UNIT),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, RATES, UNIT),
    ("R2Score", {"class_aggregation": None}, RATES, UNIT),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, BITS, UNIT),
    ("CategoricalCrossentropy", {}, ONE_HOT, SHARES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS, SHARES),
    ("KLDivergence", {}, SHARES[::-1].copy(), SHARES),
    ("Poisson", {}, BITS, UNIT),
    ("Hinge", {}, BITS, UNIT),
    ("SquaredHinge", {}, BITS, UNIT),
    ("CategoricalHinge", {}, ONE_HOT, SHARES),
    ("F1Score", {}, ONE_HOT, SHARES),
    ("F1Score", {"average": "micro", "threshold": 0.3}, BITS, UNIT),
    ("FBetaScore", {"average": "macro", "beta": 2.0}, ONE_HOT, SHARES),
    ("FBetaScore", {"average": "weighted", "beta": 0.5}, ONE_HOT, SHARES),
    ("AUC", {}, BITS, UNIT),
    ("AUC", {"curve": "PR"}, BITS, UNIT),
    ("AUC", {"curve": "PRGAIN"}, BITS, UNIT),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, BITS, UNIT),
    ("AUC", {"summation_method": "majoring", "num_thresholds": 7}, BITS, UNIT),
    ("AUC", {"thresholds": [0.2, 0.35, 0.9]}, BITS, UNIT),
    ("AUC", {"from_logits": True}, BITS, 4 * UNIT - 2),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5, 1.0, 3.0]}, BITS, UNIT),
    ("PrecisionAtRecall", {"recall": 0.6}, BITS, UNIT),
    ("RecallAtPrecision", {"precision": 0.55, "class_id": 2}, BITS, UNIT),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, BITS, UNIT),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 1}, BITS, UNIT),
    ("TruePositives", {}, BITS, UNIT),
    ("TrueNegatives", {"thresholds": 0.3}, BITS, UNIT),
    ("FalsePositives", {"thresholds": [0.1, 0.8]}, BITS, UNIT),
    ("FalseNegatives", {}, BITS, UNIT),
]
COUNTED = ("Precision", "Recall", "AUC", "PrecisionAtRecall", "TruePositives", "TrueNegatives")
COUNTED += ("FalsePositives", "FalseNegatives", "SensitivityAtSpecificity")
COUNTED += ("SpecificityAtSensitivity",)
UNWEIGHED = [
    ("AUC", {"multi_label": True, "num_labels": 5}, BITS, UNIT),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5, 1.0, 3.0]}, BITS, UNIT),
    ("IoU", {"num_classes": 5, "target_class_ids": [0, 2]}, LABELS, LABELS[::-1].copy()),
    ("IoU", {"num_classes": 4, "target_class_ids": [1]}, LABELS, LABELS[::-1].copy()),
    ("MeanIoU", {"num_classes": 5}, LABELS, LABELS[::-1].copy()),
    ("MeanIoU", {"num_classes": 5, "ignore_class": 2}, LABELS, LABELS[::-1].copy()),
    ("MeanIoU", {"num_classes": 5, "sparse_y_pred": False}, LABELS, SHARES),
    ("OneHotIoU", {"num_classes": 5, "target_class_ids": [0, 4]}, ONE_HOT, SHARES),
    ("OneHotMeanIoU", {"num_classes": 5}, ONE_HOT, SHARES),
    ("BinaryIoU", {}, BITS, UNIT),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.3}, BITS, UNIT),
    ("Sum", {}, UNIT[:, 0], None),
]


quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def over_batches(runs, y, p, weights):
    """The results of all runs, which are (update, result, state), over two batches.

    They are of one size where weights tell them apart: one program updates the states with both.
    """
    updates, results, states = zip(*runs, strict=True)

    def update(states, given, weights):
        return [f(state, given, w) for f, state, w in zip(updates, states, weights, strict=True)]

    def result(states):
        return [f(state) for f, state in zip(results, states, strict=True)]

    if weights is not None:
        step = quick(update)
        for part in (slice(0, 12, 2), slice(1, 12, 2)):
            states = step(states, (y[part], p[part]), [w[part] for w in weights])
        return quick(result)(states)

    def both(states, given):
        for part in (slice(0, 5), slice(5, 12)):
            states = update(states, [one[part] for one in given], [None] * len(runs))
        return result(states)

    return quick(both)(states, [one for one in (y, p) if one is not None])


def of_ours(metric, y, p):
    def update(state, given, weights):
        return metric.update(state, *given, sample_weight=weights)

    return update, metric.result, metric.init(y, p) if metric.shaped else metric.init()


def of_keras(metric, y, p):
    def update(state, given, weights):
        return metric.stateless_update_state(state, *given, sample_weight=weights)

    if not metric.variables:  # some are made when they are first needed
        metric.update_state(y, p)
        metric.reset_state()
    return update, metric.stateless_result, [variable.value for variable in metric.variables]


def run(metric, y, p, weights=None):
    given = None if weights is None else [weights]
    return over_batches([of_ours(metric, y, p)], y, p, given)[0]


def run_both(ours, theirs, y, p, weights=None):
    """The results of a metric and of one of Keras, each with its own weights."""
    return over_batches([of_ours(ours, y, p), of_keras(theirs, y, p)], y, p, weights)


@pytest.mark.parametrize(("name", "options", "y", "p"), CASES)
def test_weighed_numbers_are_those_of_keras(name, options, y, p):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    weights = WEIGHTS
    if name in COUNTED and "class_id" not in options:
        weights = np.repeat(WEIGHTS[:, None], 5, axis=1)
    found, expected = run_both(ours, theirs, y, p, [WEIGHTS, weights])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "options", "y", "p"), UNWEIGHED)
def test_numbers_are_those_of_keras(name, options, y, p):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    np.testing.assert_allclose(*run_both(ours, theirs, y, p), rtol=1e-5)


def test_r2_that_counts_regressors_is_that_of_keras():
    """Keras computes this result outside of compiled programs alone."""
    theirs = keras.metrics.R2Score(num_regressors=2)
    for part in (slice(0, 5), slice(5, 12)):
        theirs.update_state(RATES[part], UNIT[part])
    ours = metrics.R2Score(num_regressors=2)
    np.testing.assert_allclose(run(ours, RATES, UNIT), theirs.result(), rtol=1e-5)


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
    np.testing.assert_allclose(*run_both(ours, theirs, y, p), rtol=1e-5)


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
    assert_close(batches, run(metric, BITS, UNIT), rtol=1e-6)


def test_nothing_seen_is_zero():
    for metric in (metrics.Mean(), metrics.Precision(), metrics.get("accuracy")):
        assert metric.result(metric.init()).item() == 0.0


def test_losses_and_functions_are_metrics():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=2)
    metric = metrics.get(loss)
    assert metric.name == "sparse_categorical_crossentropy"
    functions = loss, losses.sparse_categorical_crossentropy
    mean, values = quick(lambda y, p: [f(y, p) for f in functions])(LABELS, SHARES)
    np.testing.assert_allclose(run(metric, LABELS, SHARES), mean, rtol=1e-5)
    weighed = run(metric, LABELS, SHARES, WEIGHTS)
    kept = LABELS != 2
    expected = (np.asarray(values) * WEIGHTS)[kept].sum() / WEIGHTS[kept].sum()
    np.testing.assert_allclose(weighed, expected, rtol=1e-5)

    def far(y_true, y_pred):
        return jnp.abs(y_true - y_pred) > 0.5

    assert metrics.get(far).name == "far"
    assert_close(run(metrics.get(far), BITS, UNIT), (np.abs(BITS - UNIT) > 0.5).mean(), rtol=1e-6)
    assert metrics.get(losses.Huber).name == "huber"
    assert metrics.get(metrics.Recall).name == "recall"
    assert repr(metrics.get(far)) == "FunctionMetric(far)"
    wrapped = metrics.MeanMetricWrapper(fn=far, name="share", dtype="float16")
    assert wrapped.name == "share"
    assert run(wrapped, BITS, UNIT).dtype == "float16"


def test_get_takes_configs_and_none():
    assert metrics.get({"class_name": "Precision", "config": {"top_k": 2}}).top_k == 2
    assert metrics.get(None) is None


def test_a_label_that_is_no_class_is_no_hit():
    shares = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, np.nan]], "float32")
    hits_of = quick(functools.partial(metrics.sparse_top_k_categorical_accuracy, k=2))
    hits = hits_of(np.array([-1, 2, 1]), shares)
    assert hits.tolist() == [0.0, 0.0, 0.0]


def test_shapes_that_do_not_fit_are_told():
    for name in ("BinaryAccuracy", "CategoricalAccuracy", "Precision", "RootMeanSquaredError"):
        metric = getattr(metrics, name)()
        with pytest.raises(InputError, match="do not match"):
            metric.update(metric.init(), np.zeros(5), np.zeros((5, 5)))


def test_wrong_identifiers():
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(UnknownNameError, match="Unknown metric"):
        metrics.get("mean_square_error")
    for wrong in (3, int):
        with pytest.raises(InputError, match="metric is not valid"):
            metrics.get(wrong)


def test_perplexity_is_the_exponential_of_the_mean_over_tokens():
    labels = np.array([[1, 2, 0], [3, 0, 0]])
    logits = RNG.normal(size=(2, 3, 5)).astype("float32")
    values_of = quick(functools.partial(losses.sparse_categorical_crossentropy, from_logits=True))
    values = np.asarray(values_of(labels, logits))
    found = run_once(metrics.Perplexity(from_logits=True, ignore_class=0), labels, logits)
    np.testing.assert_allclose(found, np.exp(values[labels != 0].mean()), rtol=1e-5)
    assert metrics.get("perplexity").name == "perplexity"


def run_once(metric, *given, weights=None):
    """The result over one batch, of a metric of Lamina or of Keras."""
    side = of_keras if isinstance(metric, keras.Metric) else of_ours
    update, result, state = side(metric, *given)
    return quick(lambda *given: result(update(state, *given)))(given, weights)


def test_thresholds_are_counted_as_comparisons_would_count_them():
    random = np.random.default_rng(1)
    p, y = random.uniform(size=1000).astype("float32"), random.integers(0, 2, 1000)
    p[::7] = 0.5  # ties
    auc = metrics.AUC(num_thresholds=3)
    state = quick(auc.update)(auc.init(), y, p)
    order = np.linspace(0, 1, 3)
    hits = [(y[p > level].sum()) for level in (-1, order[1], 2)]
    above = np.asarray(state[0]).sum() - np.cumsum(np.asarray(state[0])[:, 0])[:-1]
    np.testing.assert_array_equal(above, hits)


def test_classes_and_columns_are_known_from_the_predictions():
    score = metrics.FBetaScore()
    state = score.init(None, Spec((None, 5), "float32"))
    assert state[0].shape == (5,)
    grown = score.update(score.init(), ONE_HOT, SHARES)
    assert grown[0].shape == (5,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: metrics.FBetaScore(average="mean"),
        lambda: metrics.FBetaScore(beta=0.0),
        lambda: metrics.F1Score(threshold=2.0),
        lambda: metrics.R2Score(class_aggregation="sum"),
        lambda: metrics.IoU(3, [3]),
        lambda: metrics.AUC(curve="DET"),
        lambda: metrics.AUC(summation_method="trapezoid"),
        lambda: metrics.PrecisionAtRecall(1.5),
    ],
)
def test_options_that_mean_nothing_are_told(make):
    with pytest.raises(InputError):
        make()


def test_every_metric_of_keras_is_here():
    theirs = {name for name in dir(keras.metrics) if not name.startswith("_")}
    assert theirs - {"serialize", "deserialize"} <= set(metrics.__all__)


# Options and names as Keras has them.


@pytest.mark.parametrize("name", sorted(set(metrics.__all__) & set(dir(keras.metrics))))
def test_a_name_stands_where_keras_has_it(name):
    ours, theirs = getattr(metrics, name), getattr(keras.metrics, name)
    if isinstance(theirs, type) and name != "Metric":
        first, *_ = list(inspect.signature(theirs).parameters)
        if first == "name":
            assert ours("other").name == "other"


@pytest.mark.parametrize("name", sorted(set(metrics.__all__) & set(dir(keras.metrics))))
def test_options_have_the_names_and_places_of_keras(name):
    ours, theirs = (
        list(inspect.signature(getattr(m, name)).parameters) for m in (metrics, keras.metrics)
    )
    if name == "serialize":  # one function serves metrics, losses and others
        ours = ["metric", *ours[1:]]
    plain = [option for option in ours if option != "options"]
    assert plain == [option for option in theirs if option != "kwargs"]


def test_names_by_position():
    assert metrics.MeanAbsoluteError("error").name == "error"
    assert metrics.BinaryAccuracy("hits").threshold == 0.5
    top = metrics.TopKCategoricalAccuracy(2, "top2")
    assert (top.k, top.name) == (2, "top2")
    assert metrics.SparseTopKCategoricalAccuracy().name == "sparse_top_k_categorical_accuracy"


def test_ids_that_are_sorted_are_looked_up():
    labels, ids = np.array([1, 0, 2]), np.array([[2, 1, 0], [1, 2, 0], [2, 0, 1]])
    for k in (1, 2, 3):
        ours = metrics.SparseTopKCategoricalAccuracy(k, from_sorted_ids=True)
        theirs = keras.metrics.SparseTopKCategoricalAccuracy(k, from_sorted_ids=True)
        assert_close(run_once(ours, labels, ids), run_once(theirs, labels, ids), rtol=1e-6)


@pytest.mark.parametrize("weights", [None, np.ones(12, "float32"), WEIGHTS])
@pytest.mark.parametrize("shape", [(12,), (4, 3)])
def test_an_ignored_class_counts_as_in_keras(weights, shape):
    labels, shares = LABELS.reshape(shape), SHARES.reshape(*shape, 5)
    weights = None if weights is None else weights.reshape(shape)
    ours = metrics.SparseCategoricalCrossentropy(ignore_class=2)
    theirs = keras.metrics.SparseCategoricalCrossentropy(ignore_class=2)
    found, expected = (run_once(m, labels, shares, weights=weights) for m in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("labels", "predictions", "kind"),
    [
        (LABELS, SHARES, losses.sparse_categorical_crossentropy),
        (ONE_HOT, SHARES, losses.categorical_crossentropy),
        (BITS[:, :1], UNIT[:, :1], losses.binary_crossentropy),
    ],
)
@pytest.mark.parametrize("name", ["crossentropy", "ce"])
def test_crossentropy_is_that_which_the_shapes_fit(labels, predictions, kind, name):
    metric = metrics.get(name)
    assert metric.name == name
    expected = np.asarray(quick(kind)(labels, predictions)).mean()
    assert_close(run_once(metric, labels, predictions), expected, rtol=1e-6)


def test_thresholds_too_few_and_classes_that_are_not_there_are_told():
    for count in (1, 2.5, -3):
        with pytest.raises(InputError, match="num_thresholds"):
            metrics.AUC(num_thresholds=count)
    for kind in (metrics.Precision, metrics.Recall):
        metric = kind(class_id=1)
        with pytest.raises(InputError, match="axis of classes"):
            metric.update(metric.init(), BITS[:, 0], UNIT[:, 0])
