"""The display of progress of `fit`, `evaluate` and `predict`."""

import functools
import io
import time

import numpy as np
import pytest
from rich.console import Console

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.training import callbacks
from lamina.training.callbacks.progress import PassProgress

X, Y = np.ones((100, 3), "float32"), np.ones((100, 1), "float32")


@functools.cache
def shared():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def compiled():
    """The model whose programs all tests share, with weights of zero."""
    model = shared()
    model.set_weights([np.zeros((3, 1)), np.zeros(1)])
    return model


def batches():
    for _ in range(3):
        yield X[:10], Y[:10]


def console(terminal=False):
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


@pytest.mark.parametrize("verbose", [2, "auto", True, 1])
def test_evaluate_shows_one_line_with_the_loss_and_the_metrics(capsys, verbose) -> None:
    compiled().evaluate(X, Y, verbose=verbose)
    shown = capsys.readouterr().out
    assert shown.startswith("evaluate") and shown.count("\n") == 1
    assert shown.endswith("loss 1.0000  mae 1.0000\n")


@pytest.mark.parametrize("verbose", [2, "auto"])
def test_predict_shows_one_line_with_the_steps(capsys, verbose) -> None:
    compiled().predict(X, batch_size=30, verbose=verbose)
    shown = capsys.readouterr().out
    assert shown.startswith("predict  4 steps  ") and shown.endswith(" steps/s\n")


@pytest.mark.parametrize("verbose", [0, False, None])
def test_nothing_is_shown_without_verbose(capsys, verbose) -> None:
    model = compiled()
    model.evaluate(X, Y, verbose=verbose)
    model.predict(X, verbose=verbose)
    model.train_on_batch(X, Y)
    model.test_on_batch(X, Y)
    model.predict_on_batch(X)
    assert capsys.readouterr().out == ""


def test_a_validation_shows_nothing(capsys) -> None:
    compiled().fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    assert capsys.readouterr().out == ""
    compiled().fit(X, Y, validation_data=(X, Y), epochs=2, verbose=2)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["epoch", "epoch"]


def test_the_bar_of_callbacks_is_used() -> None:
    for terminal in (True, False):
        shown = console(terminal)
        bar = callbacks.ProgressBar(console=shown)
        compiled().evaluate(X, Y, verbose=0, callbacks=bar)
        compiled().predict(X, verbose=0, callbacks=[bar])
        text = shown.file.getvalue()
        assert "evaluate" in text and "predict" in text
        assert ("4/4" in text) == terminal


def test_the_number_of_batches_of_an_iterable_is_counted() -> None:
    shown = console()
    compiled().evaluate(batches(), callbacks=callbacks.ProgressBar(2, shown))
    compiled().predict(batches(), callbacks=callbacks.ProgressBar(2, shown))
    lines = shown.file.getvalue().splitlines()
    assert [line.split("  ")[:2] for line in lines] == [
        ["evaluate", "3 steps"],
        ["predict", "3 steps"],
    ]


def test_the_values_do_not_depend_on_the_display() -> None:
    model = compiled()
    silent = model.evaluate(X, Y, batch_size=7, verbose=0)
    bar = callbacks.ProgressBar(1, console(True))
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=7, callbacks=bar), silent, rtol=1e-5)
    outputs = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X, callbacks=bar), outputs)


def test_an_evaluation_within_fit_has_a_display(capsys) -> None:
    shown = console(True)
    bar = callbacks.ProgressBar(1, shown)
    model = compiled()

    def evaluate(epoch, logs):
        model.evaluate(X, Y, callbacks=callbacks.ProgressBar(1, shown))

    model.fit(X, Y, callbacks=[bar, callbacks.LambdaCallback(on_epoch_end=evaluate)], epochs=2)
    assert "epoch 2/2" in shown.file.getvalue() and "evaluate" in shown.file.getvalue()


def test_logs_are_read_a_few_times_a_second_in_a_terminal_only(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    for terminal, expected in ((True, 5), (False, 0)):
        reads = []
        bar = callbacks.ProgressBar(console=console(terminal))
        with PassProgress("evaluate", None, 0, [bar]) as progress:
            for _ in range(100):
                now[0] += 0.011
                progress.advance(1, lambda reads=reads: reads.append(1) or {"loss": 1.0})
            progress.end({})
        assert len(reads) == expected


@pytest.mark.parametrize("verbose", ["bar", "2", 1.5])
def test_an_invalid_verbose_is_an_error(verbose) -> None:
    model = compiled()
    for run in (
        lambda: model.fit(X, Y, verbose=verbose),
        lambda: model.evaluate(X, Y, verbose=verbose),
        lambda: model.predict(X, verbose=verbose),
    ):
        with pytest.raises(InputError, match="verbose is not valid"):
            run()
