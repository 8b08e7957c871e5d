"""The names of logs for outputs, losses and metrics of any structure, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import lamina
from lamina.errors import InputError

X = np.arange(30, dtype="float32").reshape(10, 3) / 30
A, B, C = (np.arange(10, dtype="float32")[:, None] / 10 * scale for scale in (1, 2, 3))
WEIGHTS = (np.arange(10) % 3).astype("float32")


def dense(library, name=None):
    return library.layers.Dense(1, kernel_initializer="ones", name=name)


def one(library):
    x = library.Input((3,))
    return library.Model(x, dense(library, "out")(x))


def list_of_one(library):
    x = library.Input((3,))
    return library.Model(x, [dense(library, "out")(x)])


def dict_of_one(library):
    x = library.Input((3,))
    return library.Model(x, {"key": dense(library, "out")(x)})


def stack(library):
    return library.Sequential([library.Input((3,)), dense(library, "out")])


def two(library):
    x = library.Input((3,))
    return library.Model(x, [dense(library, "a")(x), dense(library, "b")(x * 0.5)])


def by_key(library):
    x = library.Input((3,))
    return library.Model(x, {"b": dense(library, "lb")(x * 0.5), "a": dense(library, "la")(x)})


def nested(library):
    x = library.Input((3,))
    pair = [dense(library, "q")(x), dense(library, "r")(x * 0.5)]
    return library.Model(x, {"p": pair, "s": dense(library, "t")(x * 2.0)})


def with_input(library):
    x = library.Input((3,), name="given")
    return library.Model(x, [x, dense(library, "b")(x)])


def subclass(returns):
    def make(library):
        class Both(library.Model):
            def __init__(self):
                super().__init__()
                self.p, self.q = dense(library), dense(library)

            def call(self, x):
                return returns(self.p(x), self.q(x * 0.5))

        return Both()

    return make


in_dict = subclass(lambda a, b: {"a": a, "b": b})
in_tuple = subclass(lambda a, b: (a, b))

CASES = [
    *[
        (make, A, {"loss": loss, "metrics": given})
        for make in (one, list_of_one, dict_of_one, stack)
        for loss, given in [
            ("mse", ["mae", "mae"]),
            (["mse"], [["mae", "mse"]]),
            ("mse", {"out": ["mae"]}),
            ("crossentropy", ["mae"]),
        ]
    ],
    (one, A, {"loss": {"out": "mse"}, "metrics": {"out": ["mae", "mse"]}}),
    (one, A, {"loss": "mse", "loss_weights": 0.2}),
    (one, A, {"loss": ["mse"], "loss_weights": [0.2]}),
    (one, A, {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae"]}),
    *[
        (two, labels, {"loss": loss, "metrics": given})
        for labels in ([A, B], {"a": A, "b": B})
        for loss, given in [
            ("mse", None),
            (["mse", "mae"], ["mae", "mse"]),
            ([None, "mse"], [["mae"], ["mse"]]),
            ({"a": "mse", "b": None}, {"b": ["mae", "mse"]}),
            ("mse", [["mae", "mae"], None]),
        ]
    ],
    (two, [A, B], {"loss": "mse", "loss_weights": 0.2}),
    (two, [A, B], {"loss": ["mse", "mae"], "loss_weights": {"a": 0.2, "b": 3.0}}),
    (two, [A, B], {"loss": "mse", "metrics": ["mae", "mse"], "weighted_metrics": ["mae", "mae"]}),
    (two, [A], {"loss": ["mse", None]}),
    (two, B, {"loss": [None, "mse"]}),
    (with_input, [X, B], {"loss": ["mse", "mae"], "metrics": ["mae", "mae"]}),
    *[
        (make, {"a": A, "b": B}, {"loss": loss, "metrics": given})
        for make in (by_key, in_dict)
        for loss, given in [
            ("mse", {"a": "mae"}),
            ({"a": "mse", "b": "mae"}, [["mae"], ["mse"]]),
            ({"b": "mse"}, {"b": ["mae"]}),
        ]
    ],
    (in_tuple, [A, B], {"loss": ["mse", "mae"], "metrics": ["mae", "mae"]}),
    *[
        (nested, {"p": [A, B], "s": C}, {"loss": loss, "metrics": given})
        for loss, given in [
            ("mse", None),
            ({"p": ["mse", None]}, None),
            ({"p": ["mse", "mae"], "s": "mse"}, {"p": ["mae", "mse"], "s": "mae"}),
            ({"p": ["mse", None], "s": "mse"}, {"p": [["mae"], ["mse", "mae"]], "s": ["mae"]}),
        ]
    ],
]


@pytest.mark.parametrize(("make", "labels", "options"), CASES)
def test_names_and_values_are_those_of_keras(make, labels, options):
    weights = WEIGHTS if "weighted_metrics" in options else None
    logs = []
    for library, eager in ((keras, {"run_eagerly": True}), (lamina, {"run_eagerly": True})):
        model = make(library)
        model.compile("sgd", **options, **eager)
        model(X[:1])
        logs.append(model.test_on_batch(X, labels, sample_weight=weights, return_dict=True))
    theirs, ours = logs
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(float(value), rel=1e-5)


def test_outputs_of_one_name_are_numbered():
    class Both(lamina.Layer):
        def __init__(self):
            super().__init__(name="both")
            self.p, self.q = dense(lamina), dense(lamina)

        def call(self, x):
            return self.p(x), self.q(x * 0.5)

    x = lamina.Input((3,))
    model = lamina.Model(x, list(Both()(x)))
    model.compile("sgd", "mse", ["mae", "mae"])
    history = model.fit(X, [A, B], verbose=0).history
    assert set(history) == {"loss", "both_loss", "both_loss_1", "both_mae", "both_mae_1"}
    plain = in_tuple(lamina)
    plain.compile("sgd", "mse")
    assert set(plain.fit(X, [A, B], verbose=0).history) == {"loss", "mse_loss", "mse_loss_1"}


def test_losses_of_outputs_can_be_monitored():
    for make in (two, in_dict):
        model = make(lamina)
        model.compile("sgd", "mse", {"b": "mae"})
        for monitor in ("val_a_loss", "b_mae"):
            stop = lamina.training.callbacks.EarlyStopping(monitor, mode="min")
            data = (X, {"a": A, "b": B})
            history = model.fit(*data, validation_data=data, callbacks=[stop], verbose=0)
            assert monitor in history.history


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (one, {"loss": {"uot": "mse"}}, "losses for an unknown output"),
        (one, {"loss": ["mse", "mae"]}, "losses cannot be assigned to outputs"),
        (two, {"loss": ["mse"]}, "losses cannot be assigned to outputs"),
        (two, {"loss": [["mse", {"no": "mae"}], "mse"]}, "losses do not match"),
        (two, {"loss": "mse", "metrics": ["mae"]}, "metrics cannot be assigned to outputs"),
        (two, {"loss": "mse", "metrics": {"c": "mae"}}, "metrics for an unknown output"),
        (two, {"loss": "mse", "loss_weights": {"c": 1.0}}, "loss_weights for an unknown output"),
        (two, {"loss": "mse", "loss_weights": ["a", 1.0]}, "loss_weights has no number"),
    ],
)
def test_losses_and_metrics_of_no_output_are_errors_before_the_first_step(make, options, message):
    model = make(lamina)
    before = model.get_weights()
    model.compile("sgd", **options)
    y = A if make is one else [A, B]
    for run in (model.train_on_batch, model.evaluate, model.fit):
        with pytest.raises(InputError, match=message):
            run(X, y)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
