"""Copies of a compiled model continue its training: files, deepcopy and pickle."""

import copy
import pickle
import subprocess
import sys
import warnings

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lamina
from lamina import Input, Model, Sequential, layers, losses, metrics
from lamina.compat.tf.keras.optimizers import Adam
from lamina.compat.tf.keras.schedules import CosineDecay
from lamina.errors import FileFormatError, InputError

X = np.linspace(-1, 1, 96, dtype="float32").reshape(32, 3)
Y = np.sin(X[:, :2])


def stack():
    parts = layers.Dropout(0.5), layers.BatchNormalization()
    return Sequential([Input((3,)), *parts, layers.Dense(2)])


def graph():
    x = Input((3,))
    return Model(x, layers.Dense(2, "tanh")(x))


class Regression(Model):
    """A subclass with two outputs by name, which adds a loss."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(2), layers.Dense(2)

    def call(self, inputs):
        self.add_loss(0.1 * jnp.mean(inputs**2))
        return {"a": self.first(inputs), "b": self.second(inputs)}


MODELS = {
    "adam": (stack, {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]}),
    "schedule of callbacks": (graph, {"optimizer": "sgd", "loss": "mse", "learning_rate": 0.1}),
    "an optimizer of Keras": (
        graph,
        {"optimizer": Adam(CosineDecay(0.1, 20), clipnorm=0.5), "loss": "mse"},
    ),
    "averages": (graph, {"optimizer": "adamw", "loss": losses.Huber(0.5), "use_ema": True}),
    "accumulated": (
        graph,
        {
            "optimizer": "rmsprop",
            "loss": "mae",
            "clipnorm": 0.5,
            "gradient_accumulation_steps": 3,
            "weighted_metrics": [metrics.MeanSquaredError(name="error")],
        },
    ),
    "outputs": (
        Regression,
        {"optimizer": "adam", "loss": {"a": "mse", "b": "mae"}, "loss_weights": {"a": 2.0}},
    ),
}


def through_a_file(model, folder):
    model.save(folder / "model.safetensors")
    return lamina.load(folder / "model.safetensors")


WAYS = {
    "file": through_a_file,
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "copy of a copy": lambda model, folder: through_a_file(copy.deepcopy(model), folder),
}


def fit(model, epochs):
    y = {"a": Y, "b": Y} if isinstance(model, Regression) else Y
    return model.fit(X, y, batch_size=8, epochs=epochs, verbose=0).history


@pytest.mark.parametrize(("make", "options"), MODELS.values(), ids=MODELS)
def test_training_continues_as_if_it_was_not_interrupted(make, options, tmp_path):
    model = make()
    model.compile(**options)
    fit(model, 2)
    ways = WAYS if options["optimizer"] == "adam" else ("pickle", "copy of a copy")
    twins = {name: WAYS[name](model, tmp_path) for name in ways}
    rest = fit(model, 2)
    for name, twin in twins.items():
        assert fit(twin, 2) == rest, name
        for path, value in model.values().items():
            np.testing.assert_array_equal(twin.values()[path], value, name)


def test_a_copy_before_the_first_step_is_compiled(tmp_path):
    model = graph()
    model.compile("sgd", "mse", ["mae"], learning_rate=0.25)
    twins = {name: way(model, tmp_path) for name, way in WAYS.items()}
    expected = fit(model, 2)
    for name, twin in twins.items():
        assert twin.optimizer.learning_rate == 0.25, name
        assert fit(twin, 2) == expected, name


def test_the_learning_rate_that_a_callback_set_is_kept(tmp_path):
    model = graph()
    model.compile("adam", "mse")
    fit(model, 1)
    model.optimizer.learning_rate = 0.125
    assert through_a_file(model, tmp_path).optimizer.learning_rate == 0.125


PROGRAM = """
import sys
import numpy as np
import lamina
X = np.linspace(-1, 1, 96, dtype="float32").reshape(32, 3)
model = lamina.load(sys.argv[1])
print(model.fit(X, np.sin(X[:, :2]), batch_size=8, epochs=2, verbose=0).history["loss"])
"""


def test_a_fresh_process_continues(tmp_path):
    model = graph()
    model.compile("adam", "mse")
    fit(model, 2)
    model.save(tmp_path / "model.safetensors")
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "model.safetensors")]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(eval(done.stdout), fit(model, 2)["loss"], rtol=1e-5)


def test_a_learning_rate_set_before_the_first_step_is_kept(tmp_path):
    model = graph()
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.125
    twins = {name: way(model, tmp_path) for name, way in WAYS.items()}
    expected = fit(model, 1)
    for name, twin in twins.items():
        assert twin.optimizer.learning_rate == 0.125, name
        assert fit(twin, 1) == expected, name


def test_compile_false_leaves_it_out(tmp_path):
    model = graph()
    model.compile("adam", "mse")
    fit(model, 1)
    model.save(tmp_path / "model.safetensors")
    plain = lamina.load(tmp_path / "model.safetensors", compile=False)
    with pytest.raises(InputError, match="is not compiled"):
        fit(plain, 1)
    np.testing.assert_array_equal(plain(X), model(X))
    other = graph()
    other.load_weights(tmp_path / "model.safetensors")  # the arrays of training are no weights
    np.testing.assert_array_equal(other(X), model(X))


def of_mine(y_true, y_pred):
    return jnp.mean(jnp.abs(y_true - y_pred), -1)


def test_functions_come_from_custom_objects_alone(tmp_path):
    model = graph()
    model.compile("sgd", of_mine)
    fit(model, 1)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FileFormatError, match="of_mine") as caught:
        lamina.load(tmp_path / "model.safetensors")
    assert "compile=False" in caught.value.__notes__[0]
    twin = lamina.load(tmp_path / "model.safetensors", custom_objects={"of_mine": of_mine})
    assert fit(twin, 1) == fit(model, 1)


class Scaled(metrics.MeanMetric):
    """A metric that is no dataclass, and so is written with its config."""

    def __init__(self, scale, name="scaled"):
        super().__init__(name)
        self.scale = scale

    def values(self, y_true, y_pred):
        return self.scale * jnp.abs(y_true - y_pred)


def test_classes_come_from_custom_objects_alone(tmp_path):
    path = tmp_path / "model.safetensors"
    model = graph()
    model.compile("adam", "mse", [Scaled(3.0)])
    fit(model, 1)
    model.save(path)
    with pytest.raises(FileFormatError, match="Scaled") as caught:
        lamina.load(path)
    assert "compile=False" in caught.value.__notes__[0]
    twin = lamina.load(path, custom_objects={"Scaled": Scaled})
    assert twin.evaluate(X, Y) == model.evaluate(X, Y)


@pytest.mark.parametrize("options", [{"optimizer": optax.adam(0.1)}, {"loss": lambda a, b: a - b}])
def test_what_a_file_cannot_hold_is_left_out_with_a_warning(options, tmp_path):
    model = graph()
    model.compile(**{"optimizer": "adam", "loss": "mse"} | options)
    with pytest.warns(UserWarning, match="leaves out how the model was compiled"):
        model.save(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="is not compiled"):
        fit(lamina.load(tmp_path / "model.safetensors"), 1)
    with pytest.warns(UserWarning, match="leaves out how it was compiled"):
        pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = copy.deepcopy(model)
    assert twin.optimizer is not model.optimizer


def test_a_copy_compiled_again_starts_anew(tmp_path):
    model = graph()
    model.compile("adam", "mse")
    fit(model, 1)
    twin = copy.deepcopy(model)
    twin.compile("sgd", "mae")
    fit(twin, 1)
    assert int(twin.trainer.wait()) == 4
