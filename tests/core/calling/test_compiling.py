"""`lamina.jit`: what it compiles anew, and what it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from tests.close import assert_close

pytestmark = pytest.mark.as_users_run

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
        assert_close(fast(X), model(X), rtol=1e-6)
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


class Clock(Layer):
    """It takes nothing, and counts its calls where it has something to count in."""

    def __init__(self, counts):
        self.counts = counts

    def build(self):
        if self.counts:
            self.ticks = self.add_weight((), "zeros", trainable=False)

    def call(self):
        if not self.counts:
            return jnp.float32(-1)
        self.ticks.assign_add(1)
        return self.ticks.value


@pytest.mark.parametrize("counts", [False, True])
def test_a_layer_may_take_nothing(counts) -> None:
    fast = lamina.jit(Clock(counts))
    assert [float(fast()) for _ in range(3)] == ([1, 2, 3] if counts else [-1] * 3)


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.Dense(4)])
def test_arguments_of_every_kind_come_to_the_same(layer) -> None:
    expected, fast = layer(X), lamina.jit(layer)
    numbers = np.asarray(X)
    for given in (X, numbers, X):
        assert_close(fast(given), expected, rtol=1e-6)
    assert_close(fast(inputs=X), expected, rtol=1e-6)
    assert_close(fast(X, training=False), expected, rtol=1e-6)
    assert_close(jax.jit(fast)(X), expected, rtol=1e-6)
    assert_close(jax.vmap(fast)(X[:, None])[:, 0], expected, rtol=1e-6)


def test_losses_and_penalties_reach_whoever_collects_them() -> None:
    adding = layers.ActivityRegularization(l2=1.0)
    weighing = layers.Dense(
        1, kernel_initializer="ones", kernel_regularizer=lamina.regularizers.L2(1)
    )
    for layer, expected in ((adding, 3.0), (weighing, 3.0), (layers.ReLU(), 0.0)):
        fast = lamina.jit(layer)
        fast(X)
        for _ in range(2):
            with lamina.added_losses() as added:
                fast(X)
            assert_close(sum(map(float, added)), expected, rtol=1e-6)


def test_it_says_what_it_compiles() -> None:
    assert "lamina.jit(Dense.call)" in repr(lamina.jit(layers.Dense(2)))
    assert "lamina.jit(Dense.encode)" in repr(lamina.jit(layers.Dense(2), method="encode"))
