"""Counts: integers of NumPy are taken everywhere, and other values are one clear error."""

import json

import numpy as np
import pytest

import lamina
from lamina import Sequential, constraints, layers, losses, metrics
from lamina.counts import as_count, count_or_default
from lamina.errors import InputError
from lamina.training import callbacks

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.arange(8) % 3
BAD = [0, -1, 1.5, True, "3", np.float32(2)]


def compiled(**options):
    model = Sequential([layers.Dense(3)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, learning_rate=0.1, **options)
    return model


def test_a_count_is_an_int():
    assert [as_count("n", one) for one in (3, np.int8(3), np.array(3))] == [3, 3, 3]
    assert type(as_count("n", np.uint64(3))) is int and as_count("n", -2, None) == -2
    assert count_or_default("n", None, 5) == 5
    with pytest.raises(InputError, match="n is not an integer >= 2"):
        as_count("n", 1, 2)


def in_numpy(options, kind):
    return {n: v if isinstance(v, tuple) else kind(v) for n, v in options.items()}


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array])
def test_fit_evaluate_and_predict_take_integers_of_numpy(kind):
    options = {"batch_size": 4, "epochs": 3, "initial_epoch": 1, "steps_per_epoch": 2}
    options |= {"validation_steps": 1, "validation_batch_size": 3, "validation_freq": 2}
    options |= {"validation_data": (X, Y)}
    found = []
    for given in (options, in_numpy(options, kind)):
        lamina.set_seed(0)
        model = compiled()
        found.append(model.fit(X, Y, verbose=0, **given).history)
        assert model.predict(X, batch_size=kind(3), steps=kind(2)).shape == (6, 3)
        found[-1]["loss"].append(model.evaluate(X, Y, kind(3), steps=kind(2)))
    assert found[0] == found[1]


def test_none_is_the_default():
    names = "batch_size epochs initial_epoch steps_per_epoch validation_steps "
    names += "validation_batch_size validation_freq"
    found = []
    for options in ({}, dict.fromkeys(names.split())):
        lamina.set_seed(0)
        model = compiled(**{"steps_per_execution": None} if options else {})
        found.append(model.fit(X, Y, verbose=0, validation_data=(X, Y), **options).history)
        found[-1]["loss"].append(model.evaluate(X, Y, batch_size=None, steps=None))
        assert model.predict(X, batch_size=None, steps=None).shape == (8, 3)
    assert found[0] == found[1]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "name",
    [
        "batch_size",
        "epochs",
        "initial_epoch",
        "steps_per_epoch",
        "validation_steps",
        "validation_batch_size",
        "validation_freq",
        "checkpoint_every",
        "keep",
    ],
)
def test_bad_counts_of_fit_are_refused_before_anything_runs(name, bad, tmp_path):
    if (name, bad) == ("initial_epoch", 0):
        return
    model = compiled()
    folder = {"checkpoint_dir": tmp_path / "run"} if name in ("checkpoint_every", "keep") else {}
    with pytest.raises(InputError, match=f"{name} is not"):
        model.fit(X, Y, verbose=0, validation_data=(X, Y), **{name: bad}, **folder)
    assert not model.variables and not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", BAD)
def test_bad_counts_elsewhere_are_refused(bad):
    model = compiled()
    for name in ("batch_size", "steps"):
        with pytest.raises(InputError, match=f"{name} is not"):
            model.evaluate(X, Y, **{name: bad})
        with pytest.raises(InputError, match=f"{name} is not"):
            model.predict(X, **{name: bad})
    for name in ("gradient_accumulation_steps", "steps_per_execution"):
        with pytest.raises(InputError, match=name):
            compiled(**{name: bad})
    for make in (callbacks.ModelCheckpoint, callbacks.BackupAndRestore):
        with pytest.raises(InputError, match="save_freq"):
            make("folder", save_freq=bad)
    for make in (metrics.TopKCategoricalAccuracy, metrics.SparseTopKCategoricalAccuracy):
        with pytest.raises(InputError, match=r"k of \w+ is not a positive integer"):
            make(k=bad)
    with pytest.raises(InputError, match="num_classes"):
        metrics.MeanIoU(bad)
    if bad not in (0, -1) or bad is True:
        with pytest.raises(InputError, match="axis"):
            layers.LayerNormalization(axis=bad)
        with pytest.raises(InputError, match="axis of MaxNorm is not an integer"):
            constraints.MaxNorm(axis=bad)
        with pytest.raises(InputError, match="axis of Dice is not an integer"):
            losses.Dice(axis=bad)
    if bad != 0 or bad is False:
        for make in (callbacks.EarlyStopping, callbacks.ReduceLROnPlateau):
            with pytest.raises(InputError, match="patience"):
                make(patience=bad)


def test_callbacks_take_integers_of_numpy(tmp_path):
    stopping = callbacks.EarlyStopping("loss", patience=np.int64(1), min_delta=10.0)
    saved = callbacks.ModelCheckpoint(tmp_path / "{batch}.lamina", save_freq=np.int64(2))
    plateau = callbacks.ReduceLROnPlateau("loss", patience=np.int32(2), cooldown=np.int32(1))
    model = compiled(gradient_accumulation_steps=np.int64(2), steps_per_execution=np.int64(2))
    history = model.fit(X, Y, 4, 9, callbacks=[stopping, saved, plateau], verbose=0)
    assert len(history.epoch) == 2 and [path.name for path in tmp_path.iterdir()] == ["2.lamina"]
    backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq=np.int64(1))
    compiled().fit(X, Y, 4, callbacks=[backup], verbose=0)


def test_layers_record_numbers_of_python():
    layer = layers.Conv2D(np.int64(4), (np.int64(3), np.int32(3)), strides=np.int8(2))
    assert repr(layer) == "Conv2D(4, (3, 3), strides=2)"
    assert layer(np.ones((1, 9, 9, 2), "float32")).shape == (1, 4, 4, 4)
    config = json.loads(json.dumps(layer.get_config()))
    assert layers.Conv2D.from_config(config).get_config() == config


@pytest.mark.parametrize(
    "make",
    [
        lambda i: layers.Dense(i(3)),
        lambda i: layers.Reshape((i(2), i(2))),
        lambda i: layers.LayerNormalization(axis=i(-1)),
        lambda i: layers.Normalization(axis=i(-1), mean=0.0, variance=1.0),
        lambda i: layers.PReLU(shared_axes=i(1)),
        lambda i: layers.Softmax(axis=i(-1)),
        lambda i: layers.Dropout(0.5, seed=i(3)),
        lambda i: layers.Dense(3, kernel_constraint=constraints.MaxNorm(0.1, axis=i(1))),
        lambda i: layers.Dense(3, kernel_initializer=lamina.initializers.HeNormal(seed=i(3))),
        lambda i: layers.Dense(3, kernel_regularizer=lamina.regularizers.L2(np.float32(0.5))),
    ],
)
def test_layers_take_integers_of_numpy(make):
    outputs = []
    for kind in (int, np.int64):
        lamina.set_seed(0)
        layer = make(kind)
        layer.build((None, kind(4)))
        outputs.append(layer(X, training=True, rng=kind(1)))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    "make",
    [
        lambda i: metrics.TopKCategoricalAccuracy(k=i(2)),
        lambda i: metrics.AUC(num_thresholds=i(5)),
        lambda i: metrics.Precision(top_k=i(2), class_id=i(1)),
        lambda i: metrics.CategoricalCrossentropy(axis=i(-1)),
    ],
)
def test_metrics_take_integers_of_numpy(make):
    labels = np.eye(3, dtype="float32")[Y]
    chances = np.abs(X[:, :3]) / np.abs(X[:, :3]).sum(-1, keepdims=True)
    found = []
    for kind in (int, np.int64):
        metric = make(kind)
        state = metric.init(labels, chances) if metric.shaped else metric.init()
        found.append(metric.result(metric.update(state, labels, chances)))
    np.testing.assert_array_equal(*found)
