"""The files that Keras itself and others have made, and what lies beside weights."""

import json
import zipfile

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Model, Sequential, layers
from lamina.errors import InputError
from lamina.training.callbacks import ModelCheckpoint

keras = pytest.importorskip("keras")

MADE = [
    "attention",
    "directory_model",
    "float16_mixed",
    "frozen",
    "func_list_io",
    "func_multi",
    "lambda_named",
    "opt_adam",
    "opt_adam_accum",
    "opt_adamw_schedule_ema",
    "opt_sgd_momentum",
    "rnn_zoo",
    "seq_conv",
    "seq_mlp",
]
REAL = {
    "sleepecg_ws-gru-mesa.keras": "sleepecg_ws-gru-mesa.keras3",
    "fer_emotion.hdf5": "fer_emotion.keras2",
    "ethnicolr_census2010.h5": "ethnicolr_census2010.keras2",
}


def agrees(model, path, tolerance=1e-5):
    """The outputs of a model are those of a reference, relative to the largest."""
    reference = np.load(path)
    inputs = {name[3:]: reference[name] for name in reference.files if name.startswith("in:")}
    wanted = {name[4:]: reference[name] for name in reference.files if name.startswith("out:")}
    given = inputs if "0" not in inputs else list(inputs.values())
    found = lamina.jit(model)(given if len(inputs) > 1 else inputs["0"])
    if not isinstance(found, dict):
        found = dict(zip(wanted, jax.tree.leaves(found), strict=True))
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        error = np.max(np.abs(np.asarray(found[name], "float32") - array))
        assert error <= tolerance * max(np.max(np.abs(array)), 1e-9), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MADE)
def test_files_that_keras_made(name, files):
    path = files / "made" / name
    agrees(lamina.load(path if path.is_dir() else f"{path}.keras"), f"{path}.ref.npz")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REAL)
def test_files_that_others_made(name, files):
    agrees(lamina.load(files / "real" / name), files / "ref" / f"{REAL[name]}.npz")


def test_integers_of_quantized_layers_stay_integers(files):
    path = files / "made/quant_int8"
    agrees(lamina.load(f"{path}.keras"), f"{path}.ref.npz")


class Scale(Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape):
        self.alpha = self.add_weight((input_shape[-1],), "ones")
        self.offset = self.add_weight((input_shape[-1],), "zeros", trainable=False)

    def call(self, inputs):
        return inputs * self.alpha * self.factor + self.offset


def squareplus(x):
    return 0.5 * (x + jnp.sqrt(x * x + 4))


def test_registered_classes_and_functions_are_given(files):
    path = files / "made/custom_registered"
    for given in (
        {"Scale": Scale, "squareplus": squareplus},
        {"corpus>Scale": Scale, "corpus>squareplus": squareplus},
    ):
        agrees(lamina.load(f"{path}.keras", custom_objects=given), f"{path}.ref.npz")


def test_a_vocabulary_beside_the_weights_is_read(tmp_path):
    """As Keras writes it, for which it needs TensorFlow."""
    lookups = [layers.TextVectorization(), layers.IntegerLookup()]
    config = lamina.serialize(Sequential(lookups))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("layers/text_vectorization/vars")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
        archive.writestr("assets/layers/text_vectorization/vocabulary.txt", "\n[UNK]\nb\na\n\n")
        archive.writestr("assets/layers/integer_lookup/vocabulary.txt", "-1\n7\n5\n")
    loaded = lamina.load(tmp_path / "m.keras")
    assert loaded.layers[0].get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert loaded.layers[1].get_vocabulary() == [-1, 7, 5]


def test_a_checkpoint_that_keras_cannot_hold_is_refused_before_training(tmp_path):
    model = Sequential([lamina.Input((4,)), layers.Stack(lambda: layers.Dense(4), 2)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    x = np.ones((4, 4), "float32")
    with pytest.raises(Exception, match="the layer Stack"):
        model.fit(x, x, verbose=0, callbacks=[ModelCheckpoint(str(tmp_path / "m.keras"))])
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    with pytest.raises(InputError, match=r"m\.keras"):
        ModelCheckpoint(str(tmp_path / "m.h5"))
    with pytest.raises(InputError, match=r"m\.weights\.h5"):
        ModelCheckpoint(str(tmp_path / "m.h5"), save_weights_only=True)


def test_a_checkpoint_of_keras_is_one_of_keras(tmp_path):
    x = lamina.Input((4,))
    model = Model(x, layers.Dense(2)(x))
    model.compile("adam", "mse")
    data = np.ones((4, 4), "float32"), np.ones((4, 2), "float32")
    path = str(tmp_path / "m.keras")
    model.fit(*data, verbose=0, callbacks=[ModelCheckpoint(path)])
    theirs = keras.models.load_model(path)
    ours = lamina.load(path)
    wanted = theirs.train_on_batch(*data)
    np.testing.assert_allclose(ours.train_on_batch(*data), wanted, rtol=1e-5)
    np.testing.assert_allclose(
        ours.evaluate(*data, verbose=0), theirs.evaluate(*data, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("form", [list, dict])
def test_a_class_with_several_inputs_is_built_for_all_of_them(form, tmp_path):
    def kind(base, k):
        class Sum(base):
            def __init__(self, **options):
                super().__init__(**options)
                self.left, self.right = k.Dense(3), k.Dense(3)

            def call(self, inputs):
                left, right = inputs.values() if form is dict else inputs
                return self.left(left) + self.right(right)

        return Sum

    random = np.random.default_rng(0)
    parts = [random.normal(size=(2, size)).astype("float32") for size in (4, 5)]
    inputs = {"p": parts[0], "q": parts[1]} if form is dict else parts
    theirs = kind(keras.Model, keras.layers)()
    wanted = theirs(inputs)
    theirs.save(tmp_path / "m.keras")
    ours = lamina.load(tmp_path / "m.keras", custom_objects={"Sum": kind(Model, layers)})
    np.testing.assert_allclose(ours(inputs), wanted, rtol=1e-5, atol=1e-6)


def test_a_placement_that_is_none_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="not a placement"):
        lamina.load(tmp_path / "m.keras", placement="data")
