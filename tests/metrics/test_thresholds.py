"""Metrics of decisions at thresholds: predictions outside of [0, 1], and the checks of options."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
import pytest

from lamina import metrics
from lamina.errors import InputError
from tests.close import assert_close

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, size=(24, 3)).astype("float32")
SCORES = RNG.normal(0.5, 2.0, size=(24, 3)).astype("float32") + BITS
WEIGHTS = RNG.uniform(0.1, 2.0, size=24).astype("float32")

CURVES = [
    ("AUC", {}),
    ("AUC", {"curve": "PR"}),
    ("AUC", {"curve": "PRGAIN"}),
    ("AUC", {"num_thresholds": 5, "summation_method": "minoring"}),
    ("AUC", {"thresholds": [0.25, 0.5, 0.75]}),
    ("AUC", {"from_logits": True}),
    ("AUC", {"multi_label": True}),
    ("PrecisionAtRecall", {"recall": 0.5}),
    ("RecallAtPrecision", {"precision": 0.6, "class_id": 1}),
    ("SensitivityAtSpecificity", {"specificity": 0.5}),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5, "num_thresholds": 1}),
    ("Precision", {"thresholds": [0.2, 0.9]}),
    ("Precision", {"thresholds": [0.5]}),
    ("Recall", {"top_k": 2}),
    ("TruePositives", {"thresholds": [1.0]}),
    ("FalsePositives", {}),
]


def result(metric, y, p, weights=None):
    def over_a_batch(y, p, weights):
        state = metric.init(y, p) if metric.shaped else metric.init()
        return metric.result(metric.update(state, y, p, sample_weight=weights))

    return jax.jit(over_a_batch)(y, p, weights)


def result_of_keras(metric, y, p, weights):
    if not metric.variables:  # some are made when they are first needed
        metric.update_state(y, p)
        metric.reset_state()
    state = [variable.value for variable in metric.variables]

    def over_a_batch(y, p, weights):
        after = metric.stateless_update_state(state, y, p, sample_weight=weights)
        return metric.stateless_result(after)

    return jax.jit(over_a_batch)(y, p, weights)


@pytest.mark.parametrize(
    ("name", "options", "weights"),
    [
        *((name, options, None) for name, options in CURVES),
        ("AUC", {}, WEIGHTS),  # one of each kind; test_metrics weighs all of them
        ("PrecisionAtRecall", {"recall": 0.5}, WEIGHTS),
        ("Precision", {"thresholds": [0.2, 0.9]}, WEIGHTS),
        ("Recall", {"top_k": 2}, WEIGHTS),
    ],
)
def test_predictions_outside_of_0_and_1_count_as_in_keras(name, options, weights):
    theirs = getattr(keras.metrics, name)(**options)
    expected = result_of_keras(theirs, BITS, SCORES, weights)
    found = result(getattr(metrics, name)(**options), BITS, SCORES, weights)
    assert found.shape == np.shape(expected)
    assert_close(found, expected, rtol=1e-5)


@pytest.mark.parametrize("thresholds", [None, [0.3], [0.2, 0.35, 0.9]])
@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_scores_that_separate_the_labels_have_an_area_of_1(curve, thresholds):
    auc = metrics.AUC(curve=curve, thresholds=thresholds)
    assert_close(result(auc, np.array([0, 0, 1, 1]), np.array([-3.0, -1.0, 2.0, 4.0])), 1.0, 1e-6)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        *((name, ()) for name in ("AUC", "Precision", "Recall", "TruePositives")),
        *((name, ()) for name in ("TrueNegatives", "FalsePositives", "FalseNegatives")),
    ],
)
@pytest.mark.parametrize("thresholds", [[1.5], [0.2, -0.1], [float("nan")], [None], ["a"], []])
def test_thresholds_outside_of_0_and_1_are_errors(name, first, thresholds):
    with pytest.raises(InputError, match=f"{name} got thresholds"):
        getattr(metrics, name)(*first, thresholds=thresholds)


def test_thresholds_may_be_arrays():
    for thresholds in (np.array([0.2, 0.6], "float32"), (0.2, 0.6)):
        assert result(metrics.Precision(thresholds), BITS, SCORES).shape == (2,)
        assert result(metrics.AUC(thresholds=thresholds), BITS, SCORES).shape == ()


def test_options_that_do_not_fit_the_predictions_are_errors():
    for metric in (metrics.Precision(class_id=3), metrics.PrecisionAtRecall(0.5, class_id=3)):
        with pytest.raises(InputError, match="class_id"):
            result(metric, BITS, SCORES)
    with pytest.raises(InputError, match="top_k"):
        result(metrics.Recall(top_k=4), BITS, SCORES)
    with pytest.raises(InputError, match="several labels"):
        result(metrics.AUC(multi_label=True), BITS[:, 0], SCORES[:, 0])
    with pytest.raises(InputError, match="several labels"):
        result(metrics.AUC(multi_label=True, num_labels=4), BITS, SCORES)
    assert metrics.AUC(num_thresholds=np.int64(5)).thresholds_used().shape == (5,)
