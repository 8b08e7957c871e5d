"""Keras, writing files, and the folder of files of others."""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

FILES = Path(__file__).parents[3] / "../shared/keras_files"


@pytest.fixture(autouse=True)
def _quick_weights(monkeypatch):
    """Let NumPy make the first weights of Keras: JAX compiles programs for each new shape."""
    random = np.random.default_rng(7)

    def made(variable, initializer):
        value = random.uniform(0.1, 1.0, size=variable.shape)
        return variable._initialize(jnp.asarray(value, variable.dtype))

    keras.utils.clear_session(free_memory=False)  # names count from 0 in each test
    monkeypatch.setattr(keras.Variable, "_initialize_with_initializer", made)


@pytest.fixture
def files():
    """The folder of Keras's files and those of others."""
    if not FILES.is_dir():
        pytest.skip("the folder ../shared/keras_files is not there")
    return FILES
