"""Callbacks that monitor a log: the direction, and models that are no layers."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers, metrics
from lamina.errors import InputError
from lamina.training import Callback, NotFiniteError, callbacks

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(10, 5)).astype("float32"), RNG.uniform(size=(10, 1)).astype("float32")


def compiled():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mae")
    return model


@functools.cache
def judged():
    """A model with metrics, whose programs all tests of their names share."""
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mae", metrics=["mse", "acc", metrics.F1Score(name="f1")])
    return model


@pytest.mark.parametrize(
    ("monitor", "mode", "expected"),
    [
        ("val_mse", "max", np.greater),
        ("val_loss", "min", np.less),
        ("val_mse", "auto", np.less),
        ("loss", "auto", np.less),
        ("acc", "auto", np.greater),
        ("f1", "auto", np.greater),
    ],
)
def test_the_comparison_follows_the_mode_and_the_metric(monitor, mode, expected):
    stopping = callbacks.EarlyStopping(monitor, mode=mode, min_delta=0.5)
    plateau = callbacks.ReduceLROnPlateau(monitor, mode=mode)
    assert stopping.monitor_op is None
    judged().fit(X, Y, validation_data=(X, Y), callbacks=[stopping, plateau], verbose=0)
    assert stopping.monitor_op is plateau.monitor_op is expected


class Weights:
    """A model that is no layer, with the methods that Keras calls."""

    stop_training = False
    weights = -1

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


@pytest.mark.parametrize(
    ("patience", "baseline", "losses", "epochs"),
    [
        (2, None, [0.2, 0.15, 0.1, 0.11, 0.12], 5),
        (5, 0.5, [0.9, 0.8, 0.7, 0.71, 0.72, 0.73], 5),
    ],
)
def test_early_stopping_in_a_loop_of_ones_own(patience, baseline, losses, epochs):
    stopping = callbacks.EarlyStopping(
        patience=patience, baseline=baseline, restore_best_weights=True
    )
    stopping.set_model(Weights())
    stopping.on_train_begin()
    for epoch, loss in enumerate(losses):
        stopping.model.weights = epoch
        stopping.on_epoch_end(epoch, {"val_loss": loss})
        if stopping.model.stop_training:
            break
    stopping.on_train_end()
    assert epoch + 1 == epochs and stopping.model.weights == 2


@pytest.mark.parametrize(
    "change",
    [
        callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
        callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100.0),
    ],
)
def test_learning_rates_in_logs_are_floats(change):
    history = compiled().fit(X, Y, epochs=2, callbacks=[change], verbose=0)
    assert {type(rate) for rate in history.history["learning_rate"]} == {float}


def test_a_schedule_gets_the_learning_rate_as_a_float():
    seen = []
    scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: seen.append(rate) or rate)
    compiled().fit(X, Y, callbacks=[scheduler], verbose=0)
    assert type(seen[0]) is float


def test_further_keywords_of_lambda_callback_are_attributes():
    made = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None, report=print, step=3)
    assert made.report is print and made.step == 3
    compiled().fit(X, Y, callbacks=[made], verbose=0)


@pytest.mark.parametrize("late", [False, True])
def test_terminate_on_nan_may_raise_a_runtime_error_before_the_end(late, tmp_path):
    ended = []

    class Ends(Callback):
        def on_train_end(self, logs=None):
            ended.append(True)

    y = Y.copy()
    y[-1 if late else 0] = np.inf
    (tmp_path / "kept").touch()
    backup = callbacks.BackupAndRestore(tmp_path)
    every = [Ends(), backup, callbacks.TerminateOnNaN(raise_error=True)]
    with pytest.raises(RuntimeError, match=f"on batch {9 if late else 0} of its epoch") as caught:
        compiled().fit(X, y, 1, shuffle=False, callbacks=every, verbose=0)
    assert isinstance(caught.value, NotFiniteError)
    assert not ended and (tmp_path / "kept").exists()


@pytest.mark.parametrize("returned", [None, "a", [0.5], np.array([0.5])])
def test_a_schedule_that_returns_no_number_is_an_error(returned):
    scheduler = callbacks.LearningRateScheduler(lambda epoch: returned)
    with pytest.raises(InputError, match="does not return a learning rate"):
        compiled().fit(X, Y, callbacks=[scheduler], verbose=0)


@pytest.mark.parametrize("returned", [1, np.float32(0.5), np.array(0.5)])
def test_a_schedule_may_return_any_number(returned):
    scheduler = callbacks.LearningRateScheduler(lambda epoch: returned)
    history = compiled().fit(X, Y, callbacks=[scheduler], verbose=0)
    assert history.history["learning_rate"] == [float(returned)]


@pytest.mark.parametrize("factor", ["a", None, 1.5, 0])
def test_the_factor_of_a_plateau_is_a_number_between_0_and_1(factor):
    with pytest.raises(InputError, match="would not lower"):
        callbacks.ReduceLROnPlateau(factor=factor)


NAN = float("nan")


@functools.cache
def without_bias():
    model = lamina.Sequential([layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def logged(values, monitor, convert=float):
    """Train with these values of a log; return the history and the weight of the model."""
    model = without_bias()
    model.optimizer.learning_rate = 1.0

    def log(epoch, logs):
        logs["score"] = convert(values[epoch])
        model.set_weights([np.full((3, 1), epoch)])

    drive = callbacks.LambdaCallback(on_epoch_end=log)
    history = model.fit(
        np.zeros((2, 3)),
        np.zeros((2, 1)),
        epochs=len(values),
        callbacks=[drive, monitor],
        verbose=0,
    )
    return history.history, float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize(
    "values, mode, epochs, best",
    [
        ([NAN, 3, 2, 1], "min", 4, 3),
        ([NAN, 3, 2, 1], "max", 4, 1),
        ([NAN, NAN, 3, 4, 5, 6], "min", 5, 2),  # the first epoch does not count, as in Keras
        ([NAN, NAN, 3, 4, 5, 6], "max", 6, 5),
        ([NAN] * 6, "min", 3, 0),
        ([3, 2, NAN, NAN, NAN, 1], "min", 4, 1),
        ([3, NAN, 2, NAN, 1, NAN], "min", 6, 4),
    ],
)
def test_early_stopping_on_nan(values, mode, epochs, best) -> None:
    stopping = callbacks.EarlyStopping("score", 0, 2, 0, mode, restore_best_weights=True)
    history, weight = logged(values, stopping)
    assert len(history["score"]) == epochs
    assert weight == stopping.best_epoch == best


@pytest.mark.parametrize(
    "values, rates",
    [
        ([NAN, 3, 2, 1], [1.0, 1.0, 1.0, 1.0]),
        ([NAN, NAN, NAN, 1], [1.0, 1.0, 0.5, 0.25]),
        ([3, NAN, 2, NAN], [1.0, 1.0, 0.5, 0.5]),
    ],
)
def test_a_plateau_of_nan(values, rates) -> None:
    plateau = callbacks.ReduceLROnPlateau("score", 0.5, patience=1, mode="min")
    assert logged(values, plateau)[0]["learning_rate"] == rates


@pytest.mark.parametrize("values, saved", [([NAN, 3, 2, NAN, 4], [2, 3]), ([NAN] * 3, [])])
def test_a_checkpoint_of_the_best_is_never_one_of_nan(values, saved, tmp_path) -> None:
    path = tmp_path / "{epoch}.safetensors"
    checkpoint = callbacks.ModelCheckpoint(
        path, "score", save_best_only=True, save_weights_only=True, mode="min"
    )
    logged(values, checkpoint)
    assert sorted(int(one.stem) for one in tmp_path.iterdir()) == saved


@pytest.mark.parametrize(
    "convert",
    [
        np.float32,
        np.float16,
        np.int32,
        np.array,
        jnp.asarray,
        lambda v: [v],
        lambda v: np.ones(1) * v,
    ],
)
def test_a_log_of_one_element_may_have_any_type(convert) -> None:
    stopping = callbacks.EarlyStopping("score", patience=2, mode="min", restore_best_weights=True)
    assert logged([3, 2, 4, 5, 6], stopping, convert)[1] == 1


@pytest.mark.parametrize("convert", [lambda v: [v, v], lambda v: "a", lambda v: np.ones(2)])
def test_a_log_that_is_no_number_cannot_be_monitored(convert) -> None:
    with pytest.raises(InputError, match="is not a number"):
        logged([1], callbacks.EarlyStopping("score", mode="min"), convert)
