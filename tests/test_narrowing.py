"""Integers of 64 bits: wherever they come in, one that JAX cannot keep is an error, not another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, Trainer, layers, losses, metrics
from lamina.compat import tf
from lamina.errors import InputError
from lamina.narrowing import array_of, check, out_of_range_integer
from lamina.ops.arrays import as_ids
from lamina.ops.lookup import lookup
from lamina.training.data import row_ranges

IDS = np.array([[0, 1], [2, 2**32 + 1]])  # the last would become 1
LABELS = np.array([0, 2**32 + 1])
UNSIGNED = np.array([[0, 1], [2, 2**32]], np.uint64)
SWAPPED = IDS.astype(">i8")
Y, X = np.array([0, 1]), np.array([[0, 1], [2, 1]])
SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)


def network():
    lamina.set_seed(0)
    model = Sequential([layers.Embedding(3, 4), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", SPARSE, ["accuracy"])
    return model


@pytest.fixture(scope="module")
def built():
    model = network()
    model.build(lamina.Spec((None, 2), "int32"))
    return model


def batches(x, y):
    return lambda: iter([(x, y)])


class Pair(Layer):
    def __init__(self):
        self.embed = layers.Embedding(3, 4)

    def call(self, left, right):
        return self.embed(left["ids"]) + self.embed(right)


CALLS = {
    "a call": lambda model, x: model(x),
    "apply": lambda model, x: model.apply(model.values(), x),
    "a compiled call": lambda model, x: lamina.jit(model)(x),
    "a compiled call with a mode": lambda model, x: lamina.jit(model)(x, training=True),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict on batches": lambda model, x: model.predict(lambda: iter([x]), verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "fit": lambda model, x: model.fit(x, Y, verbose=0),
    "fit on batches": lambda model, x: model.fit(batches(x, Y), verbose=0),
    "fit with validation": lambda model, x: model.fit(X, Y, validation_data=(x, Y), verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, Y, verbose=0),
    "evaluate on batches": lambda model, x: model.evaluate(batches(x, Y), verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, Y),
    "test_on_batch": lambda model, x: model.test_on_batch(x, Y),
    "a step": lambda model, x: Trainer(model, "sgd", SPARSE).step((x, Y)),
    "a layer in a traced program": lambda model, x: jax.jit(lambda z: model.layers[0](x) + z)(1.0),
}


@pytest.mark.parametrize("ids", [IDS, UNSIGNED, SWAPPED], ids=["signed", "unsigned", "swapped"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:.*called while JAX traces")
def test_ids_that_do_not_fit_are_refused(built, call, ids):
    with pytest.raises(InputError, match=rf"{ids[1, 1]} at \[1, 1\], of dtype u?int64"):
        CALLS[call](built, ids)
    CALLS[call](built, X)  # 64 bits that fit


@pytest.mark.parametrize(
    "call",
    [
        lambda model, y: model.fit(X, y, verbose=0),
        lambda model, y: model.fit(batches(X, y), verbose=0),
        lambda model, y: model.fit(X, Y, validation_data=(X, y), verbose=0),
        lambda model, y: model.evaluate(X, y, verbose=0),
        lambda model, y: model.train_on_batch(X, y),
        lambda model, y: model.test_on_batch(X, y),
        lambda model, y: Trainer(model, "sgd", SPARSE).step((X, y)),
    ],
    ids=["fit", "batches", "validation", "evaluate", "train_on_batch", "test_on_batch", "step"],
)
def test_labels_that_do_not_fit_are_refused(built, call):
    with pytest.raises(InputError, match=r"4294967297 at \[1\]"):
        call(built, LABELS)


def test_the_error_names_the_input():
    for call, named in (
        (lambda: network().fit(X, LABELS, verbose=0), "y has an integer"),
        (lambda: network().fit(IDS, Y, verbose=0), "x has an integer"),
        (lambda: network().fit(X, Y, sample_weight=LABELS, verbose=0), "sample_weight has"),
        (lambda: network().predict(IDS, verbose=0), "x has an integer"),
        (lambda: Pair()({"ids": X}, IDS), r"Pair.call, in \[1\], has an integer"),
        (lambda: Pair()({"ids": IDS}, X), r"Pair.call, in \[0\]\['ids'\], has an integer"),
        (lambda: Pair()({"ids": X}, right=IDS), r"Pair.call, in \['right'\], has an integer"),
        (lambda: Pair().apply({}, {"ids": IDS}, X), r"Pair.call, in \[0\]\['ids'\], has"),
        (lambda: network().train_on_batch(X, LABELS), r"The data, in \[1\], has an integer"),
    ):
        with pytest.raises(InputError, match=named):
            call()


def test_nothing_is_trained_before_the_data_are_refused():
    model = network()
    with pytest.raises(InputError, match="y has an integer"):
        model.fit(X, LABELS, verbose=0)
    assert not model.built


def test_large_arrays_and_mapped_files_are_looked_at_as_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "ids.npy"
    many = np.zeros((1 << 17, 2), np.int64)  # 2 MB: taken over as a whole
    many[-1, 1] = 2**32 + 1
    np.save(path, many)
    mapped = np.load(path, mmap_mode="r")
    labels = np.zeros(len(many), np.int64)
    model = network()
    with pytest.raises(InputError, match=r"4294967297 at \[131071, 1\]"):
        model.fit(mapped, labels, 1 << 14, verbose=0)
    monkeypatch.setattr(row_ranges, "_MIN_TOTAL_BYTES", 1)
    monkeypatch.setattr(row_ranges, "_RANGE_BYTES", 1 << 16)
    with pytest.raises(InputError, match="The data has an integer"):
        network().fit(mapped, labels, 1 << 12, shuffle=False, verbose=0)


def updated(metric):
    return lambda y, p: metric.update(metric.init(), y, p)


@pytest.mark.parametrize(
    "judge",
    [
        losses.sparse_categorical_crossentropy,
        losses.categorical_generalized_cross_entropy,
        losses.circle,
        SPARSE,
        metrics.sparse_categorical_accuracy,
        metrics.sparse_top_k_categorical_accuracy,
        updated(metrics.SparseCategoricalAccuracy()),
        updated(metrics.MeanIoU(3, sparse_y_pred=False)),
        updated(metrics.get("accuracy")),
        updated(metrics.Mean()),
    ],
)
def test_losses_and_metrics_refuse_labels_that_do_not_fit(judge):
    predictions = jnp.full((2, 3), 1 / 3)
    with pytest.raises(InputError, match="4294967297"):
        judge(LABELS, predictions)
    judge(Y, predictions)


def test_values_of_variables_fit_too():
    class Counter(Layer):
        def build(self, input_shape):
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False)

        def call(self, x):
            return x + self.count

    counter = Counter()
    counter.build((1,))
    for value in (np.int64(2**40), 2**40, np.array(2**40)):
        with pytest.raises(InputError, match="1099511627776"):
            counter.count.assign(value)
        with pytest.raises(InputError, match="1099511627776"):
            counter.count.assign_add(value)
        with pytest.raises(InputError, match="Counter, in 'count', has an integer"):
            counter.set_values({"count": value})
    assert int(counter.count) == 0


def test_names_of_tensorflow_refuse_them_too():
    for call in (
        lambda: tf.constant(LABELS),
        lambda: tf.constant([2**32 + 1]),
        lambda: tf.cast(LABELS, tf.int32),
        lambda: tf.one_hot(LABELS, 3),
        lambda: tf.reshape(LABELS, (2, 1)),
        lambda: tf.keras.utils.pad_sequences([LABELS]),
    ):
        with pytest.raises(InputError, match="4294967297"):
            call()


def test_what_is_out_of_range_on_the_device_is_outside():
    table = jnp.arange(3.0)[:, None]
    wide = np.array([np.nan, np.inf, -np.inf, 2.0**32 + 2**10, 1.0], "float32")
    for dtype in ("float32", "float16", "bfloat16"):
        found = lookup(table, jnp.asarray(wide, dtype))[:, 0]
        np.testing.assert_array_equal(found, [np.nan] * 4 + [1.0])
    numbers = as_ids(jnp.array([3, 2**31, 2**32 - 1], jnp.uint32))
    assert numbers.tolist() == [3, -(2**31), -(2**31)]
    loss = losses.sparse_categorical_crossentropy(wide, jnp.full((5, 3), 1 / 3))
    np.testing.assert_array_equal(np.isnan(loss), [True] * 4 + [False])
    with jax.enable_x64(True):
        assert as_ids(np.array([2**32 + 1, -(2**63), 2])).tolist() == [-(2**31), -(2**31), 2]
        assert as_ids(np.array([2**32 + 1], np.uint64)).tolist() == [-(2**31)]
        found = lookup(table, np.array([2**32 + 1, 1]))[:, 0]
        np.testing.assert_array_equal(found, [np.nan, 1.0])
        assert out_of_range_integer(IDS) is None


def test_what_fits_is_let_through():
    for dtype in ("int8", "uint8", "int32", "uint32", "int64", "uint64", "bool"):
        array = np.array([0, 1], dtype)
        assert out_of_range_integer(array) is None and array_of(array).tolist() == array.tolist()
    assert out_of_range_integer(np.zeros((0, 2), np.int64)) is None
    assert out_of_range_integer(np.array([np.iinfo(np.int32).min, np.iinfo(np.int32).max])) is None
    assert out_of_range_integer(np.array([2**32 - 1], np.uint64)) is None
    assert out_of_range_integer("text") is None and out_of_range_integer(np.array(["text"])) is None
    assert array_of(np.array([2**40]), "float32").tolist() == [2.0**40]
    with pytest.raises(InputError, match="300 at"):
        check(np.array([1, 300]), "A row", dtype=np.uint8)
