"""Clipping: one way at a time, by a positive limit, and the result of Keras."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina.compat import tf
from lamina.errors import InputError
from lamina.training.optimizers import definitions, lookup

GRADIENTS = {"a": np.array([3.0, 4.0], "float32"), "b": np.array([[0.5, -6.0]], "float32")}


@pytest.mark.parametrize("kind", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_gradients_are_clipped_as_keras_clips_them(kind):
    weights = {path: jnp.ones_like(gradient) for path, gradient in GRADIENTS.items()}
    theirs = [keras.Variable(np.ones_like(gradient)) for gradient in GRADIENTS.values()]
    keras.optimizers.SGD(1.0, **{kind: 2.0}).apply(list(GRADIENTS.values()), theirs)
    for optimizer in (
        definitions.sgd(1.0, **{kind: 2.0}),
        lookup.get("sgd", learning_rate=1.0, **{kind: 2.0}),
    ):
        updates, _ = optimizer.update(GRADIENTS, optimizer.init(weights), weights)
        for update, expected in zip(updates.values(), theirs, strict=True):
            np.testing.assert_allclose(1 + update, np.asarray(expected.value), rtol=1e-5)


@pytest.mark.parametrize("make", [definitions.adam, lambda **o: lookup.get("adam", **o)])
def test_one_way_of_clipping_and_a_positive_limit(make):
    with pytest.raises(InputError, match="in one way only"):
        make(clipnorm=1.0, clipvalue=1.0)
    with pytest.raises(InputError, match="not a positive finite number"):
        make(clipnorm=0.0)


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="foreach"):
        definitions.adam(foreach=True)


def test_keras_names_are_the_same_optimizers():
    named = {name.lower(): getattr(tf.keras.optimizers, name) for name in ("SGD", "AdamW")}
    assert all(isinstance(definitions.OPTIMIZERS[name](), kind) for name, kind in named.items())
