"""`lamina.jit`: what it compiles anew, and what it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers

X = jnp.ones((2, 3))


class Blocks(Layer):
    def __init__(self):
        self.blocks = [layers.Dense(3)]
        self.extra = {}

    def call(self, inputs):
        for block in (*self.blocks, *self.extra.values()):
            inputs = block(inputs)
        return inputs


def test_a_list_or_dict_changed_in_place_is_seen() -> None:
    model = Blocks()
    fast = lamina.jit(model)
    for change in [
        lambda: None,
        lambda: model.blocks.append(layers.Dense(3)),
        lambda: model.blocks.__setitem__(0, layers.Dense(3)),
        lambda: model.extra.update(head=layers.Dense(2)),
        lambda: model.blocks.pop(),
    ]:
        change()
        np.testing.assert_allclose(fast(X), model(X), rtol=1e-6)
    assert "extra.head.kernel" in model.values()


class Counts(Layer):
    """A dropout that says how often it was traced."""

    def __init__(self):
        self.drop, self.traced = layers.Dropout(0.5), []

    def call(self, inputs):
        self.traced.append(1)
        return self.drop(inputs)


def test_a_seed_is_not_compiled_in() -> None:
    model = Counts()
    fast = lamina.jit(model)
    first = fast(X, training=True, rng=0)
    before = len(model.traced)
    second = fast(X, training=np.bool_(True), rng=np.int64(1))
    assert len(model.traced) == before
    np.testing.assert_array_equal(first, fast(X, training=True, rng=jax.random.key(0)))
    np.testing.assert_array_equal(second, model(X, training=True, rng=1))


@pytest.mark.parametrize("rng", [0, np.int32(0), jnp.int32(0), jax.random.key(0)])
def test_a_key_may_be_a_whole_number(rng) -> None:
    drop = layers.Dropout(0.5)
    expected = drop(X, training=True, rng=jax.random.key(0))
    np.testing.assert_array_equal(drop(X, training=True, rng=rng), expected)
