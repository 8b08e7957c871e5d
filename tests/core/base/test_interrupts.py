"""Signal handlers that are held back."""

import os
import signal
import threading

import pytest

from lamina.core.base.interrupts import DeferredSignals


class AlarmError(Exception):
    """What a handler of the test raises."""


@pytest.fixture
def raising():
    """Handlers that raise, of several signals."""
    called = []

    def handler(number, frame):
        called.append(number)
        raise AlarmError(number)

    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM]
    before = [signal.signal(number, handler) for number in numbers]
    yield called
    for number, old in zip(numbers, before, strict=True):
        signal.signal(number, old)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM])
def test_what_a_handler_raises_comes_as_the_block_ends(raising, number):
    handler, done = signal.getsignal(number), []
    with pytest.raises(AlarmError), DeferredSignals():
        os.kill(os.getpid(), number)
        done.append("one")
        done.append("two")
    assert done == ["one", "two"]
    assert raising == [number]
    assert signal.getsignal(number) is handler


def test_several_signals_all_have_their_handlers_called_in_order(raising):
    with pytest.raises(AlarmError), DeferredSignals():
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
            signal.raise_signal(number)
        assert not raising
    assert raising == [signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1]


def test_a_handler_that_may_break_off_does_so_at_once(raising):
    whole = True
    with pytest.raises(AlarmError), DeferredSignals(lambda: whole):
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the handler was held back")
    assert callable(signal.getsignal(signal.SIGTERM))


def test_an_error_of_the_block_is_the_context_of_the_interrupt(raising):
    with pytest.raises(AlarmError) as caught, DeferredSignals():
        signal.raise_signal(signal.SIGTERM)
        raise KeyError
    assert isinstance(caught.value.__context__, KeyError)


def test_blocks_may_be_nested(raising):
    handler, done = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(AlarmError), DeferredSignals():
        with DeferredSignals():
            signal.raise_signal(signal.SIGTERM)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_another_thread_is_left_alone(raising):
    found = []

    def run():
        before = signal.getsignal(signal.SIGTERM)
        with DeferredSignals():
            found.append(signal.getsignal(signal.SIGTERM) is before)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [True]
