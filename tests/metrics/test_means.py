"""Means over examples: each example counts once, whatever the shape of the predictions."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import layers, losses, metrics
from tests.close import assert_close

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, size=7).astype("float32")
UNIT = RNG.uniform(0.1, 0.9, size=7).astype("float32")
WEIGHTS = RNG.uniform(0.1, 2.0, size=7).astype("float32")

MEANS = [
    "BinaryCrossentropy",
    "Hinge",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "RootMeanSquaredError",
    "SquaredHinge",
    "BinaryAccuracy",
]


def over_batches(metric, y, p, weights, size=3):
    state = metric.init()
    for start in range(0, len(p), size):
        part = slice(start, start + size)
        w = None if weights is None else weights[part]
        state = metric.update(state, y[part], p[part], sample_weight=w)
    return metric.result(state)


def flat_mean(y_true, y_pred):
    return jnp.mean(jnp.abs(y_true - y_pred))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("labels", [(7,), (7, 1)])
def test_predictions_without_an_axis_of_outputs_count_as_a_column(name, weights, labels):
    theirs = getattr(keras.metrics, name)()
    theirs.update_state(BITS[:, None], UNIT[:, None], sample_weight=weights)
    found = over_batches(getattr(metrics, name)(), BITS.reshape(labels), UNIT, weights)
    assert_close(found, theirs.result(), rtol=1e-5)


@pytest.mark.parametrize(
    "metric",
    [
        lambda: metrics.get("mae"),
        lambda: metrics.get(losses.mean_absolute_error),
        lambda: metrics.get(losses.MeanAbsoluteError()),
        lambda: metrics.FunctionMetric(functools.partial(losses.mean_absolute_error)),
    ],
)
def test_names_functions_and_losses_weight_examples(metric):
    error = np.abs(BITS - UNIT)
    assert_close(over_batches(metric(), BITS, UNIT, None), error.mean(), rtol=1e-6)
    expected = (error * WEIGHTS).sum() / WEIGHTS.sum()
    assert_close(over_batches(metric(), BITS, UNIT, WEIGHTS), expected, rtol=1e-6)


def test_one_value_for_a_batch_counts_for_each_of_its_examples():
    metric = metrics.get(flat_mean)
    error = np.abs(BITS - UNIT)
    assert_close(over_batches(metric, BITS, UNIT, None), error.mean(), rtol=1e-6)
    sums = [WEIGHTS[part].sum() for part in (slice(3), slice(3, 6), slice(6, 7))]
    parts = [error[part].mean() for part in (slice(3), slice(3, 6), slice(6, 7))]
    assert_close(
        over_batches(metric, BITS, UNIT, WEIGHTS), np.dot(sums, parts) / np.sum(sums), rtol=1e-6
    )
    steps = np.ones((7, 2), "float32")  # weights of steps
    assert_close(over_batches(metric, BITS, UNIT, steps), error.mean(), rtol=1e-6)


@pytest.mark.parametrize("metric", ["mae", losses.mean_absolute_error, flat_mean])
def test_a_short_last_batch_counts_by_its_size(metric):
    x = np.zeros((33, 1), "float32")
    x[32] = 8.0
    model = lamina.Sequential([lamina.Input((1,)), layers.Reshape(())])
    model.compile("sgd", "mse", metrics=[metric])
    logs = model.evaluate(x, np.zeros(33, "float32"), batch_size=32, verbose=0, return_dict=True)
    name = metric if isinstance(metric, str) else metric.__name__
    assert_close(logs[name], 8.0 / 33, rtol=1e-6)


def over_a_batch(metric, state, y, p):
    return metric.result(metric.update(state, y, p))


def test_results_come_in_the_dtype_that_is_asked_for():
    made = [
        metrics.Mean("loss", "float16"),
        metrics.MeanSquaredError(dtype="float16"),
        metrics.BinaryAccuracy("hits", "float16", 0.3),
        metrics.RootMeanSquaredError(dtype="float16"),
        metrics.LossMetric(losses.Huber(), dtype="float16"),
        metrics.AUC(dtype="float16"),
        metrics.Precision(dtype="float16"),
        metrics.TruePositives(dtype="float16"),
        metrics.BinaryIoU(dtype="float16"),
        metrics.PrecisionAtRecall(0.5, dtype="float16"),
    ]
    for metric in made:
        state = metric.init(BITS, UNIT) if metric.shaped else metric.init()
        found = jax.jit(over_a_batch, static_argnums=0)(metric, state, BITS, UNIT)
        assert (found.dtype, state[0].dtype) == ("float16", "float32"), metric
    for metric in (metrics.R2Score("uniform_average", 0, "r", "float16"), metrics.F1Score()):
        two = BITS[:, None]
        state = metric.init(two, two)
        found = jax.jit(over_a_batch, static_argnums=0)(metric, state, two, UNIT[:, None])
        assert found.dtype == (metric.dtype or "float32")
