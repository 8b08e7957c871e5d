"""Training: the step against plain JAX and Keras, data of every kind, what stops it, what stays."""

import functools
import io
import itertools
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from rich.console import Console

import lamina
from lamina import Model, Sequential, Trainer, layers, losses
from lamina.core.calling import root_call
from lamina.errors import InputError, LaminaError, UnknownNameError
from lamina.training import Callback, NotFiniteError
from lamina.training.callbacks.progress_bar import Display
from lamina.training.step.gradient_check import gradients_are_finite


def data(count=104, features=5, classes=3):
    random = np.random.default_rng(0)
    x = random.normal(size=(count, features)).astype(np.float32)
    return x, (x @ random.normal(size=(features, classes))).argmax(1).astype(np.int32)


ALL = data()
"""Three batches of 32, and a smaller one."""
X, Y = (array[:96] for array in ALL)
OPTIMIZER = optax.adam(1e-2)
CROSS_ENTROPY = losses.SparseCategoricalCrossentropy(from_logits=True)


def network():
    return Sequential([layers.Dense(3, activation="relu"), layers.Dense(3)])


def compiled(optimizer="adam", **options):
    lamina.set_seed(2)
    model = network()
    model.compile(optimizer, CROSS_ENTROPY, ["accuracy"], **options)
    return model


@functools.cache
def plain_loop():
    """What a JAX user would write: `compiled`, trained on all batches once; weights and losses."""
    optimizer, model = OPTIMIZER, compiled()
    model.build(X[:1])
    values = model.values()
    state = optimizer.init(values)

    def loss_of(values, x, y):
        logits = model.apply(values, x, training=True)[0]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit
    def step(values, state, x, y):
        loss, slopes = jax.value_and_grad(loss_of)(values, x, y)
        updates, state = optimizer.update(slopes, state, values)
        return optax.apply_updates(values, updates), state, loss

    told = []
    for x, y in in_batches():
        values, state, loss = step(values, state, x, y)
        told.append(float(loss))
    return values, told


def in_batches(size=32):
    x, y = ALL
    return [(x[at : at + size], y[at : at + size]) for at in range(0, len(x), size)]


@pytest.mark.as_users_run
def test_steps_are_those_of_plain_jax():
    model = compiled()
    model.build(X[:1])
    expected, told = plain_loop()
    trainer = Trainer(model, OPTIMIZER, CROSS_ENTROPY)
    found = [float(trainer.step(batch)["loss"]) for batch in in_batches()]
    np.testing.assert_allclose(found, told, rtol=1e-5)
    for path, value in model.values().items():
        np.testing.assert_allclose(value, expected[path], atol=1e-5)


@pytest.mark.parametrize("how", ["arrays", "batches", "generator function", "uncompiled"])
def test_fit_is_the_plain_loop(how):
    model = compiled(OPTIMIZER, jit=how != "uncompiled")
    model.build(X[:1])
    expected, told = plain_loop()
    if how == "batches":
        history = model.fit(in_batches_again(), verbose=0)
    elif how == "generator function":
        history = model.fit(lambda: iter(in_batches()), verbose=0)
    else:
        history = model.fit(*ALL, shuffle=False, verbose=0)
    sizes = [len(y) for _, y in in_batches()]
    np.testing.assert_allclose(history.history["loss"], [np.average(told, weights=sizes)], 1e-5)
    for path, value in model.values().items():
        np.testing.assert_allclose(value, expected[path], atol=1e-5)


class in_batches_again:  # noqa: N801, an iterable that starts anew
    def __iter__(self):
        return iter(in_batches())


def test_losses_of_a_fit_are_those_of_keras():
    ours = compiled("adam")
    ours.build(X[:1])
    theirs = keras.Sequential(
        [
            keras.layers.Dense(3, activation="relu", kernel_initializer="zeros"),
            keras.layers.Dense(3, kernel_initializer="zeros"),
        ]
    )
    theirs.build((None, 5))
    theirs.set_weights([np.asarray(value) for value in ours.values().values()])
    theirs.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    options = {"batch_size": 24, "epochs": 4, "shuffle": False, "verbose": 0}
    weights = np.linspace(0.1, 2, len(X)).astype(np.float32)
    for extra in ({}, {"sample_weight": weights}, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}):
        left = ours.fit(X, Y, validation_split=0.25, **options, **extra).history
        right = theirs.fit(X, Y, validation_split=0.25, **options, **extra).history
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            np.testing.assert_allclose(left[name], right[name], rtol=2e-4, err_msg=name)
    found, expected = (model.evaluate(X, Y, 24, verbose=0) for model in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    found, expected = (model.predict(X, 24, verbose=0) for model in (ours, theirs))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "adadelta", "adamax"])
def test_optimizers_by_name_have_keras_defaults(name):
    lamina.set_seed(0)
    ours = Sequential([layers.Dense(3)])
    ours.build(X[:1])
    theirs = keras.Sequential([keras.layers.Dense(3)])
    theirs.build((None, 5))
    theirs.set_weights([np.asarray(value) for value in ours.values().values()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ours.compile(name, CROSS_ENTROPY)
    theirs.compile(name, loss)
    left, right = (
        model.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"]
        for model in (ours, theirs)
    )
    np.testing.assert_allclose(left, right, rtol=1e-3)


def test_the_same_seed_gives_the_same_run_and_epochs_are_shuffled_anew():
    runs = []
    for _ in range(2):
        model = compiled()
        runs.append(model.fit(X, Y, epochs=3, verbose=0).history["loss"])
    assert runs[0] == runs[1]
    trainer = compiled()._lamina.trainer
    first = trainer.permutation(20)
    trainer.epochs += 1
    assert sorted(first) == list(range(20)) and list(first) != list(trainer.permutation(20))


def test_values_taken_before_training_stay_valid_and_present_ones_are_seen():
    model = compiled()
    model.build(X[:1])
    before = model.values()
    copies = {path: np.array(value) for path, value in before.items()}
    trainer = Trainer(model, "sgd", CROSS_ENTROPY)
    seen = []
    for batch in in_batches()[:3]:
        trainer.step(batch)
        seen.append(model.values())
    model.fit(X, Y, verbose=0)
    for path, value in before.items():
        np.testing.assert_array_equal(value, copies[path])
    assert len({float(values["layers.0.kernel"][0, 0]) for values in seen}) == len(seen)


def test_values_set_between_steps_are_used():
    model = compiled()
    trainer = Trainer(model, "sgd", CROSS_ENTROPY)
    trainer.step(in_batches()[0])
    zeros = jax.tree.map(jnp.zeros_like, model.values())
    model.set_values(zeros)
    assert float(trainer.step(in_batches()[0])["loss"]) == pytest.approx(np.log(3), abs=1e-5)


def test_lamina_jit_sees_weights_in_training():
    model = compiled()
    forward = lamina.jit(model)
    before = forward(X[:4])
    model.fit(X, Y, verbose=0)
    after = forward(X[:4])
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, model(X[:4]), atol=1e-5)


def test_frozen_layers_stay_and_have_no_optimizer_state():
    model = compiled()
    model.build(X[:1])
    model.layers[0].trainable = False
    before = model.values(trainable=False)
    model.fit(X, Y, verbose=0)
    for path, value in before.items():
        np.testing.assert_array_equal(value, model.values()[path])
    moments = model._lamina.trainer._loan.carry.optimizer
    assert sum(part.size for part in moments) <= 2 * (3 * 3 + 3) + 3
    model.layers[0].trainable = True
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before["layers.0.kernel"], model.values()["layers.0.kernel"])


def test_statistics_move_in_training_and_dropout_differs_by_step():
    lamina.set_seed(0)
    model = Sequential([layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(3)])
    model.compile("sgd", CROSS_ENTROPY)
    model.fit(X, Y, verbose=0)
    assert not np.allclose(model.values()["layers.0.moving_mean"], 0)
    assert model.evaluate(X, Y) == model.evaluate(X, Y)


class TwoParts(Model):
    """A loss of its own, with more to tell."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.Dense(2), layers.Dense(5)

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))

    def train_loss(self, batch):
        error = ((self(batch) - batch) ** 2).mean()
        size = (self.encoder.kernel**2).sum()
        return error + 1e-3 * size, {"error": error, "size": size}


def test_a_loss_of_ones_own():
    model = TwoParts()
    model.compile("adam")
    history = model.fit(X, epochs=5, validation_data=X[:64], verbose=0).history
    assert set(history) == {"loss", "error", "size", "val_loss", "val_error", "val_size"}
    assert history["loss"][-1] < history["loss"][0]
    assert model.evaluate(X, return_dict=True)["error"] < history["error"][0]


class TwoInputs(Model):
    def __init__(self):
        super().__init__()
        self.one, self.two = layers.Dense(3), layers.Dense(3)

    def call(self, left, right):
        return self.one(left) + self.two(right)


@pytest.mark.parametrize(
    "x", [(X, 2 * X), [X, 2 * X], {"left": X, "right": 2 * X}], ids=["tuple", "list", "dict"]
)
def test_several_inputs_are_spread_over_call(x):
    model = TwoInputs()
    model.compile("adam", CROSS_ENTROPY, ["accuracy"])
    model.fit(x, Y, epochs=2, verbose=0)
    assert model.predict(x).shape == (96, 3)
    assert isinstance(model.evaluate(x, Y), list)


def test_several_outputs_are_predicted():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs):
            return {"a": self.dense(inputs), "b": inputs.sum(-1)}

    outputs = Two().predict(ALL[0], batch_size=64)
    assert outputs["a"].shape == (104, 3) and isinstance(outputs["b"], np.ndarray)


def test_a_step_on_one_batch_and_running_logs():
    model = compiled()
    loss, accuracy = model.train_on_batch(X[:8], Y[:8])
    assert 0 <= accuracy <= 1 and loss > 0
    assert set(model.train_on_batch(X[:8], Y[:8], return_dict=True)) == {"loss", "accuracy"}


class Heard(Callback):
    def __init__(self):
        self.events = []

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append((epoch, sorted(logs)))
        if epoch == 3:
            self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None):
        self.events.append(batch)


def test_callbacks_hear_in_order_and_may_stop():
    heard = Heard()
    model = compiled()
    history = model.fit(X, Y, 48, epochs=9, initial_epoch=2, callbacks=[heard], verbose=0)
    told = ["accuracy", "loss"]
    assert heard.events == ["begin", 0, 1, (2, told), 0, 1, (3, told)]
    assert history.epoch == [2, 3]


def test_steps_per_epoch_bounds_endless_data():
    def endless():
        while True:
            yield from in_batches()

    model = compiled()
    history = model.fit(endless(), epochs=3, steps_per_epoch=4, verbose=0)
    assert len(history.history["loss"]) == 3
    model.fit(X, Y, epochs=1, steps_per_epoch=2, verbose=0)


@pytest.mark.parametrize(
    ("x", "y", "options", "part"),
    [
        (X, Y[:-1], {}, "differ in the number of examples"),
        (X[:0], Y[:0], {}, "or have none"),
        (iter([]), None, {}, "contain no batch"),
        (in_batches_again(), Y, {}, "belong in the batches"),
        (X, None, {}, "nothing to minimize"),
        (X, Y, {"batch_size": 0}, "batch_size"),
        (X, Y, {"epochs": -1}, "epochs"),
        (X, Y, {"validation_split": 1.5}, "validation_split"),
        (X, Y, {"class_weight": {0: 1.0}}, "class_weight"),
        (X.tolist(), Y, {}, "not arrays"),
    ],
    ids=itertools.count(),
)
def test_bad_data_is_one_clear_error(x, y, options, part):
    with pytest.raises(InputError, match=part):
        compiled().fit(x, y, verbose=0, **options)


class Vector(TwoParts):
    def train_loss(self, batch):
        return ((self(batch) - batch) ** 2).mean(-1)


def test_a_loss_that_is_a_vector_is_told_and_a_function_that_gives_one_is_averaged():
    model = Vector()
    model.compile("sgd")
    with pytest.raises(InputError, match=r"not a scalar(.|\n)*\(32,\)(.|\n)*loss.mean\(\)"):
        model.fit(X, verbose=0)
    assert not model.built
    found = []
    for loss in (lambda y, p: (p - y) ** 2, "mse"):
        one = compiled()
        one.compile("sgd", loss)
        found.append(one.fit(X, X[:, :3], shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_names_that_stand_for_nothing_are_told_by_compile():
    for given in ({"metrics": ["acuracy"]}, {"loss": "mean_square_error"}, {"optimizer": "adm"}):
        with pytest.raises(UnknownNameError, match="Did you mean"):
            network().compile(**{"loss": "mse", **given})


def test_layers_are_computed_again_in_the_backward_pass_with_their_state():
    class Net(Model):
        def __init__(self, wrap):
            super().__init__()
            self.block = Sequential([layers.Dense(5), layers.BatchNormalization()])
            self.last, self.wrap = layers.Dense(3), wrap

        def call(self, inputs):
            return self.last(self.wrap(self.block)(inputs))

    found = []
    for wrap in (lamina.remat, lambda block: block):
        lamina.set_seed(0)
        model = Net(wrap)
        model.compile("sgd", CROSS_ENTROPY)
        loss = model.fit(X, Y, shuffle=False, verbose=0).history["loss"]
        found.append((loss, model.values()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    for path, value in found[0][1].items():
        np.testing.assert_allclose(value, found[1][1][path], rtol=1e-4, atol=1e-6)
    slopes = jax.make_jaxpr(jax.grad(lambda v: model_loss(Net(lamina.remat), v)))(found[0][1])
    assert "remat" in str(slopes) or "checkpoint" in str(slopes)


def model_loss(model, values):
    model.build((None, 5))
    return model.apply(values, X)[0].sum()


def test_nothing_is_built_by_a_fit_that_fails():
    model = compiled()
    with pytest.raises(InputError):
        model.fit(X, Y[:-1])
    assert not model.built and model.variables == []


def bad_row(at):
    x = X.copy()
    x[at] = np.inf
    return x


@functools.cache
def after_two_steps():
    model = compiled()
    model.build(X[:1])
    model.fit(X[:64], Y[:64], shuffle=False, verbose=0)
    return model.values()


@pytest.mark.parametrize("how", ["arrays", "batches"])
def test_a_loss_that_is_not_finite_stops_before_weights_are_spoilt(how):
    model = compiled()
    model.build(X[:1])
    x = bad_row(70)
    batches = [(x[at : at + 32], Y[at : at + 32]) for at in range(0, 96, 32)]
    given = (batches_of(batches),) if how == "batches" else (x, Y)
    with pytest.raises(
        NotFiniteError, match=r"step 3, on batch 2 of its epoch: the batch itself.* at \[6, 0\]"
    ):
        model.fit(*given, shuffle=False, verbose=0)
    assert all(np.isfinite(value).all() for value in model.values().values())
    for path, value in after_two_steps().items():
        np.testing.assert_allclose(model.values()[path], value, atol=1e-6)
    model.fit(X, Y, verbose=0)


def batches_of(batches):
    return lambda: iter(batches)


def test_the_layer_where_numbers_went_wrong_is_named():
    class Logs(lamina.Layer):
        def call(self, inputs):
            return jnp.log(inputs)

    model = Sequential([layers.Dense(4), Logs(), layers.Dense(3)])
    model.compile("adam", CROSS_ENTROPY)
    with pytest.raises(NotFiniteError, match=r"layers\.1 \(Logs\)"):
        model.fit(X, Y, verbose=0)
    wild = compiled(optax.sgd(1e30))
    with pytest.raises(NotFiniteError, match="step"):
        wild.fit(X, Y, verbose=0)


@pytest.mark.parametrize("kind", ["labels", "ids", "own loss"])
def test_numbers_out_of_range_are_told_with_the_range(kind):
    if kind == "labels":
        model, x, y = compiled(), X, np.where(np.arange(96) == 40, 7, Y)
        part = r"the label 7, at \[8\], is not in \[0, 3\)"
    elif kind == "ids":
        model, x, y = Sequential([layers.Embedding(9, 3), layers.Flatten(), layers.Dense(3)]), 0, Y
        model.compile("sgd", CROSS_ENTROPY)
        x = np.zeros((96, 2), "int32")
        x[33, 1] = 9
        part = r"layers\.0 \(Embedding\): the id 9, at \[1, 1\], is not in \[0, 9\)"
    else:
        model, x, y = network(), X, Y
        model.compile("sgd", lambda y_true, y_pred: jnp.log(-jnp.abs(y_pred)))
        part = "batch 0 of its epoch: every layer's output is finite, so it is the loss itself"
    with pytest.raises(NotFiniteError, match=part):
        model.fit(x, y, shuffle=False, verbose=0)


class Root(lamina.Layer):
    """Has an infinite derivative at 0, where its output is finite."""

    def call(self, inputs):
        return inputs + jnp.sqrt(0.0 * inputs**2)


class Inside(Model):
    def __init__(self, count):
        super().__init__()
        self.parts = [layers.Dense(4) for _ in range(count)]
        self.roots, self.last = Sequential([Root()]), layers.Dense(3)

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.last(self.roots(inputs))


@pytest.mark.parametrize("count", [1, 40], ids=["few weights", "many weights"])
def test_a_gradient_that_is_not_finite_is_traced_to_its_layer_and_spoils_nothing(count):
    model = Inside(count)
    model.build((None, 5))
    before = {path: np.asarray(value) for path, value in model.values().items()}
    model.compile(optax.sgd(0.1), CROSS_ENTROPY)
    with pytest.raises(NotFiniteError, match=r"gradient is not finite at step 1") as caught:
        model.fit(X, Y, verbose=0)
    error = caught.value
    assert "the derivative of roots.layers.0 (Root)" in str(error)
    assert (error.step, error.batch, error.path) == (1, 0, "roots.layers.0")
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, before[path])


def test_a_gradient_of_the_loss_alone_names_a_weight():
    model = Sequential([layers.Dense(3)])
    model.compile("sgd", lambda y_true, y_pred: jnp.sqrt(0 * y_pred))
    with pytest.raises(NotFiniteError, match=r"the gradient of the weight 'layers\.0\.bias'"):
        model.train_on_batch(X[:8], Y[:8])


def test_what_is_not_finite_is_seen_along_the_edges_of_large_gradients():
    large = np.ones((300, 40), np.float32)
    for place in ((5, slice(None)), (slice(None), 5)):
        spoilt = large.copy()
        spoilt[place] = np.inf
        assert gradients_are_finite([jnp.asarray(large)]) and not gradients_are_finite(
            [jnp.asarray(spoilt)]
        )
    assert not gradients_are_finite([jnp.ones((3, 3), jnp.bfloat16).at[1, 1].set(jnp.nan)])
    assert gradients_are_finite([jnp.ones((0, 3)), jnp.ones((), "int32")])


def test_what_stops_training_is_an_error_of_lamina():
    assert issubclass(NotFiniteError, LaminaError) and issubclass(NotFiniteError, ArithmeticError)


def shown(terminal, verbose):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120)
    with Display(verbose, console) as display:
        display.begin("epoch 1/2", 10)
        display.update(5, {"loss": 0.5})
        display.end(10, {"loss": 0.25, "accuracy": 0.5})
    return stream.getvalue()


def test_progress_is_a_bar_in_a_terminal_and_lines_elsewhere():
    assert shown(True, 0) == ""
    line = shown(False, "auto")
    assert line.startswith("epoch 1/2  10 steps") and "loss 0.2500  accuracy 0.5000" in line
    assert line.count("\n") == 1 and "\x1b" not in line
    bar = shown(True, "auto")
    assert "10/10" in bar and "loss 0.2500" in bar and "\x1b" in bar


def test_layers_that_no_call_reaches_are_told_of_once():
    class Idle(Model):
        def __init__(self):
            super().__init__()
            self.used, self.idle = layers.Dense(3), [layers.Dense(3), Sequential([layers.Dense(1)])]

        def call(self, inputs):
            return self.used(inputs)

    model = Idle()
    model.compile("sgd", CROSS_ENTROPY)
    with pytest.warns(UserWarning, match=r"idle\.0, idle\.1\."):
        model.fit(X, Y, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y, verbose=0)
    assert model.plan((2, 5)).unused == ("idle.0", "idle.1")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("jit", [True, False])
def test_layers_added_between_fits_are_built_and_trained(jit) -> None:
    class Growing(lamina.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(3)]

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = Growing()
    model.compile("sgd", "mean_squared_error", jit=jit)
    model.fit(x, x, verbose=0)
    model.evaluate(x, x, verbose=0)
    model.blocks.append(layers.Dense(3))
    model.fit(x, x, verbose=0)
    assert len(model.values()) == 4
    first = model.values()
    model.fit(x, x, verbose=0)
    assert all(not np.array_equal(value, first[path]) for path, value in model.values().items())
    model.blocks.append(layers.Dense(3))
    model.evaluate(x, x, verbose=0)
    assert len(model.values()) == 6
    assert model.predict(x, verbose=0).shape == (8, 3)


def test_looking_at_weights_plans_no_step_again(monkeypatch) -> None:
    """Not even where a layer is never reached, and so never built."""
    model = network()
    model.idle = layers.Dense(3)
    trainer = Trainer(model, optax.sgd(0.1), CROSS_ENTROPY)
    with pytest.warns(UserWarning, match="idle"):
        trainer.step((X[:8], Y[:8]))
    planned = []
    monkeypatch.setattr(root_call, "carry_out", lambda request: planned.append(request))
    for _ in range(2):
        model.values()
        trainer.step((X[:8], Y[:8]))
    assert not planned


@pytest.mark.parametrize("name", ["train_step", "test_step"])
def test_a_step_with_other_arguments_is_not_passed_over(name):
    kind = type("Own", (Sequential,), {name: lambda self, data: None})
    with pytest.raises(InputError, match=rf"{name}(.|\n)*train_loss"):
        kind([layers.Dense(1)]).compile("sgd", "mse")


def test_a_train_loss_beside_a_step_that_does_not_call_it_is_an_error():
    own = {"compute_loss": lambda self, *_: 0.0, "train_loss": lambda self, batch: 0.0}
    with pytest.raises(InputError, match="train_loss, and compute_loss"):
        type("Own", (Sequential,), own)([layers.Dense(1)]).compile("sgd")
