"""Losses of nested outputs, and several losses for one output, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import functools
from collections import namedtuple

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.losses import Loss

Pair = namedtuple("Pair", ["one", "two"])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
A, B = (RNG.random((8, 1)).astype("float32") for _ in range(2))
FORMS = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "pair": Pair,
    "dict": lambda a, b: {"p": a, "q": b},
    "nested": lambda a, b: {"p": [a, b], "q": b},
}


def model(library, form):
    x = library.Input((3,))
    a = library.layers.Dense(1, kernel_initializer="ones", name="a")(x)
    b = library.layers.Dense(1, kernel_initializer="ones", name="b")(x * 0.5)
    return library.Model(x, FORMS[form](a, b))


untrained = functools.cache(model)
"""The model of `model`, for runs that change no weights."""


def both(y_true, y_pred):
    """The sum of the errors of all outputs; it needs labels in the structure of the outputs."""
    assert jax.tree.structure(y_true) == jax.tree.structure(y_pred)
    pairs = zip(jax.tree.leaves(y_true), jax.tree.leaves(y_pred), strict=True)
    return sum(abs(one - other)[:, 0] for one, other in pairs)


def logs(library, form, loss, weights, run="evaluate", sample_weight=None):
    net = (model if run == "fit" else untrained)(library, form)
    net.compile("sgd", loss, loss_weights=weights)
    y = FORMS[form](A, B)
    if run == "fit":
        history = net.fit(X, y, sample_weight=sample_weight, batch_size=4, shuffle=False, verbose=0)
        return {name: values[0] for name, values in history.history.items()}
    return net.evaluate(X, y, sample_weight=sample_weight, verbose=0, return_dict=True)


CASES = [
    ("tuple", [both, ("mse", "mae")], None),
    ("tuple", [both, ("mse", "mae")], [0.5, (2.0, 3.0)]),
    ("tuple", [both, (both, "mae")], [0.5, 2.0, 3.0]),
    ("tuple", [both, (None, "mae")], None),
    ("pair", [both, Pair("mse", both)], None),
    ("pair", Pair("mse", "mae"), None),
    ("dict", [both, {"p": "mse"}], None),
    ("dict", [both, {"p": "mse", "q": "mae"}], [1.0, {"p": 2.0, "q": 3.0}]),
    ("list", [both, "mae"], None),
    ("nested", {"p": both, "q": "mse"}, None),
    ("nested", {"p": (both, ["mse", None]), "q": "mse"}, None),
    ("nested", {"p": ["mse", "mae"], "q": both}, {"p": [1.0, 2.0], "q": 3.0}),
    ("list", {"a": "mse", "b": "mae"}, {"a": 2.0, "b": 3.0}),
    ("list", [["mse"], ["mae"]], [[0.1], [0.2]]),
]


TRAINED = (1, 4, 7, 11, 12)  # one for each form of outputs: both runs sum the same losses


@pytest.mark.parametrize(
    ("form", "loss", "weights", "run"),
    [(*case, "evaluate") for case in CASES] + [(*CASES[index], "fit") for index in TRAINED],
)
def test_losses_of_nested_outputs_equal_those_of_keras(form, loss, weights, run):
    expected = logs(keras, form, loss, weights, run)
    found = logs(lamina, form, loss, weights, run)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_sample_weights_apply_to_nested_outputs():
    weights = np.arange(8, dtype="float32")
    expected = logs(keras, "tuple", [both, ("mse", "mae")], None, sample_weight=weights)
    found = logs(lamina, "tuple", [both, ("mse", "mae")], None, sample_weight=weights)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [["mse", ["mae", "mse"]], {"a": "mse", "b": ["mae", "mse"]}])
def test_several_losses_for_one_of_several_outputs_are_summed(loss):
    found = logs(lamina, "list", loss, None)
    single = [logs(lamina, "list", [None, one], None)["loss"] for one in ("mae", "mse")]
    assert found.keys() == {"loss", "a_loss", "b_loss"}
    assert found["b_loss"] == pytest.approx(sum(single), rel=1e-5)
    assert found["loss"] == pytest.approx(found["a_loss"] + found["b_loss"], rel=1e-5)
    total = logs(keras, "list", ["mse", ["mae", "mse"]], None)["loss"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)


def test_a_loss_class_of_ones_own_gets_nested_outputs():
    class Both(Loss):
        def call(self, y_true, y_pred):
            return both(y_true, y_pred)

    found = logs(lamina, "nested", {"p": Both()}, None)
    assert found == pytest.approx(logs(lamina, "nested", {"p": both}, None), rel=1e-6)


def test_one_function_for_all_outputs_is_used_for_each():
    found = logs(lamina, "nested", lambda y, p: abs(y - p)[:, 0], None)
    assert found.keys() == {"loss", "p/a_loss", "p/b_loss", "q_loss"}


@pytest.mark.parametrize(
    ("form", "loss", "weights"),
    [
        ("dict", [both, {"r": "mse"}], None),
        ("dict", {"p": {"x": "mse"}}, None),
        ("tuple", [both, ("mse", "mae")], [0.5, 1.0]),
    ],
)
def test_losses_that_fit_no_output_are_errors(form, loss, weights):
    with pytest.raises(InputError):
        logs(lamina, form, loss, weights)
