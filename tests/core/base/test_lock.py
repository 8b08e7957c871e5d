"""The lock of builds: first calls from several threads, and threads that wait for each other."""

import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from lamina.core.base.lock import BUILD_WAIT, LOCK
from lamina.errors import InputError, LaminaError

X = np.ones((2, 3), "float32")


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(BUILD_WAIT, "warn_after", 0.01)
    monkeypatch.setattr(BUILD_WAIT, "timeout", 0.1)


class Waiting(Layer):
    """Its call waits for another thread's call of another layer."""

    def __init__(self, other):
        self.dense = layers.Dense(2)
        self.others = [lambda: other(X)]

    def call(self, x):
        with ThreadPoolExecutor(1, "worker") as pool:
            pool.submit(self.others[0]).result()  # here it waits
        return self.dense(x)


def test_threads_that_wait_for_each_other_end_in_an_error(short):
    other = layers.Dense(4)
    layer = Waiting(other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(LaminaError, match=r"has waited 0\.1 s for another thread") as raised:
            layer(X)
    text = str(raised.value)
    source = Path(__file__).read_text("utf-8").splitlines()
    line = 1 + next(at for at, text in enumerate(source) if text.endswith("# here it waits"))
    assert re.search(r"where: +thread 'worker_0', at .*test_lock.py:\d+", text)
    assert (
        f"thread '{threading.current_thread().name}' is still running, at {__file__}:{line}" in text
    )
    [told] = [str(one.message) for one in caught if "has waited 0.01 s" in str(one.message)]
    assert f"{__file__}:{line}" in told
    assert not layer.built and not other.built
    other(X)
    assert layer(X).shape == (2, 2)  # what is built needs no lock


def test_a_wait_that_ends_is_no_error(monkeypatch):
    monkeypatch.setattr(BUILD_WAIT, "warn_after", 0.01)
    monkeypatch.setattr(BUILD_WAIT, "timeout", None)
    waits, goes_on = threading.Event(), threading.Event()
    dense = layers.Dense(4)

    def hold():
        with LOCK:
            waits.set()
            goes_on.wait(60)

    def warned(message, *_, **__):
        goes_on.set()
        told.append(message)

    told = []
    thread = threading.Thread(target=hold)
    thread.start()
    waits.wait(60)
    monkeypatch.setattr(warnings, "warn", warned)
    assert dense(X).shape == (2, 4)
    thread.join()
    assert len(told) == 1 and "has waited 0.01 s" in told[0]


def test_its_own_thread_need_not_wait(short):
    def wait():
        try:
            BUILD_WAIT.wait()
        except LaminaError:
            found.append(False)

    found = []
    with LOCK, LOCK:
        BUILD_WAIT.wait()
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert found == [False]


def test_the_wait_is_set(monkeypatch):
    monkeypatch.setattr(BUILD_WAIT, "timeout", BUILD_WAIT.timeout)
    assert BUILD_WAIT.timeout == 600
    lamina.set_build_wait(5)
    assert BUILD_WAIT.timeout == 5
    lamina.set_build_wait(None)
    assert BUILD_WAIT.timeout is None
    lamina.set_build_wait(float("inf"))
    assert BUILD_WAIT.timeout == threading.TIMEOUT_MAX
    for bad in (0, -1, "5", True, float("nan")):
        with pytest.raises(InputError, match="not valid"):
            lamina.set_build_wait(bad)
    assert BUILD_WAIT.timeout == threading.TIMEOUT_MAX
