"""The dashboard in `fit`: what it logs, and that nothing that goes wrong with it ends training."""

import json
import math
import os
import socket
import sys
import urllib.request
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, layers
from lamina.errors import InputError, LaminaError
from lamina.training.callbacks import Dashboard, LambdaCallback
from lamina.training.dashboard.log import LOG_NAME
from lamina.training.dashboard.sources import LogSource
from tests.close import assert_close

X = np.random.default_rng(0).normal(size=(48, 3)).astype("float32")
Y = X[:, :1] * 2


def network():
    lamina.set_seed(0)
    model = Sequential([layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fit(model, dashboard, epochs=3, **options):
    return model.fit(X, Y, 8, epochs, verbose=0, callbacks=dashboard, **options)


def log_of(folder):
    return [json.loads(line) for line in (folder / LOG_NAME).read_text().splitlines()]


def events(folder, kind):
    return [entry for entry in log_of(folder) if entry["event"] == kind]


def test_the_log_of_a_run(tmp_path):
    model = network()
    history = fit(model, Dashboard(tmp_path, None, every=0), validation_data=(X, Y)).history
    entries = log_of(tmp_path)
    first = {name: entries[0][name] for name in ("event", "model", "epochs", "steps", "step")}
    wanted = {"event": "begin", "model": "Sequential", "epochs": 3, "steps": 6, "step": 0}
    assert first == wanted
    assert entries[-1]["event"] == "end"
    epochs = events(tmp_path, "epoch")
    assert [(one["step"], one["epoch"]) for one in epochs] == [(6, 1), (12, 2), (18, 3)]
    for name, values in history.items():
        assert [one["logs"][name] for one in epochs] == values
    assert epochs[0]["logs"]["learning_rate"] == pytest.approx(0.001)
    steps = events(tmp_path, "step")
    assert steps[-1]["step"] == 18
    assert steps[-1]["logs"]["loss"] == history["loss"][-1]
    assert all(one["epoch"] == pytest.approx(one["step"] / 6) for one in steps)


@pytest.mark.parametrize("as_arrays", [True, False])
def test_weights_are_those_of_a_run_without_it(tmp_path, as_arrays):
    def trained(callbacks):
        model = network()
        batches = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 48, 8)]
        data = (X, Y, 8) if as_arrays else (lambda: iter(batches),)
        model.fit(*data, epochs=2, verbose=0, callbacks=callbacks)
        return model.values()

    plain = trained(None)
    watched = trained(Dashboard(tmp_path, None, every=0, ranges_every=1, samples=lambda *_: "a"))
    assert all((plain[path] == watched[path]).all() for path in plain)
    assert len(events(tmp_path, "ranges")) >= 2


def test_ranges_are_those_of_plain_gradients(tmp_path):
    model = network()
    model.compile("sgd", "mse")
    # One step on all rows: the ranges are those on this batch, with the weights after the step.
    model.fit(X, Y, 48, 1, verbose=0, callbacks=Dashboard(tmp_path, None), shuffle=False)
    (found,) = events(tmp_path, "ranges")

    def loss(values):
        return jnp.mean((model.apply(values, X)[0] - Y) ** 2)

    for path, gradient in jax.grad(loss)(model.values()).items():
        expected = [gradient.min(), gradient.max(), jnp.sqrt((gradient**2).mean())]
        assert_close(found["gradients"][path], expected, rtol=1e-5)
    outputs = model.capture(X, "layers.*")
    assert list(found["outputs"]) == list(outputs)
    assert list(found["gradients"]) == list(model.values())
    for path, output in outputs.items():
        expected = [output.min(), output.max(), jnp.sqrt((output**2).mean())]
        assert_close(found["outputs"][path], expected, rtol=1e-5)


def test_ranges_in_a_loop_and_with_a_loss_of_ones_own(tmp_path):
    class Looped(Model):
        def __init__(self):
            self.inner, self.last = layers.Dense(3), layers.Dense(1)

        def call(self, x):
            x, _ = jax.lax.scan(lambda x, _: (self.inner(x), None), x, None, length=2)
            return self.last(x)

        def train_loss(self, batch):
            return jnp.mean((self(batch[0]) - batch[1]) ** 2)

    model = Looped()
    model.compile("adam")
    fit(model, Dashboard(tmp_path, None, ranges_every=1), epochs=1)
    found = events(tmp_path, "ranges")[0]
    assert set(found["gradients"]) == {
        f"{a}.{b}" for a in ("inner", "last") for b in ("kernel", "bias")
    }
    assert list(found["outputs"]) == ["last"]  # those within the loop do not leave it


@pytest.mark.parametrize(("every", "count"), [(0, 0), ("epoch", 3)])
def test_how_often_ranges_are_measured(tmp_path, every, count):
    fit(network(), Dashboard(tmp_path, None, ranges_every=every))
    assert len(events(tmp_path, "ranges")) == count


def test_ranges_that_cannot_be_measured_are_a_note(tmp_path, monkeypatch):
    model = network()
    fit(model, None, epochs=1)

    def fails(*_):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(type(model._lamina.trainer), "ranges", fails)
    with pytest.warns(UserWarning, match="cannot be measured. Training continues"):
        history = fit(model, Dashboard(tmp_path, None, ranges_every=1))
    assert len(history.history["loss"]) == 3
    assert "RESOURCE_EXHAUSTED" in events(tmp_path, "note")[0]["text"]
    assert len(events(tmp_path, "note")) == 1


def test_samples(tmp_path):
    def samples(model, epoch):
        image = np.zeros((4, 4, 3))
        return {
            "text": f"<b>{epoch}",
            "image": image,
            "several": [image, np.array([1.5, 2.0]), 7],
            "no": None,
        }

    fit(network(), Dashboard(tmp_path, None, samples=samples), epochs=2)
    found = events(tmp_path, "sample")
    names = ["text", "image", "several 0", "several 1", "several 2"]
    assert [one["name"] for one in found] == names * 2
    assert found[5]["text"] == "<b>1"
    assert found[3]["text"] == "[1.5 2. ]"
    source = LogSource(tmp_path / LOG_NAME, "run")
    source.read()
    shown = source.runs[0].to_json("step")
    assert shown["notes"] == []
    assert [("png" in one) for one in shown["samples"]] == [False, True, True, False, False] * 2


def test_samples_that_fail_are_a_note(tmp_path):
    with pytest.warns(UserWarning, match="function of samples has failed") as caught:
        fit(network(), Dashboard(tmp_path, None, samples=lambda *_: 1 / 0))
    assert len(caught) == 3
    assert "ZeroDivisionError" in events(tmp_path, "note")[0]["text"]


def test_a_log_that_cannot_be_written_ends_no_training(tmp_path):
    def remove(epoch, logs):
        if epoch == 0:
            (tmp_path / "run" / LOG_NAME).unlink()
            (tmp_path / "run").rmdir()

    sampled = []  # each process of several goes on to call it, whether it writes or not
    one = Dashboard(tmp_path / "run", None, samples=lambda _, epoch: sampled.append(epoch))
    dashboard = [one, LambdaCallback(on_epoch_end=remove)]
    with pytest.warns(UserWarning, match="The log cannot be written"):
        history = fit(network(), dashboard)
    assert sampled == [0, 1, 2]
    assert len(history.history["loss"]) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs what POSIX has")
def test_a_pipe_in_place_of_the_log_ends_no_training(tmp_path):
    os.mkfifo(tmp_path / LOG_NAME)
    with pytest.warns(UserWarning, match="not a regular file"):
        history = fit(network(), Dashboard(tmp_path, None))
    assert len(history.history["loss"]) == 3


def test_a_resumed_run_goes_on_in_its_log(tmp_path):
    class StopError(Exception):
        pass

    def stop(epoch, logs):
        if epoch == 2:
            raise StopError

    options = {"checkpoint_dir": tmp_path, "resume": True}
    with pytest.raises(StopError):
        stopping = [Dashboard(tmp_path, None, every=0), LambdaCallback(on_epoch_end=stop)]
        fit(network(), stopping, epochs=4, **options)
    assert events(tmp_path, "epoch")[-1]["epoch"] == 3  # logged, but not in a checkpoint
    fit(network(), Dashboard(tmp_path, None, every=0), epochs=4, **options)
    first, again = events(tmp_path, "begin")
    assert (first["step"], first["epoch"]) == (0, 0)
    assert again["epoch"] in (1, 2)  # which checkpoint was complete is a matter of time
    assert again["step"] == 6 * again["epoch"]
    source = LogSource(tmp_path / LOG_NAME, "run")
    source.read()
    (run,) = [one.to_json("epoch") for one in source.runs]
    assert run["curves"]["epoch"]["loss"]["x"] == [1.0, 2.0, 3.0, 4.0]


def test_fit_serves_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        network().fit(X, Y, epochs=1, verbose=0, dashboard=port)
        network().fit(X, Y, epochs=1, verbose=0, dashboard=port, checkpoint_dir="second")
    urls = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert len(urls) == 2 and len(set(urls)) == 1  # one page for both runs
    assert urls[0] != f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{urls[0]}/runs") as answer:
        shown = json.load(answer)
    first, second = shown["runs"]
    assert first["name"].startswith("runs/") and second["name"] == "second"
    assert [run["state"] for run in shown["runs"]] == ["ended", "ended"]


def test_a_page_that_cannot_be_served_ends_no_training(tmp_path, monkeypatch):
    dashboard = Dashboard(tmp_path, 0)

    def fails(*_):
        raise OSError("no loopback")

    monkeypatch.setattr(dashboard, "_serve", fails)
    with pytest.warns(UserWarning, match="The page cannot be served"):
        fit(network(), dashboard)
    assert len(events(tmp_path, "epoch")) == 3
    assert dashboard.url is None


def test_an_interrupt_ends_training_as_before(tmp_path):
    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    dashboard = Dashboard(tmp_path, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), [dashboard, LambdaCallback(on_epoch_begin=interrupt)])
    assert [one["event"] for one in log_of(tmp_path)][-1] == "epoch"
    with urllib.request.urlopen(f"{dashboard.url}/runs") as answer:
        assert json.load(answer)["runs"]


def test_losses_that_are_not_finite_are_text(tmp_path):
    model = network()
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ArithmeticError):
            bad = np.where(np.arange(48)[:, None] == 47, math.nan, X)
            model.fit(bad, Y, 8, 1, verbose=0, callbacks=Dashboard(tmp_path, None, every=0))
    assert "NaN" not in (tmp_path / LOG_NAME).read_text()


@pytest.mark.parametrize(
    "options",
    [{"port": -1}, {"port": 70000}, {"every": "a"}, {"ranges_every": -1}, {"ranges_every": "step"},
     {"samples": 3}, {"log_dir": ""}],
)  # fmt: skip
def test_options_that_are_invalid(options):
    with pytest.raises(InputError):
        Dashboard(**options)


def test_without_the_extra_the_error_names_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lamina.training.dashboard.serv")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("lamina.training.dashboard.serving", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(LaminaError, match=r"pip install 'lamina\[serve\]'"):
        network().fit(X, Y, dashboard=True)
    Dashboard(port=None)
