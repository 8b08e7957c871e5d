"""Interrupts at every moment of training: the model has the weights of a whole step, and works.

`At` calls the handler of SIGINT where Python could: between two instructions of Lamina's code, at
the k-th of the places at which the interpreter looks for signals.
"""

import contextlib
import dis
import functools
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import CodeType, FrameType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, layers
from lamina.core.base.lock import LOCK
from lamina.core.tree.variable import SCOPE
from lamina.training.callbacks import LambdaCallback

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
LABELS = ROWS[:, :2] * 2


@functools.cache
def looks(code: CodeType) -> frozenset[int]:
    """The instructions of a function before which signals are looked for."""
    listed = list(dis.get_instructions(code))
    found = {
        after.offset
        for before, after in itertools.pairwise(listed)
        if before.opname.startswith(("CALL", "RESUME"))
    }
    return frozenset(found | {i.argval for i in listed if i.opname == "JUMP_BACKWARD"})


class At:
    """SIGINT at the k-th moment of Lamina's code; `count` says how many moments there were."""

    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.count = 0
        self.where = ""

    def _enter(self, frame: FrameType, event: str, arg: object):
        if f"{os.sep}lamina{os.sep}" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object):
        if event == "opcode" and frame.f_lasti in looks(frame.f_code):
            self.count += 1
            if self.count == self.moment:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self._step

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


def batches():
    for start in range(0, 12, 4):
        yield ROWS[start : start + 4], LABELS[start : start + 4]


def made():
    lamina.set_seed(1)
    model = Sequential(
        [layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    return model


def fit_arrays(model, **options):
    model.fit(ROWS, LABELS, batch_size=5, verbose=0, **options)


def fit_with_checkpoints(model):
    with tempfile.TemporaryDirectory() as folder:
        fit_arrays(model, checkpoint_dir=Path(folder, "run"), checkpoint_every=1)


JOBS = {
    "fit on arrays": fit_arrays,
    "fit on batches": lambda model: model.fit(batches, verbose=0),
    "fit with callbacks": lambda model: fit_arrays(
        model, callbacks=[LambdaCallback(on_train_batch_end=lambda *_: None)]
    ),
    "fit with checkpoints": fit_with_checkpoints,
    "train_on_batch": lambda model: model.train_on_batch(ROWS[:4], LABELS[:4]),
    "evaluate": lambda model: model.evaluate(ROWS, LABELS, verbose=0),
    "predict": lambda model: model.predict(ROWS, verbose=0),
    "set_values": lambda model: model.set_values(model.values()),
    "a call that assigns": lambda model: model(ROWS, training=True, rng=1),
}
OF_NEW = {
    "fit on whole batches": lambda model: model.fit(ROWS, LABELS, batch_size=4, verbose=0),
    **{name: JOBS[name] for name in ("fit on batches", "train_on_batch")},
}


@pytest.fixture(scope="module")
def trained():
    """One model for all tests of what is compiled already; each of them leaves it usable."""
    model = made()
    for run in JOBS.values():
        run(model)
    return model


def moments(run, ready, at_most):
    """Some of the moments of a job; `ready` returns a model in the state in which it begins."""
    for _ in range(2):  # the first run may have more of them, since it fills caches
        model = ready()
        with At(-1) as whole:
            run(model)
    ready()
    assert whole.count > 50
    return random.Random(whole.count).sample(range(1, whole.count + 1), at_most)


def interrupt(run, moment, model):
    """Run a job up to a moment; a few runs end without, since moments depend on threads."""
    with At(moment) as at, contextlib.suppress(KeyboardInterrupt):
        run(model)
    return at.where


def check_usable(model):
    assert SCOPE.get() is None
    assert "owner=0" in repr(LOCK)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if model.built:
        assert all(np.isfinite(value).all() for value in model.values().values())
    model.fit(batches, verbose=0)
    before = {path: np.asarray(value) for path, value in model.values().items()}
    model.train_on_batch(ROWS[:4], LABELS[:4])
    assert not all(np.array_equal(model.values()[path], before[path]) for path in before)
    model.evaluate(ROWS, LABELS, verbose=0)


@pytest.mark.parametrize("job", JOBS)
def test_a_trained_model_is_usable_after_an_interrupt_at_any_moment(job, trained):
    def ready():
        check_usable(trained)
        return trained

    places = []
    for moment in moments(JOBS[job], ready, 40):
        places.append(interrupt(JOBS[job], moment, trained))
        try:
            check_usable(trained)
        except Exception as problem:
            problem.add_note(f"interrupted at {places[-1]}, moment {moment}")
            raise
    assert places.count("") < 5


def new():
    """A model that is compiled in a moment."""
    model = Sequential([layers.Dense(4), layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.usefixtures("trained")  # what all models share has been made
@pytest.mark.parametrize("run", OF_NEW.values(), ids=OF_NEW)
def test_a_new_model_is_built_whole_or_not_at_all(run):
    for moment in moments(run, new, 6):
        model = new()
        assert interrupt(run, moment, model)
        if not model.built:
            assert not model.variables
        check_usable(model)


@pytest.mark.parametrize("job", ["fit on batches", "train_on_batch"])
def test_the_weights_are_those_of_a_whole_step(job):
    def weights(model):
        return b"".join(np.asarray(value).tobytes() for value in model.values().values())

    def follow():
        """Train the twin with the batches of the job until it has the weights of the model."""
        for batch in [*batches()][: 1 if job == "train_on_batch" else 3]:
            if weights(twin) == weights(model):
                break
            twin.train_on_batch(*batch)
        assert weights(twin) == weights(model)

    def ready():
        follow()
        return model

    model, twin = made(), made()
    for one in (model, twin):
        lamina.set_seed(1)
        one.build((None, 3))
    places = []
    for moment in moments(JOBS[job], ready, 25):
        places.append(interrupt(JOBS[job], moment, model))
        follow()
    assert places.count("") < 3


PROGRAM = """
import os, random, signal, sys, threading
import numpy as np
import lamina
from lamina import Sequential, layers

x = np.random.default_rng(0).normal(size=(256, 16)).astype("float32")
y = x[:, :3]

def batches():
    for start in range(0, 256, 32):
        yield x[start : start + 32], y[start : start + 32]

def stop(*_):
    raise KeyboardInterrupt

moments = random.Random(4)
for units in (4, 512):
    model = Sequential([layers.Dense(units), layers.BatchNormalization(), layers.Dense(3)])
    model.compile("adam", "mse")
    for data in ([x, y], [batches]):
        model.fit(*data, verbose=0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
            begun = threading.Event()
            wait = moments.random() / 10
            def send():
                begun.wait()
                threading.Event().wait(wait)
                os.kill(os.getpid(), number)
            threading.Thread(target=send).start()
            try:
                begun.set()
                model.fit(*data, epochs=10**9, verbose=0)
            except KeyboardInterrupt:
                pass
            assert all(np.isfinite(value).all() for value in model.values().values())
            model.fit(*data, verbose=0)
            model.predict(x, verbose=0)
print("usable")
"""


def test_real_signals_leave_a_usable_model():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "usable\n", done.stderr


def test_an_error_of_python_called_by_the_step_leaves_the_weights():
    fails = False

    def look(value):
        if fails:
            raise RuntimeError("on the host")
        return np.asarray(value)

    class ChangeDetector(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

        def train_loss(self, batch):
            loss = jnp.mean((self(batch[0]) - batch[1]) ** 2)
            told = jax.ShapeDtypeStruct((), "float32")
            return loss + 0 * jax.pure_callback(look, told, jax.lax.stop_gradient(loss))

    model = ChangeDetector()
    model.compile("adam")
    model.fit(batches, verbose=0)
    before = model.values()
    fails = True
    with pytest.raises(Exception, match="on the host"):
        model.fit(batches, verbose=0)
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, before[path])
    fails = False
    check_usable(model)
