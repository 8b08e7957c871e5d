"""Encodings of categories, bins, and quantiles of data in batches."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.categories import digitize, encode
from lamina.ops.quantiles import Summary, boundaries, merged, summary_of


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("multi_hot", [[1, 0, 1], [0, 0, 0]]),
        ("count", [[1, 0, 2], [0, 0, 0]]),
        ("one_hot", [[[0, 0, 1], [1, 0, 0], [0, 0, 1]], [[0, 0, 0]] * 3]),
    ],
)
def test_indices_out_of_range_are_left_out(mode, expected):
    found = encode(jnp.array([[2, 0, 2], [-1, 3, 9]]), mode, 3, "float32")
    assert found.tolist() == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int8"])
def test_bins_are_exact_for_narrow_inputs(dtype):
    found = digitize(jnp.array([0, 1, 2], dtype), [0.999, 1.001])
    assert found.tolist() == [0, 1, 2]


def test_quantiles_of_batches_are_those_of_all_data():
    data = np.random.default_rng(0).permutation(10_000).astype("float32")
    found = Summary.empty()
    for part in np.split(data, 20):
        found = merged(summary_of(part, 0.001), found, 0.001)
    np.testing.assert_allclose(boundaries(found, 4), [2500, 5000, 7500], atol=50)
    assert len(found.values) <= 1002
