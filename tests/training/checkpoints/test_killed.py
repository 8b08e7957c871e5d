"""Training that is killed at random moments, and gone on with: the same weights to the bit."""

import hashlib
import multiprocessing
import os
import random
import signal
import time

import jax
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.training import Callback

KILLS = 30
FORKS = multiprocessing.get_context("forkserver")  # a process that has imported Lamina, and forks


class Slow(Callback):
    """Tells that training begins, and takes its time, so that a kill comes in between."""

    def __init__(self, pipe, pause):
        self.pipe, self.pause = pipe, pause

    def on_train_begin(self, logs=None):
        self.pipe.send("it trains")

    def on_progress(self, step, logs=None):
        time.sleep(self.pause)


class Slower(Slow):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.pause)


def data():
    numbers = np.random.default_rng(0)
    return numbers.normal(size=(104, 5)).astype("float32"), numbers.integers(0, 3, 104)


def batches():
    x, y = data()
    for at in range(0, 96, 16):
        yield x[at : at + 16], y[at : at + 16]


def network():
    lamina.set_seed(1)
    model = Sequential(
        [
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def train(pipe, how, directory, pause, compiled):
    """What a process does: it goes on where the last one was, and tells what came of it."""
    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    x, y = data()
    given = (x, y) if how == "arrays" else (batches,)
    options = {} if how == "arrays" else {"steps_per_epoch": 5}
    if directory is not None:
        options |= {"checkpoint_dir": directory, "checkpoint_every": 2, "resume": True}
    told = (Slow if how == "arrays" else Slower)(pipe, pause)
    options |= {"callbacks": [told], "validation_data": (x[:96], y[:96]), "verbose": 0}
    model = network()
    history = model.fit(*given, batch_size=16, epochs=40, **options)
    digest = hashlib.sha256()
    for path, value in model.values().items():
        digest.update(path.encode() + np.asarray(value).tobytes())
    pipe.send((digest.hexdigest(), history.epoch, history.history))


def started(*given):
    """The process, once it trains, and the end of a pipe to it."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=train, args=(there, *given), daemon=True)
    process.start()
    there.close()
    assert here.poll(240) and here.recv() == "it trains"
    return process, here


def ended(*given):
    process, pipe = started(*given)
    assert pipe.poll(240)
    found = pipe.recv()
    process.join()
    assert process.exitcode == 0
    return found


@pytest.mark.parametrize("how", ["arrays", "batches"])
def test_killed_at_random_moments_nothing_is_lost(tmp_path, how):
    FORKS.set_forkserver_preload(["lamina", "optax", __name__])
    compiled, directory = tmp_path / "compiled", tmp_path / "checkpoints"
    expected = ended(how, None, 0.0, compiled)
    moments, killed = random.Random(how), 0
    for _ in range(KILLS // 2):
        process, pipe = started(how, directory, 0.04, compiled)
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        pipe.close()
    assert killed == KILLS // 2
    assert ended(how, directory, 0.0, compiled) == expected
    names = sorted(os.listdir(directory))
    assert len(names) == 3 and all(name.startswith("checkpoint-") for name in names)
    assert ended(how, directory, 0.0, compiled) == expected  # there is nothing left to do
