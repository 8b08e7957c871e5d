"""Penalties and constraints: the numbers of Keras, and every way to name one."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import constraints, regularizers
from lamina.errors import InputError, UnknownNameError

MATRIX = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
PENALTIES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.3, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": 1}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 1.8, "max_value": 2.0, "rate": 0.4}),
]


@pytest.mark.parametrize(("name", "options"), PENALTIES)
def test_penalties_equal_keras(name, options):
    ours, theirs = getattr(regularizers, name), getattr(keras.regularizers, name)
    np.testing.assert_allclose(
        ours(**options)(MATRIX), theirs(**options)(jnp.array(MATRIX)), rtol=1e-5
    )


@pytest.mark.parametrize(("name", "options"), CONSTRAINTS)
def test_constraints_equal_keras(name, options):
    ours, theirs = getattr(constraints, name), getattr(keras.constraints, name)
    np.testing.assert_allclose(
        ours(**options)(MATRIX), theirs(**options)(MATRIX), rtol=1e-5, atol=1e-7
    )


def test_every_public_name_of_keras_is_there():
    theirs = {name for name in dir(keras.regularizers) if not name.startswith("_")}
    assert theirs <= set(regularizers.__all__)
    theirs = {name for name in dir(keras.constraints) if not name.startswith("_")}
    assert theirs <= set(constraints.__all__)


def test_they_are_found_by_name_class_and_config():
    own = abs
    assert regularizers.get("l2") == regularizers.get(regularizers.L2) == regularizers.L2()
    assert regularizers.get("orthogonal") == regularizers.OrthogonalRegularizer()
    assert regularizers.get(own) is own and regularizers.get(None) is None
    config = {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 1}}
    assert constraints.get(config) == constraints.MaxNorm(3, axis=1)
    assert constraints.get("non_neg") == constraints.NonNeg()


def test_bad_ones_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'orthogonal"):
        regularizers.get("orthogonl")
    with pytest.raises(UnknownNameError, match="max_norm"):
        constraints.get("max_nrom")
    with pytest.raises(InputError, match="regularizer is not valid"):
        regularizers.get(3)
    for make in (
        lambda: regularizers.L1(-1.0),
        lambda: regularizers.L2(float("nan")),
        lambda: regularizers.L1L2(l2=float("inf")),
        lambda: regularizers.OrthogonalRegularizer(mode="both"),
        lambda: regularizers.OrthogonalRegularizer()(np.ones(3)),
    ):
        with pytest.raises(InputError, match="got"):
            make()
