"""Rows by id: right ones inside the table, NaN outside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.lookup import lookup

TABLE = np.arange(12, dtype="float32").reshape(4, 3)


@settings(deadline=None, max_examples=12)
@given(st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2))
def test_any_shape_of_ids(shape: list[int], seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 4, shape)
    np.testing.assert_array_equal(lookup(TABLE, ids), TABLE[ids])


@pytest.mark.parametrize("id_", [-1, 4, 2**31 - 1, -(2**31)])
def test_an_id_outside_the_table_gives_nan(id_: int) -> None:
    rows = lookup(TABLE, jnp.array([1, id_]))
    np.testing.assert_array_equal(rows[0], TABLE[1])
    assert np.isnan(rows[1]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8", "int8", "bool", "uint32"])
def test_other_dtypes_of_ids_are_cast(dtype: str) -> None:
    np.testing.assert_array_equal(lookup(TABLE, jnp.array([0, 1], dtype)), TABLE[:2])


def test_a_table_longer_than_int8_takes_int8_ids() -> None:
    table = np.arange(300, dtype="float32")[:, None]
    np.testing.assert_array_equal(lookup(table, jnp.array([5, 127], "int8"))[:, 0], [5, 127])


def test_gradient_counts_how_often_a_row_was_read() -> None:
    ids = jnp.array([[1, 1], [3, 9]])
    gradient = jax.grad(lambda table: jnp.nansum(lookup(table, ids)))(jnp.asarray(TABLE))
    np.testing.assert_array_equal(gradient[:, 0], [0, 2, 0, 1])
