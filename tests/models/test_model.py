"""Models as classes: one class for life, state that copies leave behind, methods by file."""

import copy
import gc
import inspect
import pickle
import weakref
from dataclasses import dataclass

import jax
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.compat.tf import keras as tf_keras
from lamina.errors import InputError
from lamina.models import Functional, clone_model

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


class Wide(Model):
    """A graph that its class puts together."""

    def __init__(self, units):
        self.runs = getattr(self, "runs", 0) + 1
        x = Input((4,))
        super().__init__(inputs=x, outputs=layers.Dense(units)(x))


class Scaled(Model):
    """A graph that is passed on, with an argument of its own."""

    def __init__(self, inputs, outputs, scale=1.0, **options):
        super().__init__(inputs, outputs, **options)
        self.scale = scale


class Passing(Model):
    def __init__(self, *args, scale=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = scale


class Plain(Model):
    """A graph of a class without a constructor."""


@dataclass
class Fields(Model):
    """A model that has no hash, since it is compared by its fields."""

    units: int

    def __post_init__(self):
        x = Input((4,))
        super().__init__(x, layers.Dense(self.units)(x))


def ends():
    x = Input((4,))
    return x, layers.Dense(3, "tanh")(x)


GRAPHS = {
    "Model": lambda: Model(*ends(), name="own"),
    "by name": lambda: Model(outputs=(e := ends())[1], inputs=e[0], name="own"),
    "its own input": lambda: Model(x := Input((4,)), x, name="own"),
    "lists and dicts": lambda: Model([(e := ends())[0]], {"a": e[1]}, name="own"),
    "Wide": lambda: Wide(3),
    "Scaled": lambda: Scaled(*ends(), 3.0, name="own"),
    "Scaled by name": lambda: Scaled(scale=3.0, inputs=(e := ends())[0], outputs=e[1]),
    "Passing": lambda: Passing(*ends(), scale=3.0, name="own"),
    "Plain": lambda: Plain(*ends()),
    "Fields": lambda: Fields(3),
    "tf.keras": lambda: tf_keras.Model(*ends()),
}


def saved(model, tmp_path):
    model.save(tmp_path / "model.lamina")
    return lamina.load(tmp_path / "model.lamina")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_made_again_in_every_way(name, tmp_path):
    model = GRAPHS[name]()
    kept = [
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        saved(model, tmp_path),
    ]
    new = [clone_model(model), type(model).from_config(model.get_config())]
    for twin in (*kept, *new):
        assert type(twin) is type(model) and isinstance(twin, Model) and twin.name == model.name
        assert getattr(twin, "scale", 0) == getattr(model, "scale", 0)
        assert list(twin.values()) == list(model.values())
        if twin is not kept[0]:
            assert not {id(layer) for layer in twin.layers} & {id(layer) for layer in model.layers}
    expected = model.predict(X)
    for twin in kept:
        jax.tree.map(np.testing.assert_array_equal, twin.predict(X), expected)
    if model.variables:
        for twin in new:
            assert not np.array_equal(twin.get_weights()[0], model.get_weights()[0])


def test_a_model_keeps_its_class_and_is_made_once():
    model = Wide(3)
    assert type(model) is Wide and model.runs == 1
    assert type(Model(*ends())) is Functional and isinstance(Model(*ends()), tf_keras.Model)
    assert type(Model(name="empty")) is Model
    assert Wide.__bases__ == (Model,)


def test_copies_leave_behind_programs_and_keep_how_they_are_compiled():
    model = Wide(3)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], verbose=0)
    expected, inputs = model.predict(X), model.input
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.optimizer is not model.optimizer and twin.trainer.wait() == 1
        assert twin.input is not inputs
        np.testing.assert_array_equal(twin.predict(X), expected)
        twin.compile("sgd", "mse")
        twin.fit(X, X[:, :3], verbose=0)
    assert model.trainer.wait() == 1 and model.input is not None


def test_a_compiled_model_is_freed():
    model = Wide(3)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], verbose=0)
    model.predict(X)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_models_that_are_compared_by_fields_are_compiled():
    model = Fields(3)
    model.compile("sgd", "mse")
    assert len(model.fit(X, X[:, :3], verbose=0).history["loss"]) == 1
    assert Fields.__hash__ is None and model == Fields(3)


def test_a_failed_load_leaves_the_compiled_state(tmp_path):
    model = Wide(3)
    model.compile("sgd", "mse")
    other = Wide(2)
    other.save_weights(tmp_path / "other")
    trainer = model.trainer
    with pytest.raises(lamina.errors.FileFormatError):
        model.load_weights(tmp_path / "other")
    assert model.trainer is trainer


@pytest.mark.parametrize(
    "use", [lambda m: m(X), lambda m: m.build((None, 4)), lambda m: m.fit(X, X, verbose=0)]
)
def test_a_model_without_a_graph_needs_a_call(use):
    model = Plain()
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match="Plain has no method 'call'"):
        use(model)


def test_only_the_loss_is_needed_to_be_trained():
    class Trained(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def train_loss(self, batch):
            return (self.dense(batch) ** 2).mean()

    model = Trained()
    model.compile("sgd")
    assert len(model.fit(X, verbose=0).history["loss"]) == 1


def test_layers_keep_the_attributes_that_they_have():
    class Net(Model):
        def __init__(self):
            self.dense = layers.Dense(2)
            x = Input((4,))
            super().__init__(x, self.dense(layers.Dense(5)(x)))

    model = Net()
    assert model.dense.units == 2 and model.dense_1.units == 5
    assert [w.shape for w in model.weights] == [(5, 2), (2,), (4, 5), (5,)]


def test_a_clone_that_would_share_layers_is_refused():
    class Held(Model):
        def __init__(self, symbols):
            super().__init__(*symbols)

    with pytest.raises(InputError, match="share layers"):
        clone_model(Held(ends()))


def test_an_empty_stack_has_nothing_to_remove():
    with pytest.raises(InputError, match="has a layer"):
        Sequential().pop()


METHODS = [
    *("compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch"),
    *("predict_on_batch", "save", "export", "get_layer", "capture", "profile"),
]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_shows_its_arguments(name):
    method = getattr(Model, name)
    assert method.__name__ == name
    for argument in list(inspect.signature(method).parameters)[1:]:
        assert (
            f"\n        {argument}: " in method.__doc__ or f"\n    {argument}: " in method.__doc__
        )
    for part in ("Raises:", ">>> "):
        assert part in method.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_overridden_and_reached_by_super(name):
    kind = type("Own", (Sequential,), {name: lambda self: getattr(super(kind, self), name)})
    assert getattr(kind(), name)().__self__.__class__ is kind
