"""Several values assigned at once: a call in another thread sees all of them or none."""

import sys
import threading

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers

DEPTH = 8


def chain(pause=lambda: None):
    """A product of weights, with a pause in the middle."""

    class Pause(Layer):
        def call(self, x):
            pause()
            return x

    def dense():
        return layers.Dense(1, use_bias=False, kernel_initializer="ones")

    halves = [[dense() for _ in range(DEPTH // 2)] for _ in range(2)]
    model = Sequential([*halves[0], Pause(), *halves[1]])
    model.build((None, 1))
    return model


def all_of(model, number):
    return {path: jnp.full_like(value, number) for path, value in model.values().items()}


def in_thread(function):
    problems = []

    def run():
        try:
            function()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not problems, problems


def saved(model, path):
    model.save_weights(path)
    return path


@pytest.mark.parametrize("way", ["set_values", "set_weights", "load_weights", "fit", "evaluate"])
def test_a_call_goes_on_with_the_values_it_began_with(way, tmp_path):
    def assign():
        if way == "set_values":
            model.set_values(twos)
        elif way == "set_weights":
            model.set_weights(list(twos.values()))
        elif way == "load_weights":
            model.load_weights(tmp_path / "twos")
        elif way == "fit":
            model.fit(x, x, epochs=2, verbose=0)
        else:
            model.evaluate(x, x, verbose=0)

    hooks = []
    model = chain(lambda: hooks and in_thread(hooks.pop()))
    x = np.ones((4, 1), "float32")
    model.compile("sgd", "mse", learning_rate=1e-3)
    model.fit(x, 3 * x, verbose=0)
    twos = all_of(model, 2)
    before = model.values()
    model.set_values(twos)
    model.save_weights(tmp_path / "twos")
    model.set_values(before)
    expected = np.asarray(model(x))
    hooks.append(assign)
    np.testing.assert_array_equal(model(x), expected)
    assert not hooks
    if way != "evaluate":
        assert (np.asarray(model(x)) != expected).all()


def test_a_call_sees_what_its_own_thread_assigns():
    hooks = []
    model = chain(lambda: hooks and hooks.pop()())
    other = layers.Dense(1, use_bias=False)
    other.build((None, 1))
    x = jnp.ones((1, 1))
    hooks.append(lambda: other.kernel.assign(jnp.full((1, 1), 7.0)))
    model(x)
    assert other.kernel.value.item() == 7


@pytest.mark.parametrize("kind", ["layer", "jit", "values", "save_weights"])
def test_no_mixture_is_seen_while_another_thread_assigns(kind, tmp_path):
    model = chain()
    fast = lamina.jit(model)
    x = jnp.ones((1, 1))
    fast(x)
    choices = [all_of(model, 1), all_of(model, 2)]
    done = threading.Event()

    def assign():
        while not done.is_set():
            for values in choices:
                model.set_values(values)

    def numbers():
        if kind == "values":
            return {value.item() for value in model.values().values()}
        if kind == "save_weights":
            twin = chain()
            twin.load_weights(saved(model, tmp_path / "weights"))
            return {value.item() for value in twin.values().values()}
        output = (model if kind == "layer" else fast)(x).item()
        return {output} if output in (1, 2**DEPTH) else {1, 2}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=assign)
    writer.start()
    try:
        seen = [numbers() for _ in range(40 if kind == "save_weights" else 300)]
    finally:
        done.set()
        writer.join()
        sys.setswitchinterval(interval)
    assert all(len(found) == 1 for found in seen)


@pytest.mark.parametrize("kind", ["layer", "jit"])
def test_steps_in_another_thread_are_seen_whole(kind):
    model = chain()
    x = np.ones((4, 1), "float32")
    model.compile("sgd", "mse", learning_rate=0.01)
    # All weights have one gradient, so they stay equal: outputs are eighth powers of one number.
    model.train_on_batch(x, 3 * x)
    call = lamina.jit(model) if kind == "jit" else model
    call(x)
    known, done = set(), threading.Event()

    def train():
        while not done.is_set():
            model.train_on_batch(x, 3 * x)

    trainer = threading.Thread(target=train)
    trainer.start()
    try:
        for _ in range(60):
            output = call(x)
            weights = {value.item() for value in model.values().values()}
            known.add(len(weights))
            assert np.isfinite(output).all()
    finally:
        done.set()
        trainer.join()
    assert known == {1}
