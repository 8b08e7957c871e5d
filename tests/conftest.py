"""What all tests share: Keras, the oracle of numbers, runs on JAX here."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
