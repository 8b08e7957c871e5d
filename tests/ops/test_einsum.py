"""Products by an equation: numbers, dtypes."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.einsum import einsum


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ab,bc->ac", [(2, 3), (3, 4), (4,)]),
        ("...ab,bcd->...acd", [(2, 5, 3, 4), (4, 2, 3), (2, 1)]),
        ("abc,cd->adb", [(2, 5, 3), (3, 4), (4, 1)]),
    ],
)
def test_numbers_are_those_of_numpy(equation: str, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    x, kernel, bias = (rng.normal(size=shape).astype("float32") for shape in shapes)
    product = np.einsum(equation, x, kernel)
    np.testing.assert_allclose(einsum(equation, x, kernel), product, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        einsum(equation, x, kernel, bias), product + bias, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("bfloat16", "bfloat16", "bfloat16"),
        ("bfloat16", "float32", "float32"),
        ("int32", "int32", "float32"),
    ],
)
def test_dtypes_meet(left: str, right: str, expected: str) -> None:
    y = einsum("ab,bc->ac", jnp.ones((2, 3), left), jnp.ones((3, 4), right))
    assert y.dtype == expected
