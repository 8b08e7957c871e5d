"""Callbacks: what they do is what Keras's do; what they cost, and what they survive."""

import copy
import csv
import io
import warnings
from types import SimpleNamespace

import jax
import keras
import numpy as np
import optax
import pytest
from rich.console import Console

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError, LaminaError
from lamina.training import NotFiniteError, callbacks
from tests.close import assert_close

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 48)
LOSS = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(optimizer="sgd", metrics=("accuracy",), **options):
    lamina.set_seed(3)
    model = Sequential([layers.Dense(3)])
    model.compile(optimizer, LOSS, metrics, **options)
    return model


def fit(model, *told, epochs=3, **options):
    return model.fit(X, Y, 16, epochs=epochs, verbose=0, callbacks=told, **options)


# Against Keras, on logs that are made up.


class Stub:
    """What callbacks of both libraries see of a model."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = SimpleNamespace(learning_rate=1.0)
        self.weights = 0
        objective = SimpleNamespace(direction=lambda _: "down")
        state = SimpleNamespace(objective=objective, learning_rate=1.0)
        self._lamina = SimpleNamespace(trainer=state)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def driven(callback, series, begin=0):
    """The epochs, learning rates and weights that a callback makes of a series of losses."""
    model = Stub()
    callback.set_model(model)
    if begin == 0:
        callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(series):
        model.weights = epoch
        logs = {"val_loss": value}
        callback.on_epoch_end(epoch, logs)
        keras_made = isinstance(callback, keras.callbacks.Callback)
        owner = model.optimizer if keras_made else model._lamina.trainer
        rates.append(float(owner.learning_rate))
        if model.stop_training:
            break
    callback.on_train_end()
    return len(rates), rates, model.weights


SERIES = [
    [5, 4, 3, 3.1, 3.2, 2.9, 3.0, 3.3, 3.4, 3.5, 3.6, 3.7],
    [1, 2, 3, 4, 5, 6],
    [9, 8, 7, 6, 5, 4],
    [3, 3, 3, 3, 2.99, 2.98, 2.97, 2.96, 1, 1],
    list(RANDOM.uniform(1, 2, 20)),
]


@pytest.mark.parametrize("series", SERIES, ids=range(len(SERIES)))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2},
        {"patience": 1, "min_delta": 0.05},
        {"patience": 2, "baseline": 2.95},
        {"patience": 2, "start_from_epoch": 3},
        {"mode": "max", "patience": 1},
    ],
    ids=str,
)
def test_stopping_early_is_that_of_keras(monkeypatch, series, options):
    options = options | {"restore_best_weights": True}
    module = "lamina.training.callbacks.monitoring.views"
    monkeypatch.setattr(f"{module}.values", lambda model: model.weights)
    monkeypatch.setattr(f"{module}.set_values", lambda model, weights: model.set_weights(weights))
    ours = driven(callbacks.EarlyStopping(**options), series)
    theirs = driven(keras.callbacks.EarlyStopping(**options), series)
    assert ours == theirs


@pytest.mark.parametrize("series", SERIES, ids=range(len(SERIES)))
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 2, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "min_delta": 0.3},
        {"patience": 1, "min_lr": 0.05},
        {"patience": 2, "mode": "max"},
    ],
    ids=str,
)
def test_plateaus_are_those_of_keras(series, options):
    ours = driven(callbacks.ReduceLROnPlateau(**options), series)[1]
    theirs = driven(keras.callbacks.ReduceLROnPlateau(**options), series)[1]
    assert_close(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: callbacks.EarlyStopping(patience=3, restore_best_weights=False),
        lambda: callbacks.ReduceLROnPlateau(patience=2, cooldown=1),
    ],
)
def test_states_go_on_where_they_stopped(make):
    series = SERIES[0]
    whole = make()
    expected = driven(whole, series)
    first, second = make(), make()
    driven(first, series[:5])
    second.set_state(copy.deepcopy(first.get_state()))
    driven(second, series[5:], begin=5)
    if isinstance(whole, callbacks.EarlyStopping):
        assert second.best == whole.best and expected[0] > 5
    else:
        assert (second.best, second.wait) == (whole.best, whole.wait)


# In `fit`.


def test_the_best_weights_come_back():
    model = compiled(optax.sgd(30.0))
    stopping = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    seen = {}

    def keep(epoch, logs):
        seen[epoch] = {path: np.array(value) for path, value in model.values().items()}

    history = fit(model, stopping, callbacks.LambdaCallback(on_epoch_end=keep), epochs=30)
    assert len(history.epoch) < 30
    best = int(np.argmin(history.history["loss"]))
    assert stopping.best_epoch == best
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, seen[best][path])


def test_a_rate_is_set_and_used_and_logged():
    model = compiled()
    rates = [0.1, 0.0, 0.02]
    kernels = []

    def look(epoch, logs):
        kernels.append(np.array(model.layers[0].kernel))

    history = fit(
        model,
        callbacks.LearningRateScheduler(lambda epoch, rate: rates[epoch]),
        callbacks.LambdaCallback(on_epoch_end=look),
    )
    assert_close(history.history["learning_rate"], rates, rtol=1e-6)
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[1], kernels[2])
    model.optimizer.learning_rate = 0.5  # as Keras code sets it
    assert model.optimizer.learning_rate == 0.5
    assert compiled("adam", learning_rate=3e-4).optimizer.learning_rate == pytest.approx(3e-4)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (optax.sgd(0.1), {}),
        ("sgd", {"learning_rate": optax.linear_schedule(0.1, 0.0, 10)}),
    ],
    ids=["compiled in", "a schedule"],
)
def test_an_optimizer_without_a_rate_to_set_says_so(optimizer, options):
    model = compiled(optimizer, **options)
    with pytest.raises(InputError, match="no learning rate that can be changed"):
        fit(model, callbacks.LearningRateScheduler(lambda epoch, rate: 0.1))


def test_a_schedule_is_followed_and_can_be_read():
    model = compiled("sgd", learning_rate=optax.linear_schedule(0.1, 0.0, 9))
    rates = []
    fit(
        model,
        callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(model.optimizer.learning_rate)
        ),
    )
    assert rates[0] > rates[1] > rates[2] >= 0


def test_models_are_saved_after_epochs_and_batches(tmp_path):
    model = compiled()
    fit(
        model,
        callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.1f}.lamina"),
        callbacks.ModelCheckpoint(
            tmp_path / "deep" / "{epoch}.{batch}.weights", save_weights_only=True, save_freq=2
        ),
    )
    assert len(list(tmp_path.glob("*.lamina"))) == 3
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == ["1.2.weights", "2.1.weights", "2.3.weights", "3.2.weights"]
    last = next(tmp_path.glob("3-*.lamina"))
    np.testing.assert_array_equal(lamina.load(last).predict(X), model.predict(X))


def test_only_the_best_model_is_saved(tmp_path):
    losses = iter([3.0, 1.0, 2.0])
    made_up = callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(score=next(losses)))
    best = callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.lamina", monitor="score", mode="min", save_best_only=True
    )
    fit(compiled(), made_up, best)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.lamina", "2.lamina"]
    with pytest.raises(InputError, match="an unknown name: 'nope'"):
        fit(compiled(), callbacks.ModelCheckpoint(tmp_path / "{nope}.lamina"))


def test_logs_become_a_table(tmp_path):
    model = compiled()
    path = tmp_path / "log.csv"
    history = fit(model, callbacks.CSVLogger(path), validation_data=(X, Y))
    rows = list(csv.DictReader(path.open()))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
    fit(model, callbacks.CSVLogger(path, append=True), epochs=1)
    assert len(path.read_text().splitlines()) == 5
    fit(model, callbacks.CSVLogger(path, separator=";"), epochs=1)
    assert path.read_text().splitlines()[0] == "epoch;accuracy;loss"


def test_rows_of_epochs_that_are_made_again_are_written_once(tmp_path):
    path = tmp_path / "log.csv"

    def run(stop_at, resume=True):
        def stop(epoch, logs):
            if epoch == stop_at:
                raise KeyboardInterrupt

        told = callbacks.CSVLogger(path), callbacks.LambdaCallback(on_epoch_end=stop)
        fit(compiled(), *told, epochs=5, checkpoint_dir=tmp_path / "kept", resume=resume)

    for stop_at in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            run(stop_at)
    run(None)
    assert [row["epoch"] for row in csv.DictReader(path.open())] == ["0", "1", "2", "3", "4"]


def test_a_backup_is_gone_on_with_and_removed(tmp_path):
    directory = tmp_path / "backup"

    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            compiled("adam"),
            callbacks.BackupAndRestore(directory),
            callbacks.LambdaCallback(on_epoch_end=stop),
            epochs=4,
        )
    assert directory.exists()
    model, reference = compiled("adam"), compiled("adam")
    history = fit(model, callbacks.BackupAndRestore(directory), epochs=4)
    assert history.epoch == [0, 1, 2, 3] and not directory.exists()
    fit(reference, epochs=4)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))


def test_rates_and_best_weights_survive_a_stop(tmp_path):
    def told():
        return [
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
            callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True),
        ]

    def run(*more, **options):
        model = compiled(optimizer="sgd", learning_rate=40.0)
        return model, fit(model, *told(), *more, epochs=12, **options)

    def stop(batch, logs):
        if next(count) == 8:
            raise KeyboardInterrupt

    reference, expected = run()
    count = iter(range(99))
    options = {"checkpoint_dir": tmp_path, "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        run(callbacks.LambdaCallback(on_train_batch_end=stop), **options)
    model, history = run(resume=True, **options)
    assert history.history == expected.history
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))


def nan_at(row):
    x = X.copy()
    x[row] = np.nan
    return x


@pytest.mark.parametrize("how", ["callback", "compile"])
def test_training_ends_without_an_error_where_that_is_asked(how):
    model = compiled(on_nonfinite="stop" if how == "compile" else "raise")
    told = [callbacks.TerminateOnNaN()] if how == "callback" else []
    with pytest.warns(UserWarning, match="Training stops"):
        history = model.fit(nan_at(40), Y, 16, epochs=5, shuffle=False, callbacks=told, verbose=0)
    assert history.epoch == [0] and np.isnan(history.history["loss"]).all()
    assert all(np.isfinite(value).all() for value in model.values().values())
    with pytest.raises(NotFiniteError):
        fit_nan = compiled()
        fit_nan.fit(nan_at(3), Y, callbacks=[callbacks.TerminateOnNaN(raise_error=True)], verbose=0)


def test_numbers_that_are_not_finite_may_be_ignored():
    model = compiled(on_nonfinite="ignore")
    history = model.fit(nan_at(3), Y, 16, epochs=2, verbose=0)
    assert np.isnan(history.history["loss"]).all() and len(history.epoch) == 2
    with pytest.raises(InputError, match="on_nonfinite"):
        compiled(on_nonfinite="never")


def test_logs_of_batches_wait_for_the_device_only_when_read():
    kept = []

    class Kept(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kept.append(logs)

    history = fit(compiled(), Kept(), epochs=1)
    assert len(kept) == 3 and list(kept[0]) == ["loss", "accuracy"]
    assert isinstance(dict.__getitem__(kept[0], "loss"), jax.Array)
    assert kept[-1]["loss"] == history.history["loss"][0]
    assert kept[0]["loss"] != kept[1]["loss"]


def test_callbacks_of_keras_are_told_too():
    losses = []
    told = [
        keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: losses.append(logs["loss"])),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 * (epoch + 1)),
    ]
    history = fit(compiled(), *told)
    assert losses == history.history["loss"]
    assert_close(history.history["learning_rate"], [0.01, 0.02, 0.03], rtol=1e-6)


def test_training_may_stop_after_a_batch():
    def stop(batch, logs):
        model.stop_training = batch == 1

    model = compiled()
    history = fit(model, callbacks.LambdaCallback(on_train_batch_end=stop), epochs=9)
    assert history.epoch == [0] and model._lamina.trainer.wait() == 2


def test_a_bar_of_ones_own_takes_the_place_of_the_usual_one():
    stream = io.StringIO()
    bar = callbacks.ProgressBar(2, Console(file=stream, force_terminal=False, width=120))
    compiled().fit(X, Y, 16, epochs=2, callbacks=[bar])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2  3 steps")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: callbacks.EarlyStopping(), "validation_data"),
        (lambda: callbacks.EarlyStopping("los"), "one of loss, accuracy"),
        (lambda: callbacks.EarlyStopping("loss", mode="up"), "mode"),
        (lambda: callbacks.ReduceLROnPlateau(factor=2.0), r"a factor in \(0, 1\)"),
        (lambda: callbacks.ModelCheckpoint("x", save_freq="day"), "save_freq"),
    ],
)
def test_what_cannot_work_is_told_before_training(make, part):
    model = compiled()
    with pytest.raises(InputError, match=part):
        fit(model, make())
    assert not model.built


def test_a_log_of_unknown_direction_needs_a_mode():
    made_up = callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(score=1.0))
    model = compiled()
    with pytest.raises(InputError, match="Pass mode='max' or mode='min'"):
        fit(model, MyCallback(), made_up, callbacks.EarlyStopping("score"))


class MyCallback(callbacks.Callback):
    """One whose logs are not known beforehand."""


def test_tensorboard_writes_curves_if_it_is_installed(tmp_path):
    try:
        board = callbacks.TensorBoard(tmp_path, update_freq="batch")
    except LaminaError as error:
        assert "pip install tensorboard" in str(error)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(compiled(), board, validation_data=(X, Y))
    assert list((tmp_path / "train").iterdir()) and list((tmp_path / "validation").iterdir())


def test_a_schedule_may_take_the_epoch_alone():
    class Halving:
        def __call__(self, epoch):
            return 0.4 * 0.5**epoch

    model = compiled()
    for schedule in (
        Halving(),
        lambda epoch: 0.4 * 0.5**epoch,
        lambda *known: 0.4 * 0.5 ** known[0],
    ):
        history = fit(model, callbacks.LearningRateScheduler(schedule)).history
        assert_close(history["learning_rate"], [0.4, 0.2, 0.1], rtol=1e-6)


def test_the_columns_of_a_table_are_those_of_all_epochs(tmp_path):
    model = compiled()
    path, validation = tmp_path / "log.csv", {"validation_data": (X, Y)}
    fit(model, callbacks.CSVLogger(path), validation_freq=2, epochs=3, **validation)
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["val_loss"] == "NA" for row in rows] == [True, False, True]
    fit(model, callbacks.CSVLogger(path))
    fit(model, callbacks.CSVLogger(path, append=True), **validation)
    with open(path, newline="") as stream:
        table = list(csv.reader(stream))
    assert table[0] == ["epoch", "accuracy", "loss"]
    assert [len(row) for row in table] == [3] * 7


def test_states_for_a_checkpoint_do_not_change_while_it_is_written():
    class Counts(callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = {"epochs": [], "total": np.zeros(1)}

        def on_epoch_end(self, epoch, logs=None):
            self.seen["epochs"].append(epoch)
            self.seen["total"] += 1

        def get_state(self):
            return self.seen

    listed = callbacks.CallbackList([callbacks.History(), Counts()])
    listed.call("on_train_begin", {})
    listed.call("on_epoch_end", 0, {"loss": 1.0})
    states = dict(listed.states())
    listed.call("on_epoch_end", 1, {"loss": 0.5})
    assert states["History"] == {"epoch": [0], "history": {"loss": [1.0]}}
    assert states["Counts"] == {"epochs": [0], "total": np.ones(1)}
