"""Metrics from names and configs."""

import keras
import pytest

import lamina
from lamina import metrics
from lamina.errors import InputError

METRICS = [
    metrics.IoU(3, [0]),
    metrics.MeanIoU(3),
    metrics.OneHotIoU(3, [0]),
    metrics.OneHotMeanIoU(3),
    metrics.PrecisionAtRecall(0.5),
    metrics.RecallAtPrecision(0.5),
    metrics.SensitivityAtSpecificity(0.5),
    metrics.SpecificityAtSensitivity(0.5),
    metrics.FBetaScore(beta=2.0),
    metrics.AUC(thresholds=[0.5]),
]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_a_config_gives_the_metric_with_its_options(metric):
    kind = type(metric)
    for config in (
        lamina.serialize(metric),
        {"class_name": kind.__name__, "config": metric.get_config()},
    ):
        found = metrics.get(config)
        assert type(found) is kind and found.get_config() == metric.get_config()


@pytest.mark.parametrize("metric", [keras.metrics.MeanIoU(3), keras.metrics.PrecisionAtRecall(0.5)])
def test_a_config_of_keras_gives_the_same_metric(metric):
    config = {"class_name": type(metric).__name__, "config": metric.get_config()}
    found = metrics.get(config)
    assert type(found).__name__ == type(metric).__name__ and found.name == metric.name


@pytest.mark.parametrize("name", ["mse", "mae", "mape", "msle", "bce", "MSE", "BCE"])
def test_short_names_are_those_of_keras(name):
    assert type(metrics.get(name)).__name__ == type(keras.metrics.get(name)).__name__


@pytest.mark.parametrize(
    "options",
    [{"beta": None}, {"beta": "1"}, {"beta": -1.0}, {"threshold": "0.5"}, {"threshold": [0.5]}],
)
def test_options_of_f_scores_are_numbers(options):
    with pytest.raises(InputError, match=f"invalid {next(iter(options))}"):
        metrics.FBetaScore(**options)
