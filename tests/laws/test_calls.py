"""One law: a program gives the same outputs, state and losses whatever interprets its call.

The programs do what a call can do: draw, assign, add losses, be rematerialised, scan, branch, give
keys, and call other layers purely.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from lamina.core.running.substitution import substituted
from tests.close import assert_close


class Counting(Layer):
    """Counts its calls, adds a loss, and drops elements."""

    def __init__(self, rate=0.5):
        self.dropout = layers.Dropout(rate)
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.count = self.add_weight((), "zeros", trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        outputs = self.dropout(self.dense(inputs))
        self.add_loss(outputs.mean())
        return outputs


class Program(Layer):
    """A layer around a function of itself and its input."""

    def __init__(self, function):
        self.function = function
        self.inner = Counting()

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs):
        return self.function(self, inputs)


def once(self, x):
    return self.inner(x)


def twice(self, x):
    return self.inner(x) + 2 * self.inner(x)


def remat_once(self, x):
    return lamina.checkpoint(self.inner)(x)


def remat_twice(self, x):
    inner = lamina.checkpoint(self.inner)
    return inner(x) + 2 * inner(x)


def remat_and_plain(self, x):
    return lamina.checkpoint(self.inner)(x) + 2 * self.inner(x)


def nested_remat(self, x):
    class Outer(Layer):
        def call(this, x):  # noqa: N805
            return lamina.checkpoint(self.inner)(x) + self.inner(x)

    return lamina.checkpoint(Outer())(x)


def keys_in_call(self, x):
    key = self.rng()
    drop = self.inner.dropout
    keys = [jax.random.fold_in(key, i) for i in range(3)]
    return x @ self.inner.dense.kernel + sum(10**i * drop(x, rng=k) for i, k in enumerate(keys))


def one_key_again(self, x):
    key = self.rng()
    drop = self.inner.dropout
    return drop(x, rng=key) + 10 * drop(x, rng=key) + self.inner.dense(x)


def scanned(self, x):
    keys = jax.random.split(self.rng(), 5)

    def step(carry, key):
        return carry + self.inner.dropout(self.inner.dense(carry), rng=key), carry.mean()

    last, means = jax.lax.scan(step, x, keys)
    return last + means.sum()


def branched(self, x):
    draw = self.rng()
    return jax.lax.cond(
        x.sum() > 0,
        lambda x: self.inner.dropout(self.inner.dense(x), rng=draw),
        lambda x: x,
        x,
    )


def applied(self, x):
    values = self.inner.values()
    outputs, new = self.inner.apply(values, x, rng=self.rng())
    return outputs + new["count"] + self.inner(x)


def replaced(self, x):
    kernel = self.inner.dense.kernel
    with substituted(kernel, kernel.value * 2):
        outputs = self.inner(x)
    return outputs + self.inner(x)


PROGRAMS = [
    once, twice, remat_once, remat_twice, remat_and_plain, nested_remat, keys_in_call,
    one_key_again, scanned, branched, applied, replaced,
]  # fmt: skip

X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), "float32")
KEY = jax.random.key(3)


def built(function):
    layer = Program(function)
    layer.build(X, seed=1)
    return layer


def live(layer):
    with lamina.added_losses() as added:
        outputs = layer(X, training=True, rng=KEY)
    return outputs, layer.values(), sum(added, jnp.zeros(()))


def compiled(layer):
    with lamina.added_losses() as added:
        outputs = lamina.jit(layer)(X, training=True, rng=KEY)
    return outputs, layer.values(), sum(added, jnp.zeros(()))


def pure(layer, transform=lambda function: function):
    def run(values, x, key):
        with lamina.added_losses() as added:
            outputs, new = layer.apply(values, x, training=True, rng=key)
        return outputs, new, sum(added, jnp.zeros(()))

    return transform(run)(layer.values(), X, KEY)


def differentiated(layer):
    def run(values, x, key):
        def loss(values):
            with lamina.added_losses() as added:
                outputs, new = layer.apply(values, x, training=True, rng=key)
            return outputs.sum(), (outputs, new, sum(added, jnp.zeros(())))

        return jax.grad(loss, has_aux=True)(values)[1]

    return run(layer.values(), X, KEY)


KINDS = {
    "compiled": compiled,
    "pure": pure,
    "pure, in jax.jit": lambda layer: pure(layer, jax.jit),
    "differentiated": differentiated,
    "again": live,
}


def same(left, right):
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_means_the_same_in_every_kind_of_call(function):
    expected = live(built(function))
    for kind, call in KINDS.items():
        print(kind)  # a failure tells which one
        same(call(built(function)), expected)


def zeros(outputs):
    return np.asarray(outputs) == 0


def test_a_layer_called_twice_draws_twice():
    for function in (twice, remat_twice, remat_and_plain):
        layer = built(function)
        layer.inner.dense.kernel.assign(jnp.ones((4, 4)))
        ones = jnp.abs(X) + 1
        outputs = (
            np.asarray(layer(ones, training=True, rng=KEY)) / np.asarray(ones.sum(-1))[:, None]
        )
        # each call gives 0 or 2 an element: the sum tells which of the two dropped it
        assert len(np.unique(outputs.round(3))) == 4


def test_a_rematerialised_layer_draws_what_it_draws_without():
    for plain, remat in ((once, remat_once), (twice, remat_twice), (twice, remat_and_plain)):
        same(live(built(plain)), live(built(remat)))


def test_keys_given_in_a_call_count_for_themselves():
    found = []
    for _ in range(3):
        layer = built(keys_in_call)
        garbage = [jax.random.key(i) for i in range(20)]  # other addresses for the keys
        found.append(np.asarray(layer(X, training=True, rng=KEY)))
        del garbage[::2]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_the_same_key_given_twice_gives_the_same_numbers():
    layer = layers.Dropout(0.5)
    ones = jnp.ones((3, 8))

    class Twice(Layer):
        def __init__(self):
            self.dropout = layer

        def call(self, x):
            key = self.rng()
            return self.dropout(x, rng=key) - self.dropout(x, rng=key)

    assert zeros(Twice()(ones, training=True, rng=KEY)).all()


def test_state_is_carried_once_for_each_call():
    for function, count in ((once, 1), (twice, 2), (remat_twice, 2), (nested_remat, 2)):
        layer = built(function)
        layer(X, training=True, rng=KEY)
        assert float(layer.inner.count) == count
