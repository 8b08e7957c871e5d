"""`keras.random` against Keras: the same numbers from the same seeds, and keys of calls."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.compat import keras as ours
from lamina.errors import LaminaError, TraceError

LOGITS = np.log([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]).astype("float32")
X = np.arange(24, dtype="float32").reshape(6, 4)

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("normal", ((4, 3),), {"mean": 2.0, "stddev": 0.5}),
    ("normal", ((4, 3),), {"dtype": "float16"}),
    ("uniform", ((4, 3), -1.0, 2.0), {}),
    ("randint", ((4, 3), 2, 9), {}),
    ("truncated_normal", ((4, 3),), {"stddev": 3.0}),
    ("categorical", (LOGITS, 5), {}),
    ("dropout", (X, 0.4), {}),
    ("dropout", (X, 0.4), {"noise_shape": (None, 1)}),
    ("dropout", (X, 0.0), {}),
    ("shuffle", (X,), {}),
    ("shuffle", (X,), {"axis": 1}),
    ("gamma", ((4, 3), 2.5), {}),
    ("binomial", ((4, 3), 7.0, 0.3), {}),
    ("beta", ((4, 3), 2.0, 3.0), {}),
]


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case[0])
def test_a_seed_gives_the_numbers_of_keras(keras: Any, case: tuple[Any, ...]) -> None:
    name, args, options = case
    args = tuple(jnp.asarray(one) if isinstance(one, np.ndarray) else one for one in args)
    theirs, function = getattr(keras.random, name), getattr(ours.random, name)
    wanted = theirs(*args, **options, seed=7)
    actual = function(*args, **options, seed=7)
    assert actual.dtype == wanted.dtype
    np.testing.assert_allclose(actual, wanted, rtol=1e-6)
    other = keras.random.SeedGenerator(3)
    seeds = ours.random.SeedGenerator(3)
    for _ in range(2):
        actual = function(*args, **options, seed=seeds)
        np.testing.assert_allclose(actual, theirs(*args, **options, seed=other), rtol=1e-6)


def test_draws_without_a_seed_differ_and_follow_the_seed_of_everything(keras: Any) -> None:
    ours.utils.set_random_seed(5)
    first, second = (ours.random.normal((3,)) for _ in range(2))
    assert not np.array_equal(first, second)
    ours.utils.set_random_seed(5)
    np.testing.assert_array_equal(ours.random.normal((3,)), first)


class Noise(ours.layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seeds = ours.random.SeedGenerator(1337)

    def call(self, x: Any, training: bool = False) -> Any:
        noise = ours.random.normal(ours.ops.shape(x), seed=self.seeds)
        return x + noise if training else x


class Sampling(ours.layers.Layer):
    def call(self, x: Any) -> Any:
        return x + ours.random.normal(ours.ops.shape(x))


def test_draws_in_a_compiled_call_come_from_its_key() -> None:
    layer = lamina.jit(Noise())
    x = jnp.zeros((2, 3))
    first, again, other = (layer(x, training=True, rng=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    two = ours.Sequential([Noise(), Noise()])
    both = lamina.jit(two)(x, training=True, rng=0)
    assert not np.allclose(both, 2 * first, atol=1e-3)


def test_layers_that_draw_are_called_trained_and_predict() -> None:
    model = ours.Sequential([ours.layers.Dense(3), Sampling(), Noise()])
    x = np.ones((8, 4), "float32")
    one, other = model(x), model(x)
    assert not np.array_equal(one, other)
    model.compile("sgd", "mse")
    model.fit(x, np.ones((8, 3)), verbose=0)
    assert model.predict(x, verbose=0).shape == (8, 3)


def test_a_compiled_function_without_a_key_is_an_error() -> None:
    seeds = ours.random.SeedGenerator(1)
    with pytest.raises(TraceError, match="same in each run"):
        jax.jit(lambda: ours.random.normal((2,)))()
    with pytest.raises(TraceError, match="same in each run"):
        jax.jit(lambda: ours.random.normal((2,), seed=seeds))()
    assert jax.jit(lambda: ours.random.normal((2,), seed=1))().shape == (2,)


def test_a_seed_is_an_integer() -> None:
    with pytest.raises(LaminaError, match="invalid seed"):
        ours.random.normal((2,), seed="7")
    with pytest.raises(LaminaError, match="invalid seed"):
        ours.random.SeedGenerator(1.5)  # type: ignore[arg-type]
    seeds = ours.random.SeedGenerator(4)
    assert ours.random.SeedGenerator.from_config(seeds.get_config())._start == 4
    assert seeds.state.tolist() == [4, 0]


def test_draws_check_their_arguments() -> None:
    with pytest.raises(LaminaError, match="an integer dtype"):
        ours.random.randint((2,), 0, 3, dtype="float32")
    with pytest.raises(LaminaError, match="batch, classes"):
        ours.random.categorical(jnp.ones(3), 2)


def test_calls_of_layers_without_a_key_draw_from_the_global_seed():
    dropout, x = ours.layers.Dropout(0.5), np.ones((4, 50), "float32")
    ours.utils.set_random_seed(3)
    first, second = dropout(x, training=True), dropout(x, training=True)
    assert (first != second).any() and (dropout(x) == x).all()
    ours.utils.set_random_seed(3)
    np.testing.assert_array_equal(dropout(x, training=True), first)
    np.testing.assert_array_equal(
        dropout(x, training=True, rng=jax.random.key(0)),
        dropout(x, training=True, rng=jax.random.key(0)),
    )


def test_without_a_key_a_loop_draws_anew_in_each_step_or_tells():
    class Steps(ours.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dropout = ours.layers.Dropout(0.5)

        def call(self, inputs):
            def step(carry, one):
                return carry, self.dropout(one, training=True)

            return jax.lax.scan(step, 0, inputs)[1]

    with pytest.raises(LaminaError, match="body of a loop"):
        Steps()(np.ones((2, 3), "float32"))
    rnn = ours.layers.SimpleRNN(2, dropout=0.5, return_sequences=True)
    assert rnn(np.ones((1, 3, 2), "float32"), training=True).shape == (1, 3, 2)


def test_compiled_programs_and_pure_calls_need_a_key():
    dropout, x = ours.layers.Dropout(0.5), jnp.ones((2, 3))
    with pytest.raises(LaminaError, match="no random key"):
        jax.jit(lambda one: dropout(one, training=True))(x)
    with pytest.raises(LaminaError, match="no random key"):
        dropout.apply({}, x, training=True)
    lamina.set_default_rng(None)
    with pytest.raises(LaminaError, match="no random key"):
        dropout(x, training=True)
