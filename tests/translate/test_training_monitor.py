"""The clock: it sets the rate by steps or by time, whichever is further on."""

from types import SimpleNamespace

import pytest

from lamina.translate.recipe import Recipe
from lamina.translate.training_monitor import Clock

RECIPE = Recipe(epochs=10, minutes=1.0, learning_rate=1.0)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def running(steps: int = 20) -> tuple[Clock, Time]:
    time = Time()
    clock = Clock(RECIPE, steps, time)
    clock.set_model(
        SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.0), stop_training=False)
    )
    clock.on_train_begin()
    clock.on_epoch_begin(0)
    return clock, time


@pytest.mark.parametrize(
    ("epoch", "step", "seconds", "done"),
    [(0, 10, 0, 0.05), (4, 20, 6, 0.5), (0, 10, 30, 0.5), (9, 20, 59, 1.0)],
)
def test_the_rate_follows_what_is_further_on(epoch, step, seconds, done) -> None:
    clock, time = running()
    time.now = seconds
    clock.on_epoch_begin(epoch)
    clock.on_progress(step)
    assert clock.model.optimizer.learning_rate == pytest.approx(float(RECIPE.rate(done)))
    assert not clock.model.stop_training


def test_it_stops_in_time() -> None:
    clock, time = running()
    time.now = 60.0
    clock.on_progress(1)
    assert clock.model.stop_training
    assert clock.model.optimizer.learning_rate == pytest.approx(0.01)


def test_time_before_a_stop_counts() -> None:
    clock, time = running()
    time.now = 45.0
    again, later = running()
    later.now = 10.0
    again.set_state(clock.get_state())
    later.now = 24.0
    again.on_progress(1)
    assert not again.model.stop_training
    later.now = 25.0
    again.on_progress(2)
    assert again.model.stop_training
