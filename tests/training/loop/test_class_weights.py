"""Class weights: one weight for each label, whatever the shape of the labels."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import lamina
from lamina import layers, losses
from lamina.errors import InputError

RNG = np.random.default_rng(0)
WEIGHTS = {0: 1.0, 1: 9.0, 2: 0.5, 3: 100.0}
TABLE = np.array([1.0, 9.0, 0.5, 100.0], "float32")


def model_of(rank, outputs, activation="softmax"):
    """A model of `outputs` for each of the positions of inputs of a rank."""
    shape = (None,) * (rank - 2) + (3,)
    return lamina.Sequential([lamina.Input(shape), layers.Dense(outputs, activation)])


def crossentropy(labels, model, x):
    """That of a model of `model_of`, whose labels are integers."""
    kernel, bias = model.get_weights()
    logits = x @ kernel + bias
    values = np.log(np.exp(logits).sum(-1, keepdims=True)) - logits
    return np.take_along_axis(values, labels[..., None], -1)[..., 0]


def binary_crossentropy(labels, model, x):
    kernel, bias = model.get_weights()
    logits = (x @ kernel + bias)[..., 0]
    return np.log(1 + np.exp(np.where(labels, -logits, logits)))


def fitted_loss(model, loss, x, y, class_weight, **options):
    """The loss of the untrained model in one step."""
    model.compile("sgd", loss)
    history = model.fit(
        x, y, class_weight=class_weight, batch_size=len(x), epochs=1, verbose=0, **options
    )
    return history.history["loss"][0]


def inputs(*shape):
    return RNG.normal(size=(*shape, 3)).astype("float32")


@pytest.mark.parametrize(
    ("kind", "shape", "last"),
    [
        (losses.SparseCategoricalCrossentropy(), (6,), (1,)),
        (losses.SparseCategoricalCrossentropy(), (6, 4), ()),
        (losses.SparseCategoricalCrossentropy(), (6, 2, 3), (1,)),
        (losses.sparse_categorical_crossentropy, (6,), ()),
        (losses.sparse_categorical_crossentropy, (6, 4), (1,)),
        (losses.sparse_categorical_crossentropy, (6, 2, 3), ()),
    ],
)
def test_integer_labels_of_any_rank(kind, shape, last):
    x, labels = inputs(*shape), RNG.integers(0, 4, size=shape)
    model = model_of(len(shape) + 1, 4)
    values = crossentropy(labels, model, x)
    found = fitted_loss(model, kind, x, labels.reshape(*shape, *last), WEIGHTS)
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


def test_the_weights_of_labels_per_step_are_those_of_the_steps():
    x = np.zeros((1, 4, 3), "float32")
    model = model_of(3, 4)
    plain = np.log(4.0)  # of uniform predictions
    found = fitted_loss(
        model, "sparse_categorical_crossentropy", x, np.array([[0, 0, 0, 1]]), WEIGHTS
    )
    np.testing.assert_allclose(found, plain * 3.0, rtol=1e-5)


@pytest.mark.parametrize(("shape", "smoothing"), [((6,), 0.1), ((6, 4), 0.0), ((6, 2, 3), 0.1)])
def test_one_hot_labels_of_any_rank(shape, smoothing):
    x, labels = inputs(*shape), RNG.integers(0, 4, size=shape)
    one_hot = np.eye(4, dtype="float32")[labels] * (1 - smoothing) + smoothing / 4
    model = model_of(len(shape) + 1, 4)
    each = [crossentropy(np.full(shape, label), model, x) for label in range(4)]
    values = (one_hot * np.stack(each, -1)).sum(-1)
    found = fitted_loss(model, "categorical_crossentropy", x, one_hot, WEIGHTS)
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


@pytest.mark.parametrize(
    ("labels_shape", "dtype"),
    [
        ((6,), "int32"),
        ((6, 1), "float32"),
        ((6, 4), "bool"),
        ((6, 4, 1), "int32"),
        ((6, 2, 2), "float32"),
        ((6, 2, 2, 1), "bool"),
    ],
)
def test_yes_or_no_labels_of_any_rank(labels_shape, dtype):
    shape = labels_shape[:-1] if len(labels_shape) > 1 and labels_shape[-1] == 1 else labels_shape
    x, labels = inputs(*shape), RNG.integers(0, 2, size=shape)
    model = model_of(len(shape) + 1, 1, "sigmoid")
    values = binary_crossentropy(labels, model, x)
    y = labels.reshape(labels_shape).astype(dtype)
    found = fitted_loss(model, "binary_crossentropy", x, y, {0: 1.0, 1: 9.0})
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


def test_outputs_without_an_axis_of_outputs():
    x, labels = inputs(6), RNG.integers(0, 2, size=6)
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(1, "sigmoid"), layers.Reshape(())])
    values = binary_crossentropy(labels, model, x)
    found = fitted_loss(model, "binary_crossentropy", x, labels, {0: 1.0, 1: 9.0})
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


def test_ignored_labels_need_no_weight():
    x, labels = inputs(6, 4), RNG.integers(0, 4, size=(6, 4))
    labels[:, 3] = -1
    model = model_of(3, 4)
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    kept = labels >= 0
    values = crossentropy(labels[:, :3], model, x[:, :3])
    found = fitted_loss(model, loss, x, labels, WEIGHTS)
    expected = np.sum(values * TABLE[labels[:, :3]]) / kept.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("weight_shape", [(6,), (6, 1), (6, 4)])
def test_sample_weights_multiply_class_weights(weight_shape):
    x, labels = inputs(6, 4), RNG.integers(0, 4, size=(6, 4))
    weights = RNG.uniform(0.5, 2.0, size=weight_shape).astype("float32")
    model = model_of(3, 4)
    values = crossentropy(labels, model, x)
    spread = weights.reshape(6, -1)
    loss = "sparse_categorical_crossentropy"
    found = fitted_loss(model, loss, x, labels, WEIGHTS, sample_weight=weights)
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels] * spread), rtol=1e-5)


def test_keys_may_be_numpy_integers_and_classes_may_be_absent():
    x, labels = inputs(6), np.array([0, 1, 0, 1, 0, 3])
    weights = {np.int64(index): np.float32(weight) for index, weight in WEIGHTS.items()}
    model = model_of(2, 4)
    values = crossentropy(labels, model, x)
    found = fitted_loss(model, "sparse_categorical_crossentropy", x, labels, weights)
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


def test_one_batch_is_weighted_as_in_fit():
    x, labels = inputs(6, 4), RNG.integers(0, 4, size=(6, 4))
    model = model_of(3, 4)
    values = crossentropy(labels, model, x)
    model.compile("sgd", "sparse_categorical_crossentropy")
    found = model.train_on_batch(x, labels, class_weight=WEIGHTS)
    np.testing.assert_allclose(found, np.mean(values * TABLE[labels]), rtol=1e-5)


X, LABELS = RNG.normal(size=(20, 3)).astype("float32"), RNG.integers(0, 4, size=20)


class Batches(keras.utils.PyDataset):
    """Batches of 5 examples, the labels in the given form."""

    def __init__(self, labels, sample_weight=()):
        super().__init__()
        self.arrays = X, labels, *sample_weight

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return tuple(array[5 * index : 5 * index + 5] for array in self.arrays)


@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        (LABELS, "sparse_categorical_crossentropy"),
        (LABELS[:, None], "sparse_categorical_crossentropy"),
        (np.eye(4, dtype="float32")[LABELS], "categorical_crossentropy"),
        (np.zeros((20, 4), "float32"), "mse"),
    ],
)
def test_batches_of_iterables_are_weighted_as_in_keras(labels, loss):
    ours = model_of(2, 4)
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "softmax")])
    start = ours.get_weights()
    theirs.set_weights(start)
    for model in (ours, theirs):
        model.compile("sgd", loss)
    expected = theirs.fit(
        Batches(labels), class_weight=WEIGHTS, epochs=2, verbose=0, shuffle=False
    ).history["loss"]
    data = Batches(labels)
    for source in (
        data,
        lambda: map(data.__getitem__, range(4)),
        iter([*map(data.__getitem__, range(4))] * 2),
    ):
        ours.set_weights(start)
        steps = None if source is data or callable(source) else 4
        history = ours.fit(
            source, class_weight=WEIGHTS, epochs=2, steps_per_epoch=steps, verbose=0
        ).history
        np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)


def test_batches_of_iterables_keep_their_sample_weights():
    weights = RNG.uniform(0.5, 2.0, size=20).astype("float32")
    model = model_of(2, 4)
    values = crossentropy(LABELS, model, X)
    model.compile(loss="sparse_categorical_crossentropy", learning_rate=1e-9)
    history = model.fit(Batches(LABELS, [weights]), class_weight=WEIGHTS, verbose=0).history
    np.testing.assert_allclose(
        history["loss"][0], np.mean(values * TABLE[LABELS] * weights), rtol=1e-5
    )


def test_a_batch_may_lack_classes_and_has_no_unknown_ones():
    ones = inputs(6), np.ones(6, "int32")
    model = model_of(2, 4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit([ones, ones].__iter__, class_weight=WEIGHTS, verbose=0)
    with pytest.raises(InputError, match="does not exist"):
        model.fit([ones].__iter__, class_weight={**WEIGHTS, 4: 1.0}, verbose=0)
    with pytest.raises(InputError, match="no weight for a class"):
        model.fit([ones].__iter__, class_weight={0: 1.0}, verbose=0)


def test_each_form_of_batches_has_its_own_shapes():
    model = model_of(3, 4)
    model.compile(loss="sparse_categorical_crossentropy", learning_rate=1e-9)
    batches = [(inputs(2, n), RNG.integers(0, 4, size=(2, n))) for n in (3, 5, 3)]
    expected = np.mean([np.mean(crossentropy(y, model, x) * TABLE[y]) for x, y in batches])
    history = model.fit(batches.__iter__, class_weight=WEIGHTS, verbose=0).history
    np.testing.assert_allclose(history["loss"][0], expected, rtol=1e-5)


def test_rows_of_zeros_count_as_the_first_class_as_in_keras():
    x, y = np.ones((6, 4), "float32"), np.zeros((6, 3), "float32")
    found = []
    for kit in (lamina, keras):
        model = kit.Sequential([kit.layers.Dense(3, use_bias=False, kernel_initializer="ones")])
        model.compile("sgd", "mse")
        found.append(float(model.train_on_batch(x, y, class_weight={1: 0.3, 0: 0.2})))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_allclose(found[0], 16.0 * 0.2, rtol=1e-6)


MISTAKES = [
    ("balanced", [0, 1, 2], "sparse_categorical_crossentropy", "not valid"),
    ({"cat": 1.0, "dog": 2.0}, [0, 1, 0], "sparse_categorical_crossentropy", "not valid"),
    ({0: "a", 1: 2.0}, [0, 1, 0], "sparse_categorical_crossentropy", "not valid"),
    ({0: 1.0, 1: float("nan")}, [0, 1, 0], "sparse_categorical_crossentropy", "not valid"),
    ([1.0, 2.0], [0, 1, 0], "sparse_categorical_crossentropy", "not valid"),
    ({0: 1.0, 1: 2.0}, [0, 1, 2], "sparse_categorical_crossentropy", "no weight for a class"),
    ({0: 1.0, 1: 2.0, 7: 1.0}, [0, 1, 0], "sparse_categorical_crossentropy", "does not exist"),
    ({0: 1.0, 1: 2.0, -1: 1.0}, [0, 1, 0], "sparse_categorical_crossentropy", "does not exist"),
    ({0: 1.0, 1: 2.0}, [0.0, np.nan, 1.0], "sparse_categorical_crossentropy", "class indices"),
    ({0: 1.0, 1: 2.0}, ["a", "b", "a"], "sparse_categorical_crossentropy", "class indices"),
    ({0: 1.0, 1: 2.0}, [[0, 1, 1], [1, 1, 0], [0, 0, 0]], "binary_crossentropy", "does not match"),
]


@pytest.mark.parametrize(("class_weight", "labels", "loss", "message"), MISTAKES)
def test_mistakes_are_errors_before_the_first_step(class_weight, labels, loss, message):
    model = model_of(2, 3)
    before = model.get_weights()
    with pytest.raises(InputError, match=message):
        fitted_loss(model, loss, inputs(3), np.array(labels), class_weight)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_several_outputs_are_an_error():
    x = lamina.Input((3,))
    model = lamina.Model(x, [layers.Dense(2, "softmax")(x), layers.Dense(2, "softmax")(x)])
    labels = np.zeros(4, "int32")
    with pytest.raises(InputError, match="labels of one output"):
        fitted_loss(
            model, "sparse_categorical_crossentropy", inputs(4), [labels, labels], {0: 1.0, 1: 2.0}
        )


def test_weights_of_several_labels_for_one_value_are_an_error():
    x, labels = inputs(4), RNG.integers(0, 2, size=(4, 3))
    labels[0] = 1
    with pytest.raises(InputError, match="last axis of size 1"):
        fitted_loss(model_of(2, 3, "sigmoid"), "binary_crossentropy", x, labels, {0: 1.0, 1: 2.0})
