"""The numbers that methods of callbacks for batches get are those of Keras."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import lamina
from lamina.training import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype("float32")
Y = X.sum(1, keepdims=True)
START = [RNG.normal(size=(4, 1)).astype("float32"), np.zeros(1, "float32")]
EVENTS = ("train", "test", "predict")


def recorder(base):
    """A callback that records the numbers of batches, losses and outputs."""

    class Recorder(base):
        def __init__(self):
            super().__init__()
            self.numbers, self.losses, self.outputs = [], [], []

    def begin(self, batch, logs=None):
        self.numbers.append(("begin", batch))

    def end(self, batch, logs=None):
        self.numbers.append(("end", batch))
        if "loss" in logs:
            self.losses.append(logs["loss"])
        if "outputs" in logs:
            self.outputs.append(np.asarray(logs["outputs"]))

    for event in EVENTS:
        setattr(Recorder, f"on_{event}_batch_begin", begin)
        setattr(Recorder, f"on_{event}_batch_end", end)
    return Recorder()


def batches():
    for start in range(0, 100, 16):
        yield X[start : start + 16], Y[start : start + 16]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return X[16 * index : 16 * index + 16], Y[16 * index : 16 * index + 16]


@functools.cache
def compiled(kit, steps):
    """A model for all sources of batches, which share its programs."""
    model = kit.Sequential([kit.Input((4,)), kit.layers.Dense(1)])
    model.compile("sgd", "mse", **({} if steps is None else {"steps_per_execution": steps}))
    return model


def recorded(kit, steps, source, options):
    """The callback, and the weights after training from the same start."""
    model = compiled(kit, steps)
    model.set_weights(START)
    heard = recorder(Callback if kit is lamina else keras.callbacks.Callback)
    common = {"callbacks": [heard], "verbose": 0}
    if source == "arrays":
        model.fit(X, Y, batch_size=16, shuffle=False, **common, **options)
        model.evaluate(X, Y, batch_size=16, **common)
        model.predict(X, batch_size=16, **common)
    else:
        data = Batches if source == "dataset" else batches
        model.fit(data(), shuffle=False, **common, **options)
        model.evaluate(data(), **common)
        model.predict(data(), **common)
    return heard, model.get_weights()


def ended(numbers):
    """The numbers without those of batches that Keras begins after the end of an iterator."""
    following = [*numbers[1:], ("begin", 0)]
    pairs = zip(numbers, following, strict=True)
    return [one for one, after in pairs if one[0] == "end" or after[0] == "end"]


@pytest.mark.parametrize("steps", [None, 1, 3, 101])
@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("arrays", {"epochs": 2}),
        ("arrays", {"epochs": 3, "steps_per_epoch": 5}),
        ("dataset", {"epochs": 2}),
        ("iterator", {"epochs": 1}),
    ],
)
def test_batches_are_numbered_as_in_keras(steps, source, options):
    if "steps_per_epoch" in options and steps == 101:
        pytest.skip("Keras then takes a whole pass and warns in each epoch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # the data end within a group
        ours, after = recorded(lamina, steps, source, options)
        theirs, expected = recorded(keras, steps, source, options)
    assert ours.numbers == ended(theirs.numbers)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-4)
    for found, wanted in zip(ours.outputs, theirs.outputs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    for found, wanted in zip(after, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_checkpoints_do_not_change_the_numbers(tmp_path):
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=3)
    heard = recorder(Callback)
    model.fit(X, Y, 16, verbose=0, callbacks=[heard], checkpoint_dir=tmp_path, checkpoint_every=2)
    expected = [("begin", 0), ("end", 2), ("begin", 3), ("end", 5), ("begin", 6), ("end", 8)]
    assert heard.numbers == expected


def test_a_callback_stops_an_evaluation_and_a_prediction_after_a_group():
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=2)

    class Stopper(Callback):
        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = True

        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = True

    half = model.evaluate(X[:32], Y[:32], batch_size=16)
    assert model.evaluate(X, Y, batch_size=16, callbacks=Stopper()) == pytest.approx(half)
    assert model.predict(X, batch_size=16, callbacks=Stopper()).shape == (32, 1)
