"""Keras, the reference of these tests, runs on JAX."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
