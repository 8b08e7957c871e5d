"""The calls of callbacks: their order, numbers and logs are those of Keras."""

import functools
import json

import keras
import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.training import Callback, callbacks
from lamina.training.callbacks.base import EVENTS
from lamina.training.callbacks.device_logs import DeviceLogs

X, Y = np.ones((10, 3), "float32"), np.ones((10, 1), "float32")
ALL = [event for event in EVENTS if event != "on_progress"]
NOW = [event for event in ALL if event not in ("on_batch_begin", "on_batch_end")]
FORMER = [event for event in ALL if "train_batch" not in event]


def recorder(base, events, act):
    """A callback that records its calls: the event, the number and the names of the logs."""
    calls = []

    def method(event):
        def called(self, *args, **keywords):
            given = (*args, *keywords.values())  # Keras passes some logs by keyword
            calls.append((event, *given[:-1], sorted(given[-1])))
            act(self.model, event, given)

        return called

    return type("Recorder", (base,), {event: method(event) for event in events})(), calls


def nothing(model, event, args):
    pass


def compiled(library):
    module = keras if library == "keras" else lamina
    model = module.Sequential([module.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


shared = functools.cache(compiled)
"""Runs that differ in their callbacks share a model of each library, which has its programs."""


def recorded(library, run, events=NOW, act=nothing, model=None):
    """The calls in a run of one library, and the error that ended it."""
    base = keras.callbacks.Callback if library == "keras" else Callback
    model = model or shared(library)
    callback, calls = recorder(base, events, act)
    try:
        run(model, callback)
    except RuntimeError as error:
        calls.append(str(error))
    params = {name: callback.params[name] for name in ("epochs", "steps", "verbose")}
    return [*calls, params]


def fit(model, callback, **options):
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[callback], **options)


def evaluate(model, callback):
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[callback])


def predict(model, callback):
    model.predict(X, batch_size=4, verbose=0, callbacks=[callback])


def validated(model, callback):
    fit(model, callback, validation_data=(X, Y), validation_batch_size=5)


RUNS = {
    "fit": fit,
    "with validation": validated,
    "every second epoch": lambda m, c: fit(m, c, validation_data=(X, Y), validation_freq=2),
    "validation steps": lambda m, c: fit(m, c, validation_split=0.5, validation_steps=1),
    "the second epoch": lambda m, c: fit(m, c, initial_epoch=1),
    "no epoch": lambda m, c: fit(m, c, initial_epoch=2),
    "evaluate": evaluate,
    "evaluate steps": lambda m, c: m.evaluate(X, Y, 4, verbose=0, steps=2, callbacks=[c]),
    "predict": predict,
    "predict steps": lambda m, c: m.predict(X, 4, verbose=0, steps=2, callbacks=[c]),
}


@pytest.mark.parametrize("events", [NOW, FORMER, ALL], ids=["now", "former", "all"])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_calls_are_those_of_keras(run, events):
    ours = recorded("lamina", run, events)
    assert len(ours) > 2
    assert ours == recorded("keras", run, events)


@pytest.mark.parametrize(("steps", "size"), [(2, 1), (5, 2), (1, 4)])
def test_steps_of_one_execution_share_their_calls_as_in_keras(steps, size):
    def run(model, callback):
        model.compile("sgd", "mse", metrics=["mae"], steps_per_execution=steps)
        model.fit(X, Y, batch_size=size, epochs=2, verbose=0, callbacks=[callback])

    ours, theirs = (recorded(kit, run, model=compiled(kit)) for kit in ("lamina", "keras"))
    assert ours == theirs


def stops(flag, event, number=()):
    def act(model, called, args):
        if called == event and args[: len(number)] == number:
            setattr(model, flag, True)

    return act


STOPS = {
    "training begins": (validated, stops("stop_training", "on_train_begin")),
    "an epoch begins": (validated, stops("stop_training", "on_epoch_begin")),
    "a batch begins": (validated, stops("stop_training", "on_train_batch_begin", (1,))),
    "a batch ends": (validated, stops("stop_training", "on_train_batch_end", (1,))),
    "a validation batch ends": (validated, stops("stop_training", "on_test_batch_end")),
    "an epoch ends": (validated, stops("stop_training", "on_epoch_end")),
    "validation": (validated, stops("stop_evaluating", "on_test_batch_end")),
    "evaluation": (evaluate, stops("stop_evaluating", "on_test_batch_end", (1,))),
    "prediction": (predict, stops("stop_predicting", "on_predict_batch_end", (1,))),
}


@pytest.mark.parametrize(("run", "act"), STOPS.values(), ids=STOPS.keys())
def test_runs_are_stopped_where_keras_stops_them(run, act):
    assert recorded("lamina", run, act=act) == recorded("keras", run, act=act)


@pytest.mark.parametrize(
    ("run", "event"),
    [(validated, event) for event in NOW if "predict" not in event]
    + [(evaluate, event) for event in NOW if "test" in event]
    + [(predict, event) for event in NOW if "predict" in event],
)
def test_no_call_follows_an_error_as_in_keras(run, event):
    def act(model, called, args):
        if called == event:
            raise RuntimeError(event)

    assert recorded("lamina", run, act=act) == recorded("keras", run, act=act)


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: (c,), lambda c: [[c], None]])
@pytest.mark.parametrize("run", ["fit", "evaluate", "predict"])
def test_callbacks_need_not_be_in_a_list(run, wrap):
    callback, calls = recorder(Callback, ["on_train_end", "on_test_end", "on_predict_end"], nothing)
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse")
    getattr(model, run)(*(X, Y)[: 1 if run == "predict" else 2], callbacks=wrap(callback))
    assert len(calls) == 1


def test_a_callback_list_is_called_as_one():
    seen, former = [], []
    both = [
        callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)),
        callbacks.LambdaCallback(on_batch_end=lambda batch, logs: former.append(batch)),
    ]
    listed = callbacks.CallbackList(both, add_history=True, model="model", epochs=3)
    assert both[0].model == "model" and both[1].params == {"epochs": 3}
    listed.on_train_begin()
    listed.on_train_batch_end(4, {"loss": 1.0})
    listed.on_epoch_end(0, {"loss": 1.0})
    listed.on_train_end()
    assert seen == former == [4] and listed.callbacks[2].history == {"loss": [1.0]}
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=5, verbose=0, callbacks=listed)
    assert seen == former == [4, 0, 1]


def test_a_history_of_the_user_is_returned():
    history = callbacks.History()
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.fit(X, Y, verbose=0, callbacks=history) is history and history.epoch == [0]


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (print, "LambdaCallback"),
        (["loss"], "not a callback"),
        (callbacks.EarlyStopping, r"EarlyStopping\(...\)"),
        (3, "instances of"),
    ],
)
@pytest.mark.parametrize("run", ["fit", "evaluate", "predict"])
def test_other_objects_are_no_callbacks(run, wrong, part):
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match=part):
        getattr(model, run)(X, callbacks=wrong)


def test_steps_are_single_only_for_callbacks_that_need_each_batch():
    class Epochs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    keras_epochs = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    keras_batches = keras.callbacks.TerminateOnNaN()
    needed = ("on_train_batch_begin", "on_train_batch_end")
    assert not callbacks.CallbackList([Epochs(), keras_epochs]).handles(*needed)
    assert callbacks.CallbackList([keras_batches]).handles(*needed)
    assert callbacks.CallbackList([callbacks.LambdaCallback(on_batch_end=print)]).handles(*needed)


def test_the_model_is_built_before_callbacks_see_it():
    sizes = []

    class Look(Callback):
        def look(self, *args):
            sizes.append(len(self.model.get_weights()))

        on_train_begin = on_epoch_begin = on_train_batch_begin = on_test_begin = look

    for x, y in ((X, Y), (lambda: iter([(X, Y)]), None)):
        model = lamina.Sequential([lamina.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0, callbacks=Look(), validation_data=(X, Y))
    assert sizes == [2, 2, 2, 2, 0, 0, 2, 2]


def test_logs_and_outputs_of_batches_are_those_of_the_batches():
    logs, outputs = [], []
    seen = callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, found: logs.append(dict(found)),
        on_predict_batch_end=lambda batch, found: outputs.append(np.asarray(found["outputs"])),
    )
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.arange(30, dtype="float32").reshape(10, 3)
    whole = model.evaluate(x, Y, batch_size=4, return_dict=True)
    for data in ((x, Y), (lambda: ((x[i : i + 4], Y[i : i + 4]) for i in (0, 4, 8)), None)):
        logs.clear()
        found = model.evaluate(*data, batch_size=4, callbacks=seen, return_dict=True)
        assert found == logs[2] and found == pytest.approx(whole)
        first = model.evaluate(x[:4], Y[:4], return_dict=True)
        assert logs[0] == pytest.approx(first)
    predicted = model.predict(x, batch_size=4, callbacks=seen)
    np.testing.assert_array_equal(np.concatenate(outputs), predicted)


def test_logs_are_dicts():
    logs = DeviceLogs({"loss": np.float32(0.5), "recall": np.ones(2)})
    plain = {"loss": 0.5, "recall": [1.0, 1.0]}
    assert isinstance(logs, dict) and logs == plain and logs.copy() == plain
    assert dict(logs) == {**logs} == plain and json.loads(json.dumps(logs)) == plain
    assert (logs | {"more": 1})["more"] == 1 and repr(logs) == repr(plain)
    logs.update(loss="text")
    assert logs.pop("loss") == "text" and list(logs) == ["recall"] and len(logs) == 1
