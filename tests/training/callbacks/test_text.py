"""Names in logs are shown as they are, whatever they contain."""

import functools
import io

import numpy as np
import pytest
from rich.console import Console

import lamina
from lamina import layers
from lamina.training import callbacks

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
NAMES = [
    "top[k]",
    "[/x]",
    "[red]a[/red]",
    "x]",
    "[",
    ":smile:",
    "\U0001f600",
    "{a}",
    "%s",
    "n" * 300,
]


@functools.cache
def compiled(*names):
    """A model for all tests that differ in what they do with its logs."""
    model = lamina.Sequential([layers.Dense(1)])
    metrics = [lamina.metrics.MeanAbsoluteError(name=name) for name in names]
    model.compile("sgd", "mse", metrics=metrics)
    return model


@pytest.mark.parametrize("verbose", [1, 2])
def test_names_are_shown_as_they_are(verbose):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=verbose == 1, width=2000, color_system=None)
    bar = callbacks.ProgressBar(verbose, console)
    history = compiled(*NAMES).fit(X, Y, epochs=2, callbacks=bar, validation_data=(X, Y))
    names = ["loss", *NAMES]
    assert list(history.history) == names + [f"val_{name}" for name in names]
    for name in NAMES:
        assert f"  {name} " in stream.getvalue(), name


@pytest.mark.parametrize("verbose", [1, 2])
def test_characters_that_a_console_cannot_encode_are_escaped(verbose):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    console = Console(file=stream, force_terminal=verbose == 1, width=500, color_system=None)
    compiled("\U0001f600").fit(X, Y, callbacks=callbacks.ProgressBar(verbose, console))
    stream.flush()
    assert b"\\U0001f600 " in raw.getvalue()


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("value", ["text", None, True, np.float32(2), np.ones(2), {"a": 1}])
def test_logs_of_callbacks_may_be_of_any_type(value, verbose):
    stream = io.StringIO()
    bar = callbacks.ProgressBar(verbose, Console(file=stream, force_terminal=verbose == 1))
    added = callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(more=value))
    compiled("mae").fit(X, Y, callbacks=[added, bar])
    assert "more" in stream.getvalue()


@pytest.mark.parametrize("name", ["top[k]", "[x]", "top[0]"])
def test_a_name_in_brackets_is_part_of_a_path(tmp_path, name):
    saving = callbacks.ModelCheckpoint(tmp_path / f"m-{{{name}:.3f}}", name, save_best_only=True)
    history = compiled(name).fit(X, Y, verbose=0, callbacks=saving).history
    assert [path.name for path in tmp_path.iterdir()] == [f"m-{history[name][0]:.3f}"]


@pytest.mark.parametrize("terminal", [False, True])
def test_names_of_layers_and_weights_are_shown_as_they_are(monkeypatch, capsys, terminal):
    class Named(lamina.Layer):
        def build(self, input_shape):
            self.add_weight((2,), name="[red]w")

        def call(self, inputs):
            return inputs

    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else None
    Named.__name__ = "[/x]"
    layer = Named()
    layer.build((None, 2))
    layer.summary()
    layer.explain()
    shown = capsys.readouterr().out
    assert shown.count("[red]w") >= 2 and shown.count("[/x]") >= 2
