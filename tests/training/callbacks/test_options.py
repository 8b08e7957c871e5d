"""Options of callbacks: those of Keras, and mistakes that are errors before the first step."""

import inspect
import math

import keras
import numpy as np
import optax
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.training import Callback, callbacks

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
VALIDATED = {"validation_data": (X, Y)}


def compiled(*args, **options):
    model = lamina.Sequential([layers.Dense(1)])
    options = {"metrics": ["mae"]} | options
    model.compile(*args or ("sgd",), loss="mse", **options)
    return model


def names_of_callbacks():
    found = vars(keras.callbacks).items()
    return sorted(name for name, value in found if isinstance(value, type))


@pytest.mark.parametrize("name", names_of_callbacks())
def test_arguments_are_those_of_keras_or_refused_by_name(name):
    if name in ("OrbaxCheckpoint", "ProgbarLogger", "RemoteMonitor"):
        with pytest.raises(AttributeError, match=f"no callback '{name}'(.|\n)*Use|Send"):
            getattr(callbacks, name)
        return
    ours, theirs = (
        {
            p.name: p.default
            for p in inspect.signature(getattr(module, name)).parameters.values()
            if p.kind is not p.VAR_KEYWORD
        }
        for module in (callbacks, keras.callbacks)
    )
    assert ours == theirs and list(ours) == list(theirs)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: callbacks.EarlyStopping("val_maee"), "val_maee"),
        (lambda: callbacks.EarlyStopping("val_loss", patience="3"), "patience"),
        (lambda: callbacks.EarlyStopping("loss", baseline=math.nan), "baseline"),
        (lambda: callbacks.EarlyStopping(["loss"]), "monitor"),
        (lambda: callbacks.ReduceLROnPlateau("val_los"), "val_los"),
        (lambda: callbacks.ReduceLROnPlateau("loss", min_lr="0"), "min_lr"),
        (lambda: callbacks.ModelCheckpoint("a", "los", save_best_only=True), "los"),
        (lambda: callbacks.ModelCheckpoint("a", save_best_only=True, save_freq=2), "val_loss"),
        (lambda: callbacks.ModelCheckpoint("a", save_freq=0), "save_freq"),
        (lambda: callbacks.ModelCheckpoint("{nope}"), "unknown name: 'nope'"),
        (lambda: callbacks.ModelCheckpoint("{batch}"), "unknown name: 'batch'"),
        (lambda: callbacks.ModelCheckpoint("{val_loss}", save_freq=2), "unknown name: 'val_loss'"),
        (lambda: callbacks.ModelCheckpoint("{learning_rate}"), "unknown name: 'learning_rate'"),
        (lambda: callbacks.ModelCheckpoint("{epoch:.2q}"), "path of ModelCheckpoint is invalid"),
        (lambda: callbacks.ModelCheckpoint("{epoch"), "path of ModelCheckpoint is invalid"),
        (lambda: callbacks.ModelCheckpoint("{}"), "path of ModelCheckpoint is invalid"),
        (lambda: callbacks.ModelCheckpoint("{epoch:{w}}"), "path of ModelCheckpoint is invalid"),
        (lambda: callbacks.LearningRateScheduler(0.1), "schedule"),
        (lambda: callbacks.LambdaCallback(on_epoch_ended=print), "on_epoch_end"),
        (lambda: callbacks.LambdaCallback(on_epoch_end=3), "not callable"),
        (lambda: callbacks.CSVLogger("a", separator=""), "separator"),
        (lambda: callbacks.SwapEMAWeights(), "use_ema=True"),
        (lambda: callbacks.BackupAndRestore("a", save_freq="day"), "save_freq"),
        (lambda: callbacks.BackupAndRestore("a", save_freq=0.15), "save_freq"),
        (lambda: callbacks.BackupAndRestore(""), "backup_dir of BackupAndRestore is no path"),
        (lambda: callbacks.BackupAndRestore(None), "backup_dir of BackupAndRestore is no path"),
        (lambda: callbacks.ModelCheckpoint(None), "filepath of ModelCheckpoint is no path"),
        (lambda: callbacks.CSVLogger(""), "filename of CSVLogger is no path"),
        (lambda: callbacks.TensorBoard(log_dir=None), "log_dir of TensorBoard is no path"),
        (lambda: callbacks.TensorBoard(write_images=True), "write_images"),
        (lambda: callbacks.TensorBoard(embeddings_freq=1), "embeddings_freq"),
        (lambda: callbacks.TensorBoard(embeddings_metadata="a"), "embeddings_metadata"),
    ],
)
def test_a_mistake_is_an_error_before_training(monkeypatch, tmp_path, make, part):
    monkeypatch.chdir(tmp_path)
    model = compiled()
    epochs = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: pytest.fail("begun"))
    with pytest.raises(InputError, match=part):
        model.fit(X, Y, verbose=0, callbacks=[epochs, make()], **VALIDATED)
    assert not model.built and not list(tmp_path.iterdir())


def test_a_mistake_is_an_error_before_training_beside_callbacks_that_add_no_logs():
    class Steps(Callback):
        def on_train_batch_end(self, batch, logs=None):
            pytest.fail("a step")

    class Later(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_maee"] = 1.0

    told = [Steps(), callbacks.EarlyStopping("val_maee"), Later()]
    with pytest.raises(InputError, match="val_maee"):
        compiled().fit(X, Y, verbose=0, callbacks=told, **VALIDATED)


def test_logs_that_earlier_callbacks_add_may_be_monitored(tmp_path):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = 1.0

    best = callbacks.ModelCheckpoint(
        tmp_path / "{score:.1f}", "score", save_best_only=True, mode="max"
    )
    compiled().fit(X, Y, verbose=0, callbacks=[Adds(), best])
    assert (tmp_path / "1.0").exists()


@pytest.mark.parametrize("freq", [2, (2,)])
def test_a_log_of_some_epochs_is_no_part_of_a_path(tmp_path, freq):
    options = VALIDATED | {"validation_freq": freq, "epochs": 2, "verbose": 0}
    path = tmp_path / "{val_loss:.1f}"
    with pytest.raises(InputError, match="unknown name: 'val_loss'"):
        compiled().fit(X, Y, callbacks=callbacks.ModelCheckpoint(path), **options)
    best = callbacks.ModelCheckpoint(path, save_best_only=True)
    compiled().fit(X, Y, callbacks=best, **options)
    assert len(list(tmp_path.iterdir())) == 1


class Custom(lamina.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def train_loss(self, batch):
        x, y = batch
        loss = ((self.dense(x) - y) ** 2).mean()
        return loss, {"twice": 2 * loss}


def test_names_of_a_custom_loss_are_checked_after_the_first_step():
    made = []
    steps = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: made.append(batch))
    model = Custom()
    model.compile("sgd")
    for name in ("twice", "val_twice"):
        stopping = callbacks.EarlyStopping(name, mode="min")
        model.fit(X, Y, 2, verbose=0, callbacks=[steps, stopping], **VALIDATED)
    made.clear()
    model = Custom()
    model.compile("sgd")
    with pytest.raises(InputError, match="val_thrice"):
        stopping = callbacks.EarlyStopping("val_thrice", mode="min")
        model.fit(X, Y, 2, verbose=0, callbacks=[steps, stopping], **VALIDATED)
    assert made == [0]


def test_the_loss_of_one_output_may_be_monitored():
    inputs = lamina.Input((3,))
    outputs = {"a": layers.Dense(1)(inputs), "b": layers.Dense(1)(inputs)}
    model = lamina.Model(inputs, outputs)
    model.compile("sgd", {"a": "mse", "b": "mse"})
    labels = {"a": Y, "b": Y}
    stopping = callbacks.EarlyStopping("val_a_loss")
    model.fit(X, labels, verbose=0, validation_data=(X, labels), callbacks=stopping)
    assert stopping.best is not None


class Several(lamina.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(1), layers.Dense(1)

    def call(self, inputs):
        return [self.first(inputs), self.second(inputs)]


@pytest.mark.parametrize("loss", ["mse", ["mse", "mse"]], ids=str)
def test_each_log_of_several_outputs_may_be_monitored(loss):
    model = Several()
    model.compile("sgd", loss, metrics=[["mae"], ["mae"]])
    options = {"verbose": 0, "validation_data": (X, [Y, Y])}
    names = list(model.fit(X, [Y, Y], **options).history)
    assert len(names) == 10
    told = [callbacks.EarlyStopping(name, mode="min") for name in names]
    model.fit(X, [Y, Y], callbacks=told, **options)
    assert all(stopping.best is not None for stopping in told)


def test_a_metric_of_unknown_direction_needs_a_mode_before_training():
    def mine(y_true, y_pred):
        return abs(y_true - y_pred)

    model = compiled(metrics=[mine])
    with pytest.raises(InputError, match="mode="):
        model.fit(X, Y, verbose=0, callbacks=callbacks.EarlyStopping("mine"))
    assert not model.built


def test_a_schedule_cannot_be_lowered_and_says_so_before_training():
    model = compiled("sgd", learning_rate=optax.linear_schedule(0.1, 0.0, 10))
    with pytest.raises(InputError, match="follows a schedule"):
        model.fit(X, Y, verbose=0, callbacks=callbacks.ReduceLROnPlateau("loss"))
    assert not model.built


def made_of(values):
    """A callback that sets the logs of epochs."""
    given = iter(values)
    return callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=next(given)))


NAN = math.nan


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_nan_is_never_the_best(mode, tmp_path):
    sign = 1 if mode == "min" else -1
    values = [NAN, sign * 3.0, NAN, sign * 2.0, sign * 2.5]
    stopping = callbacks.EarlyStopping("score", patience=9, mode=mode, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("score", patience=2, mode=mode)
    saving = callbacks.ModelCheckpoint(
        tmp_path / "{epoch}", "score", save_best_only=True, mode=mode
    )
    told = [made_of(values), stopping, plateau, saving]
    compiled().fit(X, Y, epochs=5, verbose=0, callbacks=told)
    assert stopping.best == plateau.best == saving.best == sign * 2.0
    assert stopping.best_epoch == 3 and plateau.wait == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "4"]


def test_epochs_of_nan_count_as_epochs_without_improvement():
    stopping = callbacks.EarlyStopping("score", patience=2, mode="min", restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("score", patience=2, mode="min", factor=0.5)
    model = compiled()
    seen = []
    look = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0])
    )
    told = [look, made_of([NAN] * 9), stopping, plateau]
    history = model.fit(X, Y, epochs=9, verbose=0, callbacks=told)
    assert history.epoch == [0, 1, 2]  # the first epoch is the best so far, as in Keras
    assert np.isnan(stopping.best) and np.isnan(plateau.best)
    assert model.optimizer.learning_rate == pytest.approx(0.005)
    np.testing.assert_array_equal(model.get_weights()[0], seen[0])  # as in Keras


@pytest.mark.parametrize("lowest", [0.001, 0.1, 1e-5, 3e-7])
def test_nothing_is_printed_at_the_lowest_rate(capsys, lowest):
    plateau = callbacks.ReduceLROnPlateau(
        "score", patience=1, mode="min", factor=0.5, min_lr=lowest, verbose=1
    )
    model = compiled("sgd", learning_rate=1.5 * lowest)
    history = model.fit(X, Y, epochs=5, verbose=0, callbacks=[made_of([1.0] * 5), plateau])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "epoch 2" in lines[0]
    assert history.history["learning_rate"][-1] == pytest.approx(lowest)


def test_a_log_that_is_a_list_cannot_be_monitored():
    added = callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(score=[1.0, 2.0]))
    told = [added, callbacks.EarlyStopping("score", mode="min")]
    with pytest.raises(InputError, match="not a number"):
        compiled().fit(X, Y, verbose=0, callbacks=told)
