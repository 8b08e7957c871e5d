"""The time limit: the learning rate follows steps or time, whichever has advanced further."""

from types import SimpleNamespace

import pytest

from lamina.translate.recipe import Recipe
from lamina.translate.training_monitor import TimeLimit

RECIPE = Recipe(epochs=10, minutes=1.0, learning_rate=1.0)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def running(steps: int = 20) -> tuple[TimeLimit, Time]:
    time = Time()
    limit = TimeLimit(RECIPE, steps, time)
    limit.set_model(
        SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.0), stop_training=False)
    )
    limit.on_train_begin()
    limit.on_epoch_begin(0)
    return limit, time


@pytest.mark.parametrize(
    ("epoch", "step", "seconds", "done"),
    [(0, 10, 0, 0.05), (4, 20, 6, 0.5), (0, 10, 30, 0.5), (9, 20, 59, 1.0)],
)
def test_the_rate_follows_what_is_further_on(epoch, step, seconds, done) -> None:
    limit, time = running()
    time.now = seconds
    limit.on_epoch_begin(epoch)
    limit.on_progress(step)
    assert limit.model.optimizer.learning_rate == pytest.approx(float(RECIPE.rate(done)))
    assert not limit.model.stop_training


def test_it_stops_in_time() -> None:
    limit, time = running()
    time.now = 60.0
    limit.on_progress(1)
    assert limit.model.stop_training
    assert limit.model.optimizer.learning_rate == pytest.approx(0.01)


def test_time_before_a_stop_counts() -> None:
    limit, time = running()
    time.now = 45.0
    again, later = running()
    later.now = 10.0
    again.set_state(limit.get_state())
    later.now = 24.0
    again.on_progress(1)
    assert not again.model.stop_training
    later.now = 25.0
    again.on_progress(2)
    assert again.model.stop_training
