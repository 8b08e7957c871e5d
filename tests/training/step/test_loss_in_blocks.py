"""Training without the array of all logits: losses and weights are those with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers, losses
from lamina.ops import linear_cross_entropy
from lamina.training.step import loss_in_blocks
from lamina.training.step.model_call import ModelCall
from lamina.training.step.objective import Objective
from lamina.training.step.working_memory import largest

RNG = np.random.default_rng(0)
IDS = RNG.integers(1, 7, (6, 5)).astype("int32")
IDS[1, 3:] = IDS[4, 2:] = 0
LABELS = RNG.integers(0, 9, (6, 5)).astype("int32")
SAMPLES, STEPS = RNG.uniform(size=6).astype("float32"), RNG.uniform(size=(6, 5)).astype("float32")
LABELS_BETWEEN = LABELS + np.where(STEPS < 0.5, 0.5, 0).astype("float32")
LABELS_IGNORED = np.where(STEPS < 0.4, -1, LABELS)


class Tied(lamina.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.ReversibleEmbedding(9, 4)

    def call(self, ids):
        return self.embed(jnp.tanh(self.embed(ids)), reverse=True)


class Two(lamina.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(7, 4)
        self.first, self.second = layers.Dense(9), layers.Dense(9)

    def call(self, ids):
        x = self.embed(ids)
        return {"a": self.first(x), "b": self.second(x)}


def sequential(mask_zero=False, **options):
    return Sequential([layers.Embedding(7, 4, mask_zero=mask_zero), layers.Dense(9, **options)])


def graph():
    ids = lamina.Input((5,), dtype="int32")
    return lamina.Model(ids, layers.Dense(9)(layers.Embedding(7, 4)(ids)))


def cross_entropy(**options):
    return losses.SparseCategoricalCrossentropy(from_logits=True, **options)


def small(monkeypatch):
    """Make logits of any size large, and blocks of 4 rows."""
    monkeypatch.setattr(loss_in_blocks, "PIECE", 0)
    monkeypatch.setattr(linear_cross_entropy, "BLOCK", 4 * 4 * 9)
    monkeypatch.setattr(linear_cross_entropy, "LEAST_ROWS", 1)


def in_blocks(monkeypatch):
    """Count the losses that are computed in blocks."""
    calls = []
    run = loss_in_blocks.linear_cross_entropy

    def counted(*args):
        calls.append(args)
        return run(*args)

    small(monkeypatch)
    monkeypatch.setattr(loss_in_blocks, "linear_cross_entropy", counted)
    return calls


def loss_of(make, labels=LABELS, weights=None, loss=None, metrics=(), **options):
    """A function of the values of the trainable variables, and these values."""
    model = make()
    model(IDS)
    objective = Objective(model, loss or cross_entropy(), metrics, **options)
    variables = model.trainable_variables
    frozen = {id(variable): variable.value for variable in model.non_trainable_variables}
    batch = (IDS, labels) if weights is None else (IDS, labels, weights)

    def function(values):
        call = ModelCall(model, objective, batch, True)
        return call.apply(frozen | dict(zip(map(id, variables), values, strict=True)))[0].loss

    return function, [variable.value for variable in variables]


CASES = {
    "Sequential": {"make": sequential},
    "a graph": {"make": graph},
    "no bias": {"make": lambda: sequential(use_bias=False)},
    "a tied embedding": {"make": Tied},
    "a regularized kernel": {"make": lambda: sequential(kernel_regularizer="l2")},
    "labels in columns": {"make": sequential, "labels": LABELS[..., None]},
    "sample weights": {"make": sequential, "weights": SAMPLES},
    "weights of steps": {"make": sequential, "weights": STEPS},
    "a mask": {"make": lambda: sequential(True)},
    "a mask and weights": {"make": lambda: sequential(True), "weights": STEPS},
    "an ignored class": {
        "make": lambda: sequential(True),
        "labels": LABELS_IGNORED,
        "loss": cross_entropy(ignore_class=-1),
    },
    "a sum": {"make": sequential, "loss": cross_entropy(reduction="sum"), "weights": SAMPLES},
    "a mean over weights": {
        "make": sequential,
        "loss": cross_entropy(reduction="mean_with_sample_weight"),
        "weights": STEPS,
    },
    "two outputs": {
        "make": Two,
        "labels": {"a": LABELS, "b": LABELS[::-1]},
        "loss_weights": {"a": 0.5, "b": 2.0},
    },
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_of_all_logits(monkeypatch, case):
    calls = in_blocks(monkeypatch)
    loss, values = loss_of(**CASES[case])

    @jax.jit
    def both(values):
        found = []
        for least in (0, 10**9):
            monkeypatch.setattr(loss_in_blocks, "PIECE", least)
            found.append(jax.value_and_grad(lambda values: loss(values))(values))
        return found

    ours, expected = both(values)
    assert calls
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, expected
    )


ACCURACIES = {"metrics": ["accuracy"], "weighted_metrics": ["sparse_categorical_accuracy"]}


@pytest.mark.parametrize(
    ("layer", "labels", "weights", "options"),
    [
        ({}, LABELS, None, {}),
        ({}, LABELS[..., None], SAMPLES, ACCURACIES),
        ({"mask_zero": True}, LABELS, STEPS, ACCURACIES),
        ({}, LABELS_IGNORED, None, {**ACCURACIES, "loss": cross_entropy(ignore_class=-1)}),
        ({}, LABELS_BETWEEN, None, ACCURACIES),  # 3.5 is class 3 in the loss, and never right
        ({"kernel_initializer": "zeros"}, LABELS, None, ACCURACIES),  # all logits are equal
    ],
)
def test_fit_and_evaluate_give_the_numbers_of_all_logits(
    monkeypatch, layer, labels, weights, options
):
    def trained():
        lamina.set_seed(0)
        model = sequential(**layer)
        model.compile("sgd", **{"loss": cross_entropy(), **options})
        given = {"batch_size": 3, "verbose": 0, "sample_weight": weights}
        history = model.fit(IDS, labels, epochs=2, shuffle=False, **given)
        return history.history, model.evaluate(IDS, labels, **given), model.get_weights()

    expected = trained()
    calls = in_blocks(monkeypatch)
    ours = trained()
    assert len(calls) > 1
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, expected
    )


def test_accuracies_of_two_outputs_are_those_of_all_logits(monkeypatch):
    def trained():
        lamina.set_seed(0)
        model = Two()
        loss = {"a": cross_entropy(), "b": cross_entropy()}
        top = losses.sparse_categorical_crossentropy  # not an accuracy: from all logits
        model.compile("sgd", loss, metrics={"a": ["accuracy"], "b": ["accuracy", top]})
        labels = {"a": LABELS, "b": LABELS[::-1]}
        return model.fit(IDS, labels, batch_size=3, shuffle=False, verbose=0).history

    expected = trained()
    calls = in_blocks(monkeypatch)
    ours = trained()
    assert calls and expected.keys() == ours.keys()
    for name in expected:
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": ["accuracy", "sparse_top_k_categorical_accuracy"]},
        {"metrics": ["accuracy"], "loss": cross_entropy(ignore_class=3)},
        {"loss": cross_entropy(dtype="float32")},
        {"loss": lambda y, p: losses.sparse_categorical_crossentropy(y, p, from_logits=True)},
        {"make": lambda: sequential(activation="softmax"), "loss": cross_entropy(dtype=None)},
        {"make": lambda: sequential(lora_rank=2)},
        {"make": lambda: Sequential([sequential(), layers.Activation("tanh")])},
        {"make": lambda: sequential(dtype="float16")},
    ],
)
def test_other_losses_and_outputs_are_computed_from_the_logits(monkeypatch, options):
    calls = in_blocks(monkeypatch)
    loss, values = loss_of(**{"make": sequential, **options})
    assert jax.eval_shape(loss, values).shape == ()
    assert not calls


def test_logits_of_ignored_labels_may_be_nan(monkeypatch):
    calls = in_blocks(monkeypatch)
    model = Sequential([layers.Dense(9)])
    model.compile("sgd", cross_entropy(ignore_class=-1))
    x = np.ones((4, 3), "float32")
    x[1] = np.nan
    model.fit(x, np.array([0, -1, 2, 3]), verbose=0)
    assert calls and np.isfinite(model.get_weights()[0]).all()


def test_the_compiled_program_has_no_array_of_all_logits(monkeypatch):
    small(monkeypatch)
    loss, values = loss_of(sequential)
    for least, found in ((0, False), (10**9, True)):
        monkeypatch.setattr(loss_in_blocks, "PIECE", least)
        step = jax.jit(jax.value_and_grad(lambda values: loss(values)))
        assert ("f32[30,9]" in step.lower(values).compile().as_text()) is found
        assert (largest(step.trace(values).jaxpr) >= 4 * 30 * 9) is found


def test_a_kernel_may_be_sharded_explicitly(monkeypatch):
    small(monkeypatch)
    explicit = (jax.sharding.AxisType.Explicit,)
    with jax.set_mesh(jax.make_mesh((1,), ("features",), axis_types=explicit)):
        model = Sequential([layers.Dense(9)])
        model.build((None, 3))
        kernel = model.layers[0].kernel
        kernel.assign(jax.device_put(kernel.value, jax.sharding.PartitionSpec("features", None)))
        model.compile("sgd", cross_entropy())
        history = model.fit(np.ones((4, 3), "float32"), np.arange(4), verbose=0).history
    assert np.isfinite(history["loss"]).all()
