"""Inputs in other forms than the declared one: ranks, tables of pandas, lists and dicts."""

import functools

import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential
from lamina.errors import InputError

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

RANDOM = np.random.default_rng(0)
COLUMN = RANDOM.normal(size=(8, 1)).astype("float32")
LABELS = 2 * COLUMN + 1
IMAGES = RANDOM.normal(size=(8, 6, 6, 1)).astype("float32")


def dense(kit, units=1):
    return kit.layers.Dense(units, kernel_initializer="ones")


def stack(kit):
    return kit.Sequential([kit.Input((1,)), dense(kit)])


def graph(kit):
    x = kit.Input((1,))
    return kit.Model(x, dense(kit)(x))


def conv_net(kit):
    conv = kit.layers.Conv2D(2, 3, kernel_initializer="ones")
    return kit.Sequential([kit.Input((6, 6, 1)), conv, kit.layers.Flatten(), dense(kit)])


def two_inputs(kit, as_dict=False):
    a, b = kit.Input((1,), name="a"), kit.Input((1,), name="b")
    inputs = {"a": a, "b": b} if as_dict else [a, b]
    return kit.Model(inputs, dense(kit)(kit.layers.Concatenate()([a, b])))


def results(model, x, y):
    """What each way of running gives; on a batch first, since Keras refuses tables there."""
    model.compile("sgd", "mse")
    found = [model.evaluate(x, y, batch_size=4, verbose=0), model.predict(x, 4, verbose=0).sum()]
    history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return [*found, *history.history["loss"]]


def on_batches(model, x, y):
    model.compile("sgd", "mse")
    return [
        np.asarray(model(x)).sum(),
        model.predict_on_batch(x).sum(),
        model.test_on_batch(x, y),
        model.train_on_batch(x, y),
        np.asarray(lamina.jit(model)(x)).sum(),
    ]


FORMS = {
    "without the last axis": lambda x: x[..., 0],
    "with another axis": lambda x: x[..., None],
    "a list of one": lambda x: [x],
    "float64": lambda x: x[..., 0].astype("float64"),
}


ANOTHER_RANK = ("without the last axis", "with another axis")


@functools.cache
def declared(make):
    return on_batches(make(lamina), IMAGES if make is conv_net else COLUMN, LABELS)


@pytest.mark.parametrize(
    ("make", "x", "form"),
    [(make, COLUMN, form) for make in (stack, graph) for form in FORMS]
    + [(conv_net, IMAGES, form) for form in ANOTHER_RANK],
)
def test_the_rank_is_adapted_as_in_keras(make, x, form):
    given = FORMS[form](x)
    ours, theirs = results(make(lamina), given, LABELS), results(make(keras), given, LABELS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    if form != "float64":
        found = on_batches(make(lamina), given, LABELS)
        np.testing.assert_allclose(found, declared(make), rtol=1e-6)


SERIES, FRAME = (
    pandas.Series(COLUMN[:, 0]),
    pandas.DataFrame({"a": COLUMN[:, 0], "b": LABELS[:, 0]}),
)
MIXED = pandas.DataFrame({"a": COLUMN[:, 0].astype("float64"), "b": np.arange(8) % 2 == 0})


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (stack, SERIES),
        (graph, SERIES),
        (stack, [SERIES]),
        (stack, pandas.DataFrame({"a": COLUMN[:, 0]})),
        (lambda kit: kit.Sequential([dense(kit)]), FRAME),
        (lambda kit: kit.Sequential([dense(kit)]), SERIES),
        (two_inputs, [SERIES, SERIES]),
        (two_inputs, dict(FRAME)),
        (lambda kit: two_inputs(kit, as_dict=True), dict(FRAME)),
    ],
)
def test_tables_are_those_of_keras(make, x):
    labels = pandas.Series(LABELS[:, 0])
    ours, theirs = results(make(lamina), x, labels), results(make(keras), x, labels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    model = make(lamina)
    model.compile("sgd", "mse")
    assert model.test_on_batch(x, labels) == pytest.approx(ours[0], rel=1e-5)
    assert model.predict_on_batch(x).sum() == pytest.approx(ours[1], rel=1e-5)
    assert model.train_on_batch(x, labels) == pytest.approx(ours[0], rel=1e-5)


def test_columns_of_several_dtypes_are_one_array():
    model = Sequential([dense(lamina)])
    np.testing.assert_allclose(model.predict(MIXED), MIXED.to_numpy("float32").sum(1)[:, None])
    np.testing.assert_allclose(model(MIXED), model.predict(MIXED), rtol=1e-6)
    with pytest.raises(InputError, match="objects"):
        model.predict(pandas.DataFrame({"a": ["red", "green"]}))


def test_validation_and_weights_may_be_tables():
    labels, weights = pandas.Series(LABELS[:, 0]), pandas.Series(np.arange(8.0))
    found = []
    for x, y, w in ((SERIES, labels, weights), (COLUMN, LABELS, weights.to_numpy())):
        model = stack(lamina)
        model.compile("sgd", "mse")
        options = {"validation_data": (x, y), "sample_weight": w, "shuffle": False}
        found.append(model.fit(x, y, 4, epochs=2, verbose=0, **options).history)
        found[-1] |= model.fit(x, y, 4, validation_split=0.25, shuffle=False, verbose=0).history
    assert found[0] == found[1]


def test_a_stack_takes_the_rank_that_it_is_built_for():
    model = Sequential([dense(lamina)])
    model.compile("sgd", "mse")
    model.fit(COLUMN, LABELS, verbose=0)
    one = model.predict(np.array([10.0], "float32"), verbose=0)
    assert one.shape == (1, 1) and one == model.predict(np.array([[10.0]], "float32"))
    outer = Sequential([Input((1,)), model])
    np.testing.assert_array_equal(outer(COLUMN[:, 0]), model(COLUMN))


def test_other_sizes_are_still_refused():
    with pytest.raises(InputError, match="do not match"):
        graph(lamina)(np.ones((4, 2, 1, 1), "float32"))
    with pytest.raises(InputError):
        graph(lamina)(np.ones((4, 2), "float32"))


class OneArgument(Model):
    """Adds the columns of a dict; `training` and `mask` are no inputs."""

    def __init__(self):
        super().__init__()
        self.dense = dense(lamina)

    def call(self, inputs, training=False, mask=None):
        assert isinstance(inputs, dict)
        return self.dense(sum(inputs.values()))


class WithAnOption(OneArgument):
    def call(self, x, scale=1.0):
        return super().call(x)


@pytest.mark.parametrize("kind", [OneArgument, WithAnOption])
@pytest.mark.parametrize("names", [("a", "b"), ("inputs", "mask"), ("x", "scale"), ("inputs",)])
def test_a_dict_is_the_one_argument_whatever_its_keys(kind, names):
    x, model = dict.fromkeys(names, COLUMN), kind()
    model.compile("sgd", "mse")
    assert model.fit(x, LABELS, epochs=2, verbose=0).history["loss"]
    expected = np.asarray(model(x))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-6)
    assert model.evaluate(x, LABELS) == pytest.approx(model.test_on_batch(x, LABELS))
    assert np.isfinite(model.train_on_batch(x, LABELS))


@pytest.mark.parametrize("as_dict", [False, True])
def test_a_dict_may_have_more_columns_than_a_graph_has_inputs(as_dict):
    model = two_inputs(lamina, as_dict)
    more = {"b": COLUMN, "a": LABELS[:, 0], "aa": 9 * COLUMN}
    np.testing.assert_allclose(model.predict(more), COLUMN + LABELS, rtol=1e-5)
    with pytest.raises(InputError, match="do not match"):
        model.predict({"a": COLUMN})
