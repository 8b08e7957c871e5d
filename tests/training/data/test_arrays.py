"""Data: the accepted kinds, prefetching, and the last, smaller batch."""

import itertools
import threading
import time

import jax
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, Trainer, layers
from lamina.errors import InputError
from lamina.training.data.arrays import Arrays
from lamina.training.data.prefetch import Prefetched, to_device
from lamina.training.step.program import Program

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 70)
W = RANDOM.uniform(size=70).astype("float32")
LOSS = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(*more, loss=LOSS, metrics=("accuracy",), **options):
    lamina.set_seed(3)
    model = Sequential([*(make() for make in more), layers.Dense(3)])
    model.compile("sgd", loss, metrics, **options)
    model.build((None, 4))
    return model


def pieces(size=16, arrays=(X, Y)):
    for at in range(0, 70, size):
        yield tuple(array[at : at + size] for array in arrays)


def told(model, *given, **options):
    return model.fit(*given, shuffle=False, verbose=0, **options).history


def same(left, right, **tolerance):
    for path, value in left.values().items():
        np.testing.assert_allclose(value, right.values()[path], err_msg=path, **tolerance)


# The last, smaller batch.


@pytest.fixture
def traced(monkeypatch):
    """The batch sizes for which the loop over steps is traced."""
    sizes, many = [], Program._train_rows

    def traced(self, carry, data, order, *bounds):
        sizes.append(order.shape[1])
        return many(self, carry, data, order, *bounds)

    monkeypatch.setattr(Program, "_train_rows", traced)
    return sizes


@pytest.mark.parametrize(
    ("more", "weights"),
    [
        ((), W),
        ((lambda: layers.Dropout(0.4), layers.LayerNormalization), None),
    ],
    ids=["weighted", "dropout and norm"],
)
def test_the_last_batch_has_a_program_and_numbers_are_those_of_the_plain_loop(
    more, weights, traced
):
    model, plain = compiled(*more), compiled(*more)
    history = told(model, X, Y, 16, epochs=2, sample_weight=weights, validation_data=(X, Y))
    assert traced == [16, 6]
    arrays = (X, Y) if weights is None else (X, Y, weights)
    trainer = Trainer(plain, "sgd", LOSS, ["accuracy"])
    for _ in range(2):
        trainer.reset_logs()
        for batch in pieces(16, arrays):
            trainer.step(batch)
    assert trainer.wait() == model._lamina.trainer.wait() == 10
    same(model, plain, atol=2e-6)
    logs = trainer.logs()
    assert history["loss"][-1] == pytest.approx(logs["loss"], rel=1e-5)
    assert history["accuracy"][-1] == pytest.approx(logs["accuracy"], abs=1e-6)
    expected = plain_evaluation(plain)
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)


def test_a_file_mapped_into_memory_is_read_where_it_is(tmp_path):
    x, y = RANDOM.normal(size=(70_000, 4)).astype("float32"), RANDOM.integers(0, 3, 70_000)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    placed, _ = Arrays((mapped, y)).device
    assert placed.unsafe_buffer_pointer() == mapped.ctypes.data
    model, other = compiled(), compiled()
    assert told(model, mapped, y, 700) == told(other, x, y, 700)
    same(model, other, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["float64", "other order", "transposed", "big end first"])
def test_memory_that_does_not_serve_is_copied(kind):
    x = RANDOM.normal(size=(70_000, 4)).astype("float32")
    given = {
        "float64": x.astype("float64"),
        "other order": np.asfortranarray(x),
        "transposed": np.ascontiguousarray(x.T).T,
        "big end first": x.astype(">f4"),
    }[kind]
    np.testing.assert_array_equal(Arrays(given).device, x)


@pytest.mark.parametrize("count", [8, 300_000])
def test_masked_numbers_are_refused_and_other_orders_of_bytes_read(count):
    x = np.arange(count * 4, dtype="float32").reshape(count, 4)
    with pytest.raises(InputError, match="masked numbers"):
        compiled().predict(np.ma.masked_array(x, mask=x > 3))
    with pytest.raises(InputError, match="masked numbers"):
        told(compiled(), np.ma.masked_array(x, mask=x > 3), np.zeros(count), 8)
    np.testing.assert_array_equal(Arrays(x.astype(">f4")).device, x)


def plain_evaluation(model):
    return float(LOSS(Y, model(X)))


class Centred(lamina.Layer):
    """Looks across the batch, and keeps nothing."""

    def call(self, inputs):
        return inputs - inputs.mean(0)


def scalar_loss(y_true, y_pred):
    return LOSS(y_true, y_pred)


@pytest.mark.parametrize(
    ("more", "loss"),
    [
        ((layers.BatchNormalization,), LOSS),
        ((Centred,), LOSS),
        ((), scalar_loss),
    ],
    ids=["batch norm", "a layer that looks across", "a loss that is one number"],
)
def test_what_looks_across_the_batch_sees_the_examples_alone(more, loss, traced):
    model, plain = compiled(*more, loss=loss), compiled(*more, loss=loss)
    history = told(model, X, Y, 16, epochs=2)
    assert traced == [16, 6]
    trainer = Trainer(plain, "sgd", loss, ["accuracy"])
    for _ in range(2):
        trainer.reset_logs()
        for batch in pieces():
            trainer.step(batch)
    same(model, plain, atol=2e-6)
    assert history["loss"][-1] == pytest.approx(trainer.logs()["loss"], rel=1e-5)


@pytest.mark.parametrize("kind", ["dense", "centred"])
def test_evaluation_and_prediction_of_a_short_batch(kind):
    model = compiled(*([Centred] if kind == "centred" else []))
    run = lamina.jit(model)
    by_hand = [(np.asarray(run(x)), y) for x, y in pieces()]
    expected = np.concatenate([np.asarray(outputs) for outputs, _ in by_hand])
    np.testing.assert_allclose(model.predict(X, 16), expected, rtol=1e-5, atol=1e-6)
    loss_of = jax.jit(LOSS)
    loss = np.average([loss_of(y, o) for o, y in by_hand], weights=[len(y) for _, y in by_hand])
    assert model.evaluate(X, Y, 16)[0] == pytest.approx(loss, rel=1e-5)
    if kind == "dense":
        first = model.evaluate(X[:32], Y[:32], 16)[0]
        assert model.evaluate(X, Y, 16, steps=2)[0] == pytest.approx(first, rel=1e-5)
    np.testing.assert_array_equal(model.predict(X, 16, steps=2), model.predict(X[:32], 16))


# What can be given.


class Again:
    """Batches that can be gone through again."""

    def __init__(self, convert=lambda array: array):
        self.convert = convert

    def __iter__(self):
        return (tuple(map(self.convert, batch)) for batch in pieces())


class Numbered:
    """Batches by number, as Keras's PyDataset has them."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return list(pieces())[index]


class Foreign:
    """An array of a library that is not known here."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype=dtype)


class Tensor:
    """An array as PyTorch's are: on a device of its own, and not to be read while it is taped."""

    def __init__(self, array, taped=True):
        self._array, self._taped = array, taped
        self.dtype, self.shape = f"torch.{array.dtype}", array.shape

    def __array__(self, dtype=None, copy=None):
        assert not self._taped
        return np.array(self._array, dtype=dtype)

    def __len__(self):
        return len(self._array)

    def detach(self):
        return Tensor(self._array, taped=False)

    def cpu(self):
        return self


class Loader:
    """Batches as PyTorch's loader gives them: lists of tensors, a length, begun anew each time."""

    def __len__(self):
        return 5

    def __iter__(self):
        return ([Tensor(array) for array in batch] for batch in pieces())


def from_torch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset  # noqa: PLC0415

    tensors = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return DataLoader(tensors, batch_size=16)


SOURCES = {
    "iterable": Again,
    "a function": lambda: lambda: pieces(),
    "numbered": Numbered,
    "lists": lambda: Again(lambda array: np.asarray(list(array))),
    "of another library": lambda: Again(Foreign),
    "a loader of tensors": Loader,
    "a PyTorch loader": from_torch,
}


@pytest.fixture(scope="module")
def by_arrays():
    """Weights, a model to be trained from them, one that arrays have trained, and its history."""
    model, reference = compiled(), compiled()
    start = model.get_weights()
    expected = told(reference, X, Y, 16, epochs=2, validation_data=(X, Y))
    return start, model, reference, expected


@pytest.mark.parametrize("how", SOURCES)
def test_all_kinds_of_batches_train_as_arrays_do(how, by_arrays):
    source = SOURCES[how]()
    start, model, reference, expected = by_arrays
    model.set_weights(start)
    history = told(model, source, epochs=2, validation_data=source)
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    same(model, reference, atol=1e-5)


def test_tensors_are_arrays_of_examples_too():
    model, reference = compiled(), compiled()
    told(model, Tensor(X[:64]), Tensor(Y[:64]), 16)
    told(reference, X[:64], Y[:64], 16)
    same(model, reference, atol=0)


def test_tensors_of_torch_are_arrays_of_examples_too():
    torch = pytest.importorskip("torch")
    assert to_device(torch.ones(3).requires_grad_()).tolist() == [1.0, 1.0, 1.0]
    half = to_device((torch.ones(3, dtype=torch.bfloat16), [1, "x"]))
    assert half[0].dtype == "bfloat16" and half[1] == [1, "x"]


class Named(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs["a"]) + self.dense(inputs["b"][0])


def test_nested_inputs_in_arrays_and_batches():
    nested = {"a": X, "b": (X * 2,)}

    def batches():
        for x, y in pieces():
            yield {"a": x, "b": (x * 2,)}, y

    found = []
    for given in ((nested, Y, 16), (batches,)):
        lamina.set_seed(0)
        model = Named()
        model.compile("adam", LOSS)
        found.append((told(model, *given), model.predict(nested, 16)))
    np.testing.assert_allclose(found[0][0]["loss"], found[1][0]["loss"], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)


def test_validation_in_all_forms():
    model = compiled(metrics=None)
    forms = [(X, Y), [X, Y], (X, Y, np.ones(70, "float32")), Again(), lambda: pieces()]
    losses = [told(model, X, Y, 16, validation_data=form)["val_loss"][0] for form in forms]
    assert len(losses) == 5 and losses == sorted(losses, reverse=True)
    history = told(model, X, Y, 16, epochs=4, validation_data=(X, Y), validation_freq=2)
    assert len(history["loss"]) == 4 and len(history["val_loss"]) == 2
    few = told(model, X, Y, 16, validation_data=Again(), validation_steps=1)["val_loss"][0]
    assert few == pytest.approx(model.evaluate(X[:16], Y[:16]), rel=1e-5)


def test_steps_go_on_through_data_from_epoch_to_epoch():
    seen = []

    def batches():
        for x, y in pieces():
            seen.append(len(seen))
            yield x, y

    model, reference = compiled(), compiled()
    told(model, batches, epochs=3, steps_per_epoch=3)
    assert len(seen) == 9  # no more is taken than is used
    trainer = Trainer(reference, "sgd", LOSS)
    for batch in itertools.islice(itertools.cycle(list(pieces())), 9):
        trainer.step(batch)
    same(model, reference, atol=1e-6)


# Fetching ahead.


def test_batches_are_fetched_by_a_thread_ahead_of_the_steps():
    threads, given = set(), []

    def batches():
        for batch in pieces():
            threads.add(threading.current_thread().name)
            given.append(time.perf_counter())
            yield batch

    told(compiled(), batches)
    assert threads == {"lamina-prefetch"}


def test_what_goes_wrong_in_the_data_is_raised_where_fit_is_called():
    def broken():
        yield from itertools.islice(pieces(), 2)
        raise RuntimeError("the disk is gone")

    model = compiled()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        told(model, broken)
    assert np.isfinite(model.predict(X)).all()


def test_a_batch_that_is_made_in_the_same_memory_is_copied():
    buffer = np.empty((16, 4), np.float32)

    def batches():
        for at in range(0, 64, 16):
            buffer[:] = X[at : at + 16]
            yield buffer, Y[at : at + 16]
            buffer[:] = np.nan

    model, reference = compiled(), compiled()
    told(model, batches)
    told(reference, X[:64], Y[:64], 16)
    same(model, reference, atol=1e-6)


def test_a_thread_that_is_not_needed_any_more_ends():
    endless = Prefetched(iter(itertools.count()), lambda item: item)
    assert [next(endless) for _ in range(3)] == [0, 1, 2]
    endless.close()
    endless._thread.join(5)
    assert not endless._thread.is_alive() and next(endless, None) is None


def test_fetching_ahead_keeps_the_settings_of_the_caller():
    with jax.enable_x64(True):
        (found,) = Prefetched(iter([np.ones(2)]), to_device)
        assert found.dtype == "float64"


# What is wrong.


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: (X, Y[:-1]), "differ in the number of examples"),
        (lambda: (lambda: iter([]),), "contain no batch"),
        (lambda: (Again(), Y), "belong in the batches"),
        (lambda: ([[1.0]], Y), "not arrays"),
        (lambda: (np.array(["a"] * 70), Y), "text"),
        (lambda: ((np.float32(1.0), Y),), "differ in the number of examples"),
    ],
    ids=["lengths", "empty", "labels twice", "lists", "text", "a number"],
)
def test_bad_data_is_one_clear_error(make, part):
    with pytest.raises(InputError, match=part):
        told(compiled(), *make())


def test_data_that_change_their_form_are_told():
    def widens():
        yield X[:16], Y[:16]
        yield np.ones((16, 5), "float32"), Y[:16]

    with pytest.raises(lamina.errors.LaminaError, match=r"expected: .*4"):
        told(compiled(), widens)

    def loses_labels():
        yield X[:16], Y[:16]
        yield X[:16]

    with pytest.raises(InputError, match="nothing to minimize"):
        told(compiled(), loses_labels)


def test_arrays_are_put_on_the_device_once():
    data = Arrays((X, Y))
    assert data.device is data.device
