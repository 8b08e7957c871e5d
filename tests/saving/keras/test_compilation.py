"""The arguments of `compile` in files of Keras, read and written."""

import inspect
import json
from pathlib import Path

import numpy as np
import optax
import pytest

import lamina
from lamina import layers, losses, metrics
from lamina.compat.tf.keras import optimizers
from lamina.errors import LaminaError
from lamina.saving.keras.compilation import compile_arguments, compile_as_saved
from lamina.saving.keras.compilation_writing import compile_config
from lamina.saving.keras.legacy_compilation import legacy_compile_config
from lamina.saving.keras.loading import load as load_archive

keras = pytest.importorskip("keras")

REAL = Path(__file__).parents[4] / "shared/keras_files/real"
X = np.random.default_rng(0).normal(size=(8, 3)).astype("f")
OPTIONS = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


@keras.saving.register_keras_serializable("pkg")
def distance(y_true, y_pred):
    return abs(y_true - y_pred).mean(-1)


@keras.saving.register_keras_serializable("pkg")
class Doubled(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 2 * distance(y_true, y_pred)


class DoubledHere(losses.Loss):
    def call(self, y_true, y_pred):
        return 2 * distance(y_true, y_pred)


class Other(keras.optimizers.SGD):
    """An optimizer that Lamina does not have."""


def model_of_keras():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a")])


def config_of(**arguments):
    model = model_of_keras()
    model.compile(**arguments)
    return json.loads(json.dumps(model.get_compile_config()))


@pytest.fixture(scope="module")
def model():
    return lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])


def test_parts_of_all_forms_are_read():
    given = compile_arguments(
        config_of(
            optimizer="rmsprop",
            loss={"a": keras.losses.mean_squared_error},
            metrics={"a": ["acc", keras.metrics.Precision(top_k=1), keras.metrics.binary_accuracy]},
            weighted_metrics=[keras.metrics.MeanMetricWrapper(keras.losses.huber, "h", delta=2.0)],
            loss_weights={"a": 2.0},
            steps_per_execution=4,
        )
    )
    assert type(given["optimizer"]).__name__ == "RMSprop"
    assert given["loss"] == {"a": losses.mean_squared_error}
    named, precision, function = given["metrics"]["a"]
    assert named == "acc" and precision.top_k == 1 and function is metrics.binary_accuracy
    (weighted,) = given["weighted_metrics"]
    assert weighted.name == "h" and weighted.function.keywords == {"delta": 2.0}
    assert given["loss_weights"] == {"a": 2.0} and given["steps_per_execution"] == 4
    assert given.keys().isdisjoint(["run_eagerly", "jit_compile"])


@pytest.mark.parametrize("key", ["distance", "pkg>distance"])
def test_custom_functions_are_those_of_the_caller(key):
    config = config_of(optimizer=keras.optimizers.SGD(), loss=distance, metrics=[distance])
    given = compile_arguments(config, {key: distance})
    assert given["loss"] is distance and given["metrics"] == [distance]
    with pytest.raises(LaminaError, match="distance"):
        compile_arguments(config)
    for name in ("distance", key):  # files in HDF5 have the package too
        by_name = compile_arguments({"optimizer": "sgd", "loss": name}, {"distance": distance})
        assert by_name["loss"] is distance


@pytest.mark.parametrize("key", ["Doubled", "pkg>Doubled"])
def test_custom_losses_are_those_of_the_caller(key):
    config = config_of(optimizer="adam", loss=Doubled(name="twice"))
    assert compile_arguments(config, {key: DoubledHere})["loss"].name == "twice"
    with pytest.raises(LaminaError, match="Doubled"):
        compile_arguments(config)
    legacy = {"optimizer": "sgd", "loss": {"class_name": key, "config": {"name": "twice"}}}
    assert compile_arguments(legacy, {"Doubled": DoubledHere})["loss"].name == "twice"


def test_metrics_that_count_in_integers_return_floating_numbers(tmp_path):
    source = model_of_keras()
    source.compile(
        "sgd", "mse", metrics=[keras.metrics.BinaryIoU(), keras.metrics.IoU(2, [0], name="iou")]
    )
    path, labels = str(tmp_path / "model.keras"), (X[:, :2] > 0).astype("float32")
    source.save(path)
    found = load_archive(path).evaluate(X, labels, verbose=0, return_dict=True)
    wanted = source.evaluate(X, labels, verbose=0, return_dict=True)
    assert 0 < wanted["binary_io_u"] < 1
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_model_with_an_unknown_part_stays_uncompiled(tmp_path):
    path = str(tmp_path / "model.keras")
    unknown = [{"optimizer": Other()}, {"loss": Doubled()}, {"metrics": [distance]}]
    for one, name in zip(unknown, ("Other", "Doubled", "distance"), strict=True):
        source = model_of_keras()
        source.compile(**{"optimizer": "sgd", "loss": "mse"} | one)
        source.save(path)
        with pytest.warns(UserWarning, match=f"not compiled[^^]*{name}"):
            loaded = load_archive(path)
        with pytest.raises(LaminaError, match="not compiled"):
            loaded.evaluate(X, X[:, :2], verbose=0)
    load_archive(path, compile=False)
    custom = {"distance": distance}
    loaded = load_archive(path, custom_objects=custom)
    expected = source.evaluate(X, X[:, :2], verbose=0)
    np.testing.assert_allclose(loaded.evaluate(X, X[:, :2], verbose=0), expected, rtol=1e-5)


def test_an_unknown_name_leaves_no_trace():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    for config, text in (
        ({"optimizer": "adam", "loss": "nonsense"}, "nonsense"),
        ({"optimizer": "nonsense", "loss": "mse"}, "nonsense"),
        ({"loss": "mse"}, "None"),
        ({"optimizer": {"class_name": "SGD", "config": {"momentum": 2.0}}}, "momentum"),
    ):
        with pytest.warns(UserWarning, match=f"not compiled[^^]*{text}"):
            compile_as_saved(model, config, [], "a file")
        with pytest.raises(LaminaError, match="not compiled"):
            model.fit(X, X[:, :2], verbose=0)
    compile_as_saved(model, {}, [], "a file")
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)


@pytest.mark.parametrize("room", ["losses", "metrics"])
def test_all_losses_and_metrics_of_keras_are_read_and_written(model, room):
    theirs, part = vars(getattr(keras, room)), room.replace("losses", "loss")
    kinds = [kind for kind in theirs.values() if inspect.isclass(kind)]
    bases = ("Loss", "Metric", "MeanMetricWrapper")
    objects = [k(**OPTIONS.get(k.__name__, {})) for k in kinds if k.__name__ not in bases]
    helpers = ("deserialize", "get", "serialize")
    objects += [f for n, f in theirs.items() if inspect.isfunction(f) and n not in helpers]
    described = [keras.saving.serialize_keras_object(one) for one in objects]
    given = compile_arguments({"optimizer": "sgd", part: described})
    written = compile_config(model, given, None).config[part]
    for before, after in zip(described, written, strict=True):
        assert (before["class_name"], before["module"]) == (after["class_name"], after["module"])
        again = keras.saving.serialize_keras_object(keras.saving.deserialize_keras_object(after))
        assert again == before


def test_written_arguments_compile_a_model_of_keras(model):
    schedule = optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    given = {
        "optimizer": optimizers.AdamW(schedule, weight_decay=0.01),
        "loss": [losses.Huber(delta=2.0)],
        "metrics": [[metrics.get("acc"), "mae", metrics.AUC]],
        "weighted_metrics": ["mse"],
        "loss_weights": (2,),
        "steps_per_execution": "auto",
    }
    made = compile_config(model, given, None)
    text = json.loads(json.dumps(made.config))
    source = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    source.compile_from_config(text)
    optimizer = source.optimizer
    assert isinstance(optimizer, keras.optimizers.AdamW) and optimizer.weight_decay == 0.01
    assert isinstance(optimizer._learning_rate, keras.optimizers.schedules.ExponentialDecay)
    again = compile_arguments(text)
    assert again["loss"][0].delta == 2.0 and again["metrics"][0][:2] == ["acc", "mae"]
    assert again["loss_weights"] == [2.0] and "steps_per_execution" not in again


def test_what_keras_does_not_have_is_left_out_with_a_warning(model):
    known = {"optimizer": "adam", "loss": "mse"}
    for part, text in (
        ({"optimizer": optax.sgd(0.1)}, "optax transformation"),
        ({"optimizer": "adam", "learning_rate": optax.linear_schedule(1, 0, 9)}, "schedule"),
        ({"optimizer": optimizers.Adam(clipnorm=1.0), "clipvalue": 1.0}, "both have clip"),
        ({"optimizer": optimizers.Adam(use_ema=True), "use_ema": True}, "both have use_ema"),
        ({"loss": "crossentropy"}, "crossentropy"),
        ({"loss": lambda y_true, y_pred: y_pred}, "lambda"),
        ({"metrics": [metrics.Perplexity()]}, "Perplexity"),
    ):
        with pytest.warns(UserWarning, match=text):
            assert compile_config(model, known | part, None) is None


def test_older_files_describe_losses_and_metrics_without_modules():
    training = {
        "optimizer_config": {"class_name": "Custom>Adam", "config": {"jit_compile": True}},
        "loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "fn": "mse"}},
        "metrics": [
            [{"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "hinge"}}]
        ],
    }
    given = compile_arguments(legacy_compile_config(training))
    assert isinstance(given["loss"], losses.MeanSquaredError)
    assert given["metrics"][0].function is losses.hinge and given["metrics"][0].name == "acc"


@pytest.mark.skipif(not REAL.is_dir(), reason="the files of shared/keras_files are not there")
def test_a_model_of_an_older_keras_3_is_compiled():
    model = load_archive(str(REAL / "sleepecg_ws-gru-mesa.keras"))
    assert model.optimizer.learning_rate == pytest.approx(0.001)


class TestLayersThatMuonLeavesOut:
    """Keras finds them by parts of its paths, Lamina by parts of its own."""

    @staticmethod
    def losses(model):
        x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
        y = x.sum(1, keepdims=True)
        return model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]

    def test_there_and_back(self, tmp_path):
        k = keras.layers
        theirs = keras.Sequential(
            [keras.Input((3,)), k.Dense(4), k.Dense(5, name="free"), k.Dense(1)]
        )
        theirs.compile(keras.optimizers.Muon(0.01, exclude_layers=["free"]), "mse")
        self.losses(theirs)
        theirs.save(tmp_path / "m.keras")
        ours = lamina.load(tmp_path / "m.keras")
        ours.save(tmp_path / "again.keras")
        again = keras.models.load_model(tmp_path / "again.keras")
        assert again.optimizer.exclude_layers == ["free/"]
        expected = self.losses(theirs)
        np.testing.assert_allclose(self.losses(ours), expected, rtol=1e-5)
        np.testing.assert_allclose(self.losses(again), expected, rtol=1e-5)

    def test_a_pattern_leaves_the_model_uncompiled(self, tmp_path):
        theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        theirs.compile(keras.optimizers.Muon(0.01, exclude_layers=["(a+)+$"]), "mse")
        theirs.save(tmp_path / "m.keras")
        with pytest.warns(UserWarning, match="holds a pattern"):
            assert not lamina.load(tmp_path / "m.keras").compiled
