"""The normal quantile against the standard library's."""

from statistics import NormalDist

import numpy as np
import pytest

from lamina.core.initial.quantile import DOUBLE, SINGLE, normal_quantile
from tests.close import assert_close


@pytest.mark.parametrize(
    ("precision", "lowest", "tolerance"), [(DOUBLE, 2.0**-52, 2e-15), (SINGLE, 2.0**-33, 3e-7)]
)
def test_against_the_standard_library(precision, lowest, tolerance):
    p = np.concatenate([np.geomspace(lowest, 0.1, 3000), np.linspace(0.05, 0.5, 3001)[:-1]])
    ours = normal_quantile(p - 0.5, precision)
    theirs = [NormalDist().inv_cdf(float(x)) for x in 0.5 + (p - 0.5)]
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


@pytest.mark.parametrize("precision", [DOUBLE, SINGLE])
def test_it_is_odd_and_rises(precision):
    q = np.linspace(-0.4999999, 0.4999999, 20001)
    x = normal_quantile(q.copy(), precision)
    np.testing.assert_array_equal(x, -normal_quantile(-q, precision))
    assert (np.diff(x) > 0).all()
    assert normal_quantile(np.zeros(1), precision)[0] == 0


def test_log_reaches_the_far_tail():
    x = normal_quantile(np.array([-0.5 + 2.0**-54]), DOUBLE)
    assert_close(x, NormalDist().inv_cdf(2.0**-54), rtol=2e-15)
