"""Large arrays on the CPU: read where they are, with the numbers of those that are copied."""

import contextlib
import functools
import itertools
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.training.data import row_ranges
from lamina.training.data.arrays import Arrays
from lamina.training.data.row_ranges import gather, is_worthwhile
from lamina.training.nonfinite.search import NotFiniteError
from lamina.training.step.program import Program

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 70)
W = RANDOM.uniform(size=70).astype("float32")
LOSS = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="row ranges are the CPU's")


@contextlib.contextmanager
def small_ranges():
    """Row ranges of any arrays, of two batches of 16 rows of four numbers and a label."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_ranges, "_MIN_TOTAL_BYTES", 1)
        patch.setattr(row_ranges, "_RANGE_BYTES", 2 * 16 * 5 * 4)
        yield


@pytest.fixture
def small():
    with small_ranges():
        yield


def compiled(*more):
    lamina.set_seed(3)
    model = Sequential([*(make() for make in more), layers.Dense(3)])
    model.compile("adam", LOSS, weighted_metrics=["accuracy"])
    model.build((None, 4))
    return model


def trained(model, x, y, size=16, **options):
    history = model.fit(x, y, size, epochs=3, verbose=0, **options).history
    return history, model.evaluate(x, y, size, verbose=0), model.values()


def alike(one, other, case):
    """The same but for the order of sums, which XLA chooses for each program."""
    close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-6, err_msg=case)
    jax.tree.map(close, one, other)


def test_numbers_are_those_of_arrays_that_are_copied():
    copied, in_place = compiled(), compiled()
    start = copied.values()
    kinds = [("float32", size) for size in (16, 14, 70, 100)]
    kinds += [(kind, 14) for kind in ("float64", ">f4", "int16", "uint8")]
    for (kind, size), shuffle in itertools.product(kinds, [True, False]):
        x = (X * 20).astype(kind)
        copied.set_values(start)
        in_place.set_values(start)
        whole = trained(copied, x, Y, size, shuffle=shuffle)
        with small_ranges():
            assert Arrays((x, Y))._read_in_place
            parts = trained(in_place, x, Y, size, shuffle=shuffle)
        alike(parts, whole, f"{kind}, batches of {size}, {shuffle=}")


OPTIONS = [
    {"sample_weight": W[:64]},
    {"validation_split": 0.25},
    {"validation_data": (X[:32], Y[:32])},
    {"steps_per_epoch": 3},
    {"class_weight": {0: 1.0, 1: 0.5, 2: 2.0}},
]


@pytest.mark.filterwarnings("ignore:The data ran out of batches")
def test_options_are_those_of_arrays_that_are_copied():
    copied, in_place = (compiled(layers.BatchNormalization) for _ in range(2))
    for options in OPTIONS:
        whole = trained(copied, X[:64], Y[:64], **options)
        with small_ranges():
            parts = trained(in_place, X[:64], Y[:64], **options)
        alike(parts, whole, next(iter(options)))


@pytest.mark.usefixtures("small")
def test_the_row_ranges_of_an_epoch_are_one_program(monkeypatch):
    shapes, many = [], Program._train_rows

    def traced(self, carry, data, *more):
        shapes.append(data[0].shape)
        return many(self, carry, data, *more)

    monkeypatch.setattr(Program, "_train_rows", traced)
    compiled().fit(X, Y, 16, epochs=2, verbose=0)
    assert shapes == [(32, 4), (6, 4)]  # the last batch is smaller


@pytest.mark.usefixtures("small")
def test_numbers_are_the_same_to_the_bit_wherever_ranges_begin():
    def stepped(at_once):
        model = compiled(lambda: layers.Dropout(0.3))
        model.compile("adam", LOSS, steps_per_execution=at_once)
        model.fit(X, Y, 16, epochs=2, verbose=0)
        return model.values()

    jax.tree.map(np.testing.assert_array_equal, stepped(1), stepped(5))


@pytest.mark.usefixtures("small")
def test_a_batch_that_is_not_finite_is_told_by_its_number():
    x = X.copy()
    x[50, 1] = np.nan
    with pytest.raises(NotFiniteError, match="batch 3"):
        compiled().fit(x, Y, 16, shuffle=False, verbose=0)


def test_rows_are_gathered_by_ranges(monkeypatch):
    monkeypatch.setattr(row_ranges, "_RANGE_BYTES", 2 * 3 * 4)
    x = np.arange(12, dtype="float32")
    order = np.arange(12)[::-1].reshape(4, 3)
    found = list(gather([x], order, 1, 4))
    assert [(w.first, w.stop) for w in found] == [(0, 2), (0, 1)]
    rows = [np.asarray(w.rows[0])[np.asarray(w.indices)[w.first : w.stop]] for w in found]
    np.testing.assert_array_equal(np.concatenate(rows), order[1:])


def test_a_batch_larger_than_a_range_is_a_range():
    x = np.zeros((6, 1 << 20), "float32")
    found = list(gather([x], np.arange(6).reshape(2, 3), 0, 2))
    assert [w.rows[0].shape for w in found] == [(3, 1 << 20)] * 2


def large():
    return np.zeros((40_000, 256), "float32")  # 41 MB


@pytest.mark.parametrize(
    ("arrays", "stay"),
    [
        (lambda: [large()], True),
        (lambda: [large(), np.zeros(40_000)], True),
        (lambda: [large()[:20_000], large()[20_000:].astype("float64")], True),
        (lambda: [large()[:20_000]], False),
        (lambda: [large()[::2].repeat(2, 0).T], False),
        (lambda: [jnp.zeros((40_000, 256))], False),
        (lambda: [np.ma.masked_array(large())], False),
        (lambda: [large().astype("O")], False),
        (lambda: [large(), ["text"]], False),
        (lambda: [np.zeros((40_000, 256), jnp.bfloat16)], False),
    ],
    ids=[
        "large", "with labels", "in two", "small", "transposed", "on the device", "masked",
        "objects", "no array", "bfloat16",
    ],
)  # fmt: skip
def test_large_rows_of_numbers_stay_where_they_are(arrays, stay):
    arrays = [
        _misplaced(a) if type(a) is np.ndarray and a.dtype.kind == "f" else a for a in arrays()
    ]
    assert is_worthwhile(arrays) is stay


def _misplaced(array):
    """The same numbers from where XLA does not take memory over; rows stay as they lie."""
    if not array.flags.c_contiguous:
        return array
    memory = np.empty(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + 16
    own = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    own[...] = array
    return own


def test_no_copy_of_the_data_is_held():
    model = Sequential([layers.Dense(3)])
    model.compile("sgd", LOSS)
    x, y = _misplaced(np.ones((600_000, 16), "float32")), np.zeros(600_000, "int32")
    tracemalloc.start()
    try:
        model.fit(x, y, 2000, verbose=0)
        model.evaluate(x, y, 2000, verbose=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    orders = 2 * 4 * len(y)  # row numbers, and their places before they are sorted
    assert peak < x.nbytes / 2 + 4 * orders
