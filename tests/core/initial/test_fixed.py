import numpy as np
import pytest

from lamina import initializers
from lamina.core.initial.fixed import fixed_value


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        ("zeros", np.zeros((2, 2))),
        (initializers.Constant(3.0), np.full((2, 2), 3.0)),
        (initializers.Identity(2.0), 2.0 * np.eye(2)),
    ],
)
def test_values_that_are_not_random(initializer, expected):
    found = fixed_value(initializers.get(initializer), (2, 2), np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("initializer", ["glorot_uniform", lambda key, shape, dtype: None])
def test_random_values_and_functions_have_none(initializer):
    assert fixed_value(initializers.get(initializer), (2, 2), np.float32) is None
