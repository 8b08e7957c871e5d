"""Embedding: Keras's numbers inside the table, NaN outside, masks of zeros."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina.errors import InputError
from lamina.layers import Embedding


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 2)])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
def test_equals_keras(compare, shape, dtype) -> None:
    ids = jnp.asarray(np.random.default_rng(0).integers(0, 6, shape), dtype)
    ours, theirs = Embedding(6, 3), keras.layers.Embedding(6, 3)
    if dtype == "float32":  # Keras's gradient by ids is zeros, ours too
        assert np.isfinite(ours(ids)).all()
    compare(ours, theirs, ids)


@pytest.mark.parametrize("id_", [-1, 6, 1000])
def test_an_id_outside_the_table_gives_nan(id_) -> None:
    rows = np.asarray(Embedding(6, 3)(jnp.array([[0, id_, 5]])))
    assert np.isnan(rows[0, 1]).all()
    assert np.isfinite(rows[0, [0, 2]]).all()


def test_mask_of_zeros() -> None:
    ids = jnp.array([[1, 0, 2]])
    assert Embedding(6, 3, mask_zero=True).compute_mask(ids).tolist() == [[True, False, True]]
    assert Embedding(6, 3).compute_mask(ids) is None


def test_weights_do_not_depend_on_the_input() -> None:
    layer = Embedding(6, 3)
    layer.build((None, None))
    assert {path: value.shape for path, value in layer.values().items()} == {"embeddings": (6, 3)}
    assert layer(jnp.zeros((2, 5), "int32")).shape == (2, 5, 3)


def test_half_precision() -> None:
    assert Embedding(6, 3, dtype="bfloat16")(jnp.array([1])).dtype == "bfloat16"


@pytest.mark.parametrize("sizes", [(0, 3), (6, -1), (6.5, 3), (True, 3)])
def test_sizes_must_be_counts(sizes) -> None:
    with pytest.raises(InputError, match=r"input_dim|output_dim"):
        Embedding(*sizes)
