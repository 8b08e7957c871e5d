"""An epoch that diverged: the loss is reported as it was, and the weights are those before it."""

import csv
import io
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import lamina
from lamina import Model, Sequential, layers
from lamina.training import callbacks
from tests.close import assert_close

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(48, 4)).astype("float32"), np.zeros((48, 1), "float32")
BAD = {"inf": np.inf, "nan": np.nan}


def compiled(**options):
    lamina.set_seed(3)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", ["mae"], **options)
    return model


def spoilt(batch, value):
    y = Y.copy()
    y[16 * batch] = value
    return y


def data(how, y):
    """The arrays, or a function that makes batches of them."""
    if how == "arrays":
        return (X, y)
    return (lambda: ((X[at : at + 16], y[at : at + 16]) for at in range(0, 48, 16)),)


def fit(model, how, y, **options):
    with pytest.warns(UserWarning, match="Training stops"):
        return model.fit(*data(how, y), batch_size=16, shuffle=False, **options)


@pytest.mark.parametrize("how", ["arrays", "batches"])
@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("stops", ["callback", "compile"])
def test_the_loss_is_reported_as_it_was(tmp_path, how, batch, value, stops):
    model = compiled(**({"on_nonfinite": "stop"} if stops == "compile" else {}))
    heard, shown = [], io.StringIO()
    told = [
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.ProgressBar(2, Console(file=shown, width=200)),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: heard.append(logs["loss"])),
    ]
    told += [callbacks.TerminateOnNaN()] if stops == "callback" else []
    history = fit(model, how, spoilt(batch, BAD[value]), epochs=3, callbacks=told)
    np.testing.assert_array_equal(history.history["loss"], [BAD[value]])
    np.testing.assert_array_equal(heard, [BAD[value]])
    assert f"loss {value}" in shown.getvalue()
    with open(tmp_path / "log.csv", newline="") as stream:
        assert [row["loss"] for row in csv.DictReader(stream)] == [value]
    before = compiled()
    before.build(X[:1])
    if batch:
        before.fit(X[: 16 * batch], Y[: 16 * batch], 16, shuffle=False, verbose=0)
    for path, array in before.values().items():
        np.testing.assert_array_equal(model.values()[path], array)


@pytest.mark.parametrize("jit", [True, False])
def test_batches_hear_of_it_too_and_what_follows_is_not_counted(jit):
    model, heard = compiled(on_nonfinite="stop", jit=jit), []
    told = callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: heard.append(logs["loss"]))
    fit(model, "arrays", spoilt(1, np.inf), verbose=0, callbacks=[told])
    assert np.isfinite(heard[0]) and heard[1:] == [np.inf] * len(heard[1:]) and len(heard) > 1


def test_a_loss_that_is_finite_where_a_gradient_is_not_is_reported():
    class Root(Model):
        def __init__(self):
            self.dense = layers.Dense(1, kernel_initializer="zeros")

        def call(self, x):
            return jnp.sqrt(self.dense(x))

    model = Root()
    model.compile("sgd", "mse", on_nonfinite="stop")
    history = fit(model, "arrays", Y + 2, verbose=0)
    assert_close(history.history["loss"], [4.0], rtol=1e-6)


def test_logs_of_a_loss_of_ones_own_are_reported():
    class Own(Model):
        def __init__(self):
            self.dense = layers.Dense(1)

        def train_loss(self, batch):
            x, y = batch
            loss = jnp.mean((self.dense(x) - y) ** 2)
            return loss, {"twice": 2 * loss}

    model = Own()
    model.compile("sgd", on_nonfinite="stop")
    history = fit(model, "arrays", spoilt(0, np.nan), verbose=0)
    assert np.isnan(history.history["loss"]).all() and np.isnan(history.history["twice"]).all()


def test_no_model_of_nan_is_saved_as_the_best(tmp_path):
    model = compiled(on_nonfinite="stop")
    stopping = callbacks.EarlyStopping("loss", restore_best_weights=True)
    best = callbacks.ModelCheckpoint(tmp_path / "best.lamina", "loss", save_best_only=True)
    fit(model, "arrays", spoilt(0, np.nan), verbose=0, callbacks=[stopping, best])
    assert np.isnan(stopping.best) and best.best is None
    assert not (tmp_path / "best.lamina").exists()


def test_an_epoch_that_diverged_is_gone_on_from(tmp_path):
    options = {"checkpoint_dir": tmp_path, "resume": True, "verbose": 0}
    fit(compiled(on_nonfinite="stop"), "arrays", spoilt(1, np.nan), epochs=3, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = compiled().fit(X, Y, 16, epochs=3, **options)
    assert history.epoch[0] == 0 and np.isnan(history.history["loss"][0])
