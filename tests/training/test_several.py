"""Several outputs and losses, and what goes round an optimizer: against Keras and plain optax."""

import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina import Input, Model, Sequential, Trainer, layers
from lamina.errors import InputError
from lamina.training import callbacks

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 4)).astype("float32")
ONE = RANDOM.normal(size=(48, 1)).astype("float32")
TWO = RANDOM.integers(0, 3, 48)
W = RANDOM.uniform(size=48).astype("float32")
LOSSES = {"one": "mse", "two": "sparse_categorical_crossentropy"}
METRICS = {"one": ["mae"], "two": ["accuracy"]}


class Both(Model):
    """Two outputs, in a dict or a list."""

    def __init__(self, named):
        super().__init__()
        self.one, self.two = layers.Dense(1), layers.Dense(3, activation="softmax")
        self.named = named

    def call(self, inputs):
        outputs = {"one": self.one(inputs), "two": self.two(inputs)}
        return outputs if self.named else list(outputs.values())


def keras_both(kernels):
    inputs = keras.Input((4,))
    one = keras.layers.Dense(1, name="one")(inputs)
    two = keras.layers.Dense(3, activation="softmax", name="two")(inputs)
    model = keras.Model(inputs, {"one": one, "two": two})
    model.set_weights([np.asarray(value) for value in kernels])
    return model


def fitted(model, y, **options):
    weights = options.pop("sample_weight", None)
    model.compile("sgd", **options)
    given = {} if weights is None else {"sample_weight": weights}
    return model.fit(X, y, batch_size=24, epochs=2, shuffle=False, verbose=0, **given).history


@pytest.mark.parametrize(
    "options",
    [
        {"loss": LOSSES, "loss_weights": {"one": 2.0, "two": 0.5}, "metrics": METRICS},
        {"loss": LOSSES, "weighted_metrics": METRICS, "sample_weight": W},
        {
            "loss": LOSSES,
            "metrics": METRICS,
            "sample_weight": {"one": W, "two": np.ones(48, "float32")},
        },
    ],
    ids=["loss weights", "weighted metrics", "weights by output"],
)
def test_named_outputs_are_judged_as_keras_judges_them(options):
    lamina.set_seed(0)
    model = Both(named=True)
    model.build((None, 4))
    reference = keras_both(model.values().values())
    y = {"one": ONE, "two": TWO}
    expected = fitted(reference, y, **options)
    found = fitted(model, y, **options)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-4, err_msg=name)
    assert found["loss"][-1] == pytest.approx(expected["loss"][-1], rel=2e-4)


def graph():
    lamina.set_seed(0)
    inputs = Input((4,))
    two = layers.Dense(3, activation="softmax", name="two")(inputs)
    return Model(inputs, [layers.Dense(1, name="one")(inputs), two])


def test_outputs_in_a_list_go_by_position_and_those_of_a_graph_by_name_too():
    named = fitted(graph(), {"one": ONE, "two": TWO}, loss=LOSSES, metrics=METRICS)
    listed = fitted(graph(), [ONE, TWO], loss=list(LOSSES.values()), metrics=list(METRICS.values()))
    assert named == listed and {"one_loss", "two_loss", "one_mae", "two_accuracy"} < set(named)
    plain = fitted(Both(named=False), [ONE, TWO], loss=list(LOSSES.values()))
    assert set(plain) == {"loss", "mse_loss", "sparse_categorical_crossentropy_loss"}


def test_one_loss_serves_all_outputs_and_some_may_have_none():
    class Twins(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return {"a": self.dense(inputs), "b": 2 * self.dense(inputs)}

    both = fitted(Twins(), {"a": ONE, "b": ONE}, loss="mse")
    assert set(both) == {"loss", "a_loss", "b_loss"}
    assert both["loss"][0] == pytest.approx(both["a_loss"][0] + both["b_loss"][0], rel=1e-5)
    one = fitted(Twins(), {"a": ONE}, loss={"a": "mse"}, metrics={"a": "mae"})
    assert set(one) == {"loss", "a_mae"}  # one loss has one name
    model = Twins()
    fitted(model, {"a": ONE}, loss={"a": "mse"})
    assert model.evaluate(X, {"a": ONE}, verbose=0, return_dict=True).keys() == {"loss"}


@pytest.mark.parametrize(
    ("y", "options", "part"),
    [
        ({"one": ONE, "three": TWO}, {"loss": LOSSES}, "labels for an unknown output"),
        ({"one": ONE, "two": TWO}, {"loss": {"on": "mse"}}, "Did you mean 'one'"),
        ([ONE], {"loss": LOSSES}, "cannot be assigned to outputs"),
        ({"one": ONE, "two": TWO}, {"loss": LOSSES, "metrics": ["mae"]}, "metrics cannot be"),
        (
            {"one": ONE, "two": TWO},
            {"loss": LOSSES, "metrics": {"no": "mae"}},
            "metrics for an unknown output",
        ),
        ({"one": ONE, "two": TWO}, {"loss": LOSSES, "loss_weights": {"no": 1}}, "loss_weights"),
    ],
    ids=["labels", "losses", "count", "metrics", "metric's output", "weights"],
)
def test_what_belongs_to_no_output_is_told(y, options, part):
    with pytest.raises(InputError, match=part):
        fitted(Both(named=True), y, **options)


def test_metrics_beside_a_train_loss_are_told():
    class Own(Both):
        def train_loss(self, batch):
            return (self(batch[0])["one"] ** 2).mean()

    model = Own(named=True)
    model.compile("sgd", metrics=["mae"])
    with pytest.raises(InputError, match="train_loss"):
        model.fit(X, ONE, verbose=0)


# What goes round an optimizer.


def line(**options):
    lamina.set_seed(0)
    model = Sequential([layers.Dense(1)])
    model.build((None, 4))
    model.compile("sgd", "mse", **options)
    return model


def fit(model, batch=16, epochs=2, **options):
    model.fit(X, 30 * ONE, batch, epochs, shuffle=False, verbose=0, **options)
    return {path: np.asarray(value) for path, value in model.values().items()}


@pytest.mark.parametrize(
    "options",
    [{"clipnorm": 0.5}, {"clipvalue": 0.1}, {"global_clipnorm": 0.5}, {"use_ema": True}],
    ids=str,
)
def test_clipping_and_averages_are_those_of_keras(options):
    model = line(learning_rate=0.1, ema_momentum=0.8, **options)
    reference = keras.Sequential([keras.layers.Dense(1)])
    reference.build((None, 4))
    reference.set_weights([np.asarray(value) for value in model.values().values()])
    more = {"ema_momentum": 0.8} if "use_ema" in options else {}
    reference.compile(keras.optimizers.SGD(0.1, **options, **more), "mse")
    reference.fit(X, 30 * ONE, 16, 2, shuffle=False, verbose=0)
    found = fit(model)
    for value, expected in zip(found.values(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_several_batches_make_one_update():
    slow, whole = line(gradient_accumulation_steps=3), line()
    found, expected = fit(slow, 8), fit(whole, 24)
    for path, value in expected.items():
        np.testing.assert_allclose(found[path], value, rtol=1e-5)


def test_averages_survive_a_checkpoint_and_can_be_validated(tmp_path):
    options = {"use_ema": True, "ema_momentum": 0.9, "learning_rate": 0.1}
    expected = fit(line(**options), epochs=4)
    model = line(**options)
    fit(model, epochs=2, checkpoint_dir=tmp_path)
    again = line(**options)
    for epochs in (4, 4):  # the second finds nothing left to do
        found = fit(again, epochs=epochs, checkpoint_dir=tmp_path, resume=True)
        for path, value in expected.items():
            np.testing.assert_array_equal(found[path], value)
    swapped = line(**options)
    history = swapped.fit(
        X,
        ONE,
        16,
        shuffle=False,
        verbose=0,
        validation_data=(X, ONE),
        callbacks=[callbacks.SwapEMAWeights()],
    ).history
    assert history["val_loss"][0] == pytest.approx(swapped.evaluate(X, ONE, 16), rel=1e-5)


def test_arrays_of_averages_stay_valid():
    model = line(use_ema=True)
    fit(model)
    before = model.values()
    copies = {path: np.array(value) for path, value in before.items()}
    fit(model)
    for path, value in before.items():
        np.testing.assert_array_equal(value, copies[path])


def test_options_are_kept_in_a_trainer_too():
    from_options = line(learning_rate=0.05, clipvalue=0.2)
    by_hand = line()
    by_hand.compile(optax.chain(optax.clip(0.2), optax.sgd(0.05)), "mse")
    expected = fit(by_hand)
    for path, value in fit(from_options).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-5)
    trainer = Trainer(line(), "adam", "mse")
    assert trainer.learning_rate == pytest.approx(1e-3)
    trainer.learning_rate = 0.5
    trainer.step((X[:8], ONE[:8]))
    assert trainer.learning_rate == 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 1.0, "clipvalue": 1.0},
        {"clipnorm": -1.0},
        {"gradient_accumulation_steps": 0},
        {"use_ema": True, "ema_momentum": 1.0},
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_told(options):
    with pytest.raises(InputError):
        line(**options)


def test_a_rate_beside_a_transformation_is_told():
    with pytest.raises(InputError, match="which has its own"):
        Sequential([layers.Dense(1)]).compile(optax.sgd(0.1), "mse", learning_rate=0.2)


def test_metrics_of_several_numbers_are_lists():
    model = Sequential([layers.Dense(3, activation="softmax")])
    score = lamina.metrics.F1Score()
    model.compile("sgd", "categorical_crossentropy", [score, lamina.metrics.R2Score()])
    y = np.eye(3, dtype="float32")[TWO]
    history = model.fit(X, y, 24, verbose=0, validation_data=(X, y)).history
    assert len(history["f1_score"][0]) == len(history["val_f1_score"][0]) == 3
    assert isinstance(history["r2_score"][0], float)


class Kept(lamina.metrics.Metric):
    """Begins with one array, always the same, for both of its numbers."""

    zero = None

    def init(self):
        if Kept.zero is None:
            Kept.zero = jnp.zeros(())
        return Kept.zero, Kept.zero

    def update(self, state, y_true, y_pred, /, sample_weight=None):
        return state[0] + 1, state[1] + 2

    def result(self, state):
        return state[0] + state[1]


def test_arrays_that_an_optimizer_or_a_metric_gives_twice_are_told_apart():
    def init(params):
        zero = jnp.zeros(())
        return params, zero, zero

    optimizer = optax.GradientTransformation(init, lambda g, state, params: (g, state))
    trainer = Trainer(Sequential([layers.Dense(1)]), optimizer, "mse", [Kept()])
    for _ in range(2):
        trainer.reset_logs()
        trainer.step((X[:8], ONE[:8]))
        trainer.step((X[:8], ONE[:8]))
        assert trainer.logs()["kept"] == 6


def test_metrics_of_one_name_are_told_apart_as_in_keras():
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    given = {"metrics": ["mae", "mae", "mse"], "weighted_metrics": ["mae", "mae"]}
    ours = Sequential([layers.Dense(1)])
    theirs = keras.Sequential([keras.layers.Dense(1)])
    found = []
    for model in (ours, theirs):
        model.compile("sgd", "mse", **given)
        found.append(list(model.fit(x, x[:, :1], verbose=0).history))
    short = {"mean_absolute_error": "mae", "mean_squared_error": "mse"}
    expected = found[1]
    for name, alias in short.items():
        expected = [key.replace(name, alias) for key in expected]
    assert sorted(found[0]) == sorted(expected)
    with pytest.raises(InputError, match="named 'loss'"):
        ours.compile("sgd", "mse", [lamina.metrics.Mean("loss")])
