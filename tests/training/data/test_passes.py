"""Where data end: passes over sources, from epoch to epoch, and warnings."""

import functools
import itertools
import warnings

import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.training import Callback, Trainer
from lamina.training.data.passes import Passes

X = np.arange(40, dtype="float32").reshape(20, 2) / 40
Y = X.sum(-1, keepdims=True) ** 2


def batches(count):
    """Batches of four rows; the labels differ from batch to batch."""
    for index in range(count):
        rows = slice(4 * index % 20, 4 * index % 20 + 4)
        yield X[rows], Y[rows]


class Numbered:
    """Batches by number, with the methods of Keras's PyDataset."""

    def __init__(self, count):
        self.count = count
        self.events = []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.events.append(index)
        return next(itertools.islice(batches(self.count), index, None))

    def on_epoch_begin(self):
        self.events.append("begin")

    def on_epoch_end(self):
        self.events.append("end")


class Endless(Numbered):
    def __len__(self):
        raise NotImplementedError

    def __getitem__(self, index):
        return super().__getitem__(index % self.count)


@functools.cache
def compiled(kit):
    """A model for all data, which share its programs."""
    model = kit.Sequential([kit.Input((2,)), kit.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fitted(kit, *data, **options):
    """The losses, the numbers of steps of the epochs, and whether there were warnings."""
    model = compiled(kit)
    model.set_weights([np.ones((2, 1), "float32"), np.zeros(1, "float32")])
    base = Callback if kit is lamina else keras.callbacks.Callback

    class Counted(base):
        counts = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.counts = (*self.counts, 0)

        def on_train_batch_end(self, batch, logs=None):
            self.counts = (*self.counts[:-1], batch + 1)

    counted = Counted()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        history = model.fit(*data, verbose=0, shuffle=False, callbacks=[counted], **options)
    return history.history, counted.counts, any("ran out" in str(one.message) for one in found)


CASES = {
    "generator": (lambda: [batches(5)], {"epochs": 3}),
    "generator of one": (lambda: [batches(1)], {"epochs": 3}),
    "fewer steps": (lambda: [batches(5)], {"epochs": 3, "steps_per_epoch": 2}),
    "three steps": (lambda: [batches(5)], {"epochs": 3, "steps_per_epoch": 3}),
    "all epochs": (lambda: [batches(6)], {"epochs": 3, "steps_per_epoch": 2}),
    "more steps": (lambda: [batches(5)], {"epochs": 2, "steps_per_epoch": 8}),
    "arrays": (lambda: [X, Y], {"batch_size": 4, "epochs": 3, "steps_per_epoch": 2}),
    "arrays, all": (lambda: [X, Y], {"batch_size": 4, "epochs": 2, "steps_per_epoch": 5}),
    "arrays, above": (lambda: [X, Y], {"batch_size": 4, "epochs": 2, "steps_per_epoch": 100}),
    "arrays, no size": (lambda: [X, Y], {"epochs": 2, "steps_per_epoch": 3}),
    "validation": (
        lambda: [X, Y],
        {"epochs": 3, "validation_data": lambda: batches(4)},
    ),
    "validation steps": (
        lambda: [X, Y],
        {"epochs": 3, "validation_data": lambda: batches(10), "validation_steps": 3},
    ),
    "few validation": (
        lambda: [X, Y],
        {"epochs": 2, "validation_data": lambda: (X, Y), "validation_steps": 9},
    ),
    "validation arrays": (
        lambda: [X, Y],
        {"epochs": 2, "validation_data": lambda: (X, Y), "validation_steps": 3},
    ),
    "epochs of validation": (
        lambda: [X, Y],
        {"epochs": 4, "validation_data": lambda: (X, Y), "validation_freq": [1, 3]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_epochs_are_those_of_keras(case):
    data, options = CASES[case]
    found = []
    for kit in (lamina, keras):
        given = {n: v() if callable(v) else v for n, v in options.items()}
        found.append(fitted(kit, *data(), **given))
    (ours, steps, warned), (theirs, expected, told) = found
    assert steps == expected and (warned == told)
    assert ours.keys() >= theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-4)


@pytest.mark.parametrize("options", [{"epochs": 2}, {"epochs": 3, "steps_per_epoch": 3}])
def test_a_dataset_by_number_is_that_of_keras(options):
    class Theirs(Numbered, keras.utils.PyDataset):
        def __init__(self, count):
            keras.utils.PyDataset.__init__(self)
            Numbered.__init__(self, count)

    found = [fitted(kit, Theirs(4), **options) for kit in (lamina, keras)]
    np.testing.assert_allclose(found[0][0]["loss"], found[1][0]["loss"], rtol=1e-4)
    assert found[0][1:] == found[1][1:]
    source = Numbered(4)
    fitted(lamina, source, epochs=2)
    assert source.events == ["begin", 0, 1, 2, 3, "end"] * 2


def test_an_endless_dataset_needs_steps():
    source = Endless(3)
    _, steps, warned = fitted(lamina, source, epochs=2, steps_per_epoch=4)
    assert steps == (4, 4) and not warned
    assert source.events == ["begin", 0, 1, 2, 0, 1, 2, 0, 1]


def test_a_generator_that_ends_with_its_epoch_begins_anew_at_once():
    history, steps, warned = fitted(lamina, batches(5), epochs=3, steps_per_epoch=5)
    assert steps == (5, 2, 2) and warned and len(history["loss"]) == 3


def test_a_function_gives_a_new_pass_in_each_epoch():
    _, steps, warned = fitted(lamina, lambda: batches(5), epochs=3)
    assert steps == (5, 5, 5) and not warned
    _, steps, warned = fitted(lamina, lambda: batches(5), epochs=3, steps_per_epoch=3)
    assert steps == (3, 3, 3) and not warned
    _, steps, warned = fitted(lamina, lambda: batches(5), epochs=2, steps_per_epoch=8)
    assert steps == (5, 5) and warned


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_steps_above_the_data_are_warned_of(name):
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    labels = (Y,) if name == "evaluate" else ()
    for data in ((batches(4),), (X, *labels)):
        with pytest.warns(UserWarning, match="ran out of batches"):
            getattr(model, name)(*data, steps=9, batch_size=4)
    taken = batches(6)
    getattr(model, name)(taken, steps=2)
    assert len(list(taken)) == 4  # no more are fetched


def test_arrays_go_on_in_one_order_until_all_examples_are_used(monkeypatch):
    seen = []

    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    step = Trainer.steps

    def watched(self, data, indices, first, stop):
        seen.extend(np.asarray(indices)[first:stop].reshape(-1).tolist())
        return step(self, data, indices, first, stop)

    monkeypatch.setattr(Trainer, "steps", watched)
    model.fit(X, Y, 4, epochs=5, steps_per_epoch=2, verbose=0)
    assert sorted(seen[:20]) == list(range(20)) and seen[:20] != sorted(seen[:20])
    assert len(set(seen[20:])) == 16 and seen[20:] != seen[:16]


def test_training_resumes_in_the_middle_of_a_pass(tmp_path):
    def trained(epochs, **options):
        lamina.set_seed(0)
        model = Sequential([layers.Dense(1)])
        model.compile("adam", "mse")
        history = model.fit(X, Y, 4, epochs, steps_per_epoch=2, verbose=0, **options)
        return history.history["loss"], [np.asarray(v) for v in model.get_weights()]

    whole = trained(5)
    trained(2, checkpoint_dir=tmp_path)
    parts = trained(5, checkpoint_dir=tmp_path, resume=True)
    assert whole[0] == parts[0]
    for one, other in zip(whole[1], parts[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_iterator_keeps_its_first_two_batches():
    passes = Passes(iter(range(6)))
    assert list(itertools.islice(passes, 3)) == [0, 1, 2] and not passes.is_spent
    assert list(passes) == [0, 1, 3, 4, 5] and passes.is_spent
    assert list(passes) == [0, 1] and passes.length is None
    assert Passes(Numbered(2)).length == 2 and len(list(Passes(Numbered(2)))) == 2
