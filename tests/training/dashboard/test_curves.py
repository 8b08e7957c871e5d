"""Curves with more points than a page draws."""

import math

import numpy as np
import pytest

from lamina.training.dashboard.curves import Curve


def made(x, y):
    curve = Curve()
    for at, value in zip(x, y, strict=True):
        curve.add(at, at / 10, math.nan, value)
    return curve


def test_no_peak_is_lost_and_means_are_means():
    rng = np.random.default_rng(0)
    y = rng.normal(size=100_000)
    y[41_234], y[77] = 90.0, -70.0
    found = made(range(100_000), y).points("step", 1000)
    assert len(found["x"]) == 1000
    assert (max(found["high"]), min(found["low"])) == (90.0, -70.0)
    np.testing.assert_allclose(found["y"], y.reshape(1000, 100).mean(1), atol=1e-12)
    np.testing.assert_allclose(found["low"], y.reshape(1000, 100).min(1))
    np.testing.assert_allclose(np.diff(found["x"]), 100)


def test_uneven_steps():
    x = np.concatenate([np.arange(5000), [10_000_000]])
    found = made(x, np.ones(5001)).points("step", 100)
    assert found["x"] == [2499.5, 10_000_000.0]
    assert found["y"] == [1.0, 1.0]


def test_large_values_stay_finite():
    found = made(range(5000), np.full(5000, 1.7e308)).points("step", 10)
    np.testing.assert_allclose(found["y"], 1.7e308)


def test_an_axis_that_is_unknown_has_no_points():
    curve = made(range(5), [1, math.inf, 3, math.nan, 5])
    assert curve.points("time", 10) == {"x": [], "y": []}
    assert curve.points("epoch", 10) == {"x": [0, 0.2, 0.4], "y": [1, 3, 5], "nonfinite": 2}


@pytest.mark.parametrize("step", [-1, 2, 2.5, 9])
def test_values_after_a_step_are_dropped(step):
    curve = made(range(5), range(5))
    curve.drop_after(step)
    assert curve.points("step", 10)["x"] == [x for x in range(5) if x <= step]
