"""Whole models in HDF5 files of Keras 1 to 3."""

import contextlib
import json
import os
import warnings
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import FileFormatError
from tests.saving.keras.legacy_files import dense, given, graph, layer, numbers, sequential, write
from tests.saving.watched import nothing_runs

SHARED = Path(__file__).parents[4] / "shared/keras_files"
OF_OTHERS = pytest.mark.skipif(not SHARED.is_dir(), reason="the files of Keras are not there")
X = numbers(5, 3)


def affine(x, arrays):
    return x @ arrays["kernel:0"] + arrays["bias:0"]


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def close(found, wanted):
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.keras", "m"])
def test_a_list_of_layers_with_the_input_in_the_first(tmp_path, name):
    groups = {"d": dense(3, 4), "e": dense(4, 2)}
    first = layer("Dense", "d", units=4, activation="relu", batch_input_shape=[None, 3])
    config = {"class_name": "Sequential", "config": [first, layer("Dense", "e", units=2)]}
    model = lamina.load(write(tmp_path / name, config, groups, "2.0.8"))
    assert model.input_shape == (None, 3)
    close(model(X), affine(np.maximum(affine(X, groups["d"]), 0), groups["e"]))


def test_the_first_lstm_has_the_first_hard_sigmoid(tmp_path):
    group = {
        "kernel:0": numbers(3, 8),
        "recurrent_kernel:0": numbers(2, 8),
        "bias:0": numbers(8),
    }
    config = sequential(layer("LSTM", "l", units=2, batch_input_shape=[None, 4, 3]))
    model = lamina.load(write(tmp_path / "m.h5", config, {"l": group}, "2.1.6"))
    x, h, c = numbers(5, 4, 3), np.zeros((5, 2)), np.zeros((5, 2))
    for step in range(4):
        kernel, recurrent, bias = group.values()
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(g)
        h = hard_sigmoid(o) * np.tanh(c)
    close(model(x), h)
    model.save(str(tmp_path / "m.safetensors"))  # the function has a name of its own
    close(lamina.load(str(tmp_path / "m.safetensors"))(x), h)


def test_a_gru_is_told_by_its_bias(tmp_path):
    for shape, after in (((6,), False), ((2, 6), True)):
        group = {
            "kernel:0": numbers(3, 6),
            "recurrent_kernel:0": numbers(2, 6),
            "bias:0": numbers(*shape),
        }
        config = sequential(layer("GRU", "g", units=2, batch_input_shape=[None, 4, 3]))
        model = lamina.load(write(tmp_path / f"{after}.h5", config, {"g": group}, "2.1.0"))
        assert model.layers[0].reset_after is after


def test_a_layer_of_cudnn_computes_what_the_lstm_does(tmp_path):
    kernel, recurrent, bias = numbers(3, 8), numbers(2, 8), numbers(2, 8)
    ours = layers.LSTM(2)
    x = numbers(5, 4, 3)
    ours.build(lamina.Spec(x.shape, "float32"))
    ours.set_weights([kernel, recurrent, bias.sum(axis=0)])
    group = {
        "kernel:0": np.hstack([k.T.reshape(k.shape) for k in np.hsplit(kernel, 4)]),
        "recurrent_kernel:0": np.hstack([k.T for k in np.hsplit(recurrent, 4)]),
        "bias:0": bias.reshape(-1),
    }
    config = sequential(layer("CuDNNLSTM", "l", units=2, batch_input_shape=[None, 4, 3]))
    model = lamina.load(write(tmp_path / "m.h5", config, {"l": group}, "2.2.4"))
    close(model(x), ours(x))


def test_functions_of_tensorflow(tmp_path):
    def function(name, call, kind="TFOpLambda"):
        return layer(kind, f"tf.{name}", function=name, dtype="float32", calls=[call])

    entries = [
        given("a", 3),
        layer("Dense", "d", units=3, calls=[[["a", 0, 0, {}]]]),
        function("math.multiply", ["d", 0, 0, {"y": 2.0, "name": None}]),
        function("__operators__.add", ["tf.math.multiply", 0, 0, {"y": ["a", 0, 0]}]),
        function(
            "__operators__.getitem",
            ["tf.__operators__.add", 0, 0, {"slice_spec": [
                {"start": None, "stop": None, "step": None},
                {"start": 1, "stop": None, "step": None},
            ]}],
            "SlicingOpLambda",
        ),
    ]  # fmt: skip
    config = graph(entries, ["a", 0, 0], ["tf.__operators__.getitem", 0, 0])
    groups = {"d": dense(3, 3)}
    model = lamina.load(write(tmp_path / "m.h5", config, groups))
    close(model(X), (affine(X, groups["d"]) * 2 + X)[:, 1:])


@pytest.mark.parametrize("name", ["keras.utils.get_file", "io.read_file", "py_function"])
def test_other_functions_of_tensorflow_are_refused(tmp_path, name):
    entries = [given("a", 3), layer("TFOpLambda", "t", function=name, calls=[["a", 0, 0, {}]])]
    file = write(tmp_path / "m.h5", graph(entries, ["a", 0, 0], ["t", 0, 0]), {})
    with nothing_runs(tmp_path), pytest.raises(FileFormatError, match=name):
        lamina.load(file)


def test_inner_models_and_initial_states(tmp_path):
    inner = sequential(layer("Dense", "e", units=3, batch_input_shape=[None, 3]))
    inner["config"]["name"] = "inner"
    inner |= {"name": "inner", "inbound_nodes": [[["a", 0, 0, {}]], [["d", 0, 0, {}]]]}
    entries = [
        given("a", 3),
        inner,
        layer("Dense", "d", units=3, calls=[[["inner", 1, 0, {}]]]),
        given("s", 4, 3),
        layer(
            "SimpleRNN",
            "r",
            units=3,
            activation="linear",
            time_major=False,
            calls=[[["s", 0, 0, {}], ["inner", 2, 0, {}]]],
        ),
    ]
    config = graph(entries, [["a", 0, 0], ["s", 0, 0]], [["r", 0, 0], ["inner", 2, 0]], "Model")
    cell = {"kernel:0": numbers(3, 3), "recurrent_kernel:0": numbers(3, 3), "bias:0": numbers(3)}
    groups = {"inner": dense(3, 3), "d": dense(3, 3), "r": cell}
    model = lamina.load(write(tmp_path / "m.h5", config, groups))
    steps = numbers(5, 4, 3)
    state = second = affine(affine(affine(X, groups["inner"]), groups["d"]), groups["inner"])
    for step in range(4):
        state = affine(steps[:, step], cell) + state @ cell["recurrent_kernel:0"]
    last, inner_output = model([X, steps])
    np.testing.assert_allclose(last, state, rtol=1e-4, atol=1e-3)
    close(inner_output, second)


def test_a_model_of_keras_1(tmp_path):
    first = layer(
        "Convolution2D",
        "c",
        nb_filter=2,
        nb_row=2,
        nb_col=2,
        border_mode="valid",
        dim_ordering="th",
        init="glorot_uniform",
        activation="linear",
        bias=True,
        batch_input_shape=[None, 1, 4, 4],
    )
    config = {"class_name": "Sequential", "config": [first, layer("Flatten", "f")]}
    kernel, bias = numbers(2, 1, 2, 2), numbers(2)
    file = write(tmp_path / "m.h5", config, {"c": {"c_W": kernel, "c_b": bias}, "f": {}}, None)
    x = numbers(3, 1, 4, 4)
    wanted = np.stack(
        [
            [[(x[n, 0, i : i + 2, j : j + 2] * kernel[k, 0]).sum() + bias[k] for j in range(3)]
             for i in range(3)]
            for n in range(3) for k in range(2)
        ]
    )  # fmt: skip
    close(lamina.load(file)(x), wanted.reshape(3, -1))


def test_a_layer_may_have_the_name_of_a_method(tmp_path):
    entries = [given("a", 3), layer("Dense", "predict", units=2, calls=[[["a", 0, 0, {}]]])]
    config = graph(entries, [["a", 0, 0]], [["predict", 0, 0]])
    groups = {"predict": dense(3, 2)}
    model = lamina.load(write(tmp_path / "m.h5", config, groups))
    close(model.predict(X, verbose=0), affine(X, groups["predict"]))
    assert model.get_layer("predict").units == 2


CODE = ["4wEAAAABAAAA", None, None]


def test_a_lambda_takes_the_function_of_the_caller(tmp_path):
    config = sequential(given("a", 3), layer("Lambda", "twice", function=CODE, module="m"))
    file = write(tmp_path / "m.h5", config, {})
    with nothing_runs(tmp_path), pytest.raises(FileFormatError, match=r"the Lambda 'twice'"):
        lamina.load(file)
    close(lamina.load(file, custom_objects={"twice": lambda x: 2 * x})(X), 2 * X)


def test_weights_of_bfloat16(tmp_path):
    kernel = np.asarray(jax.numpy.asarray(numbers(3, 2), "bfloat16"))
    file = write(
        tmp_path / "m.h5",
        sequential(given("a", 3), layer("Dense", "d", units=2, use_bias=False)),
        {"d": {"kernel:0": kernel.view("V2")}},
    )
    close(lamina.load(file).layers[0].kernel, kernel.astype("float32"))


def test_the_loss_and_the_optimizer(tmp_path):
    config = sequential(given("a", 3), layer("Dense", "d", units=2))
    file = write(tmp_path / "m.h5", config, {"d": dense(3, 2)})
    with h5py.File(file, "a") as opened:
        opened.attrs["training_config"] = (
            '{"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.0}},'
            ' "loss": "mse", "metrics": ["mae"]}'
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lamina.load(file)
    assert model.optimizer.learning_rate == pytest.approx(0.5)
    assert not lamina.load(file, compile=False).compiled


class TestOfKeras3:
    """Files that Keras 3 writes, of models that it cannot all read itself."""

    @staticmethod
    def model():
        keras = pytest.importorskip("keras")
        k, ops = keras.layers, keras.ops
        x = keras.Input((3,), name="a")
        y = keras.Input((3,))
        inner = keras.Model(y, k.BatchNormalization()(k.Dense(3, name="d")(y)), name="inner")
        inner.layers[1].trainable = False
        first = inner(x)
        second = inner(k.Dense(3)(first * 2.0))
        third = ops.mean(second, axis=1, keepdims=True) + x[:, :1]
        return keras.Model(x, [third, second])

    def test_operations_and_inner_models(self, tmp_path):
        theirs = self.model()
        theirs.set_weights([abs(numbers(*one.shape)) for one in theirs.get_weights()])
        theirs.save(str(tmp_path / "m.h5"))
        theirs.save(str(tmp_path / "m.keras"))
        wanted = theirs(X)
        for name in ("m.h5", "m.keras"):
            model = lamina.load(str(tmp_path / name))
            for one, other in zip(model(X), wanted, strict=True):
                close(one, other)
        assert [one.trainable for one in model.get_layer("inner").layers] == [True, False, True]

    def test_calls_of_inner_models_in_outputs_go_there_and_back(self, tmp_path):
        keras = pytest.importorskip("keras")
        start, x = lamina.Input((3,)), lamina.Input((3,))
        inner = lamina.Model(start, layers.Dense(3)(start), name="inner")
        model = lamina.Model(x, inner(layers.Dense(3)(inner(x))))
        file = str(tmp_path / "m.keras")
        model.save(file)
        close(keras.models.load_model(file)(X), model(X))
        close(lamina.load(file)(X), model(X))

    @pytest.mark.parametrize("alpha", [None, 3])
    def test_low_rank_changes_are_added_to_the_kernels(self, tmp_path, alpha):
        keras = pytest.importorskip("keras")
        k = keras.layers
        convolution, dense = k.Conv1D(4, 2), k.Dense(3)
        model = keras.Sequential([keras.Input((5, 3)), convolution, dense, k.Dense(2)])
        for one in (convolution, dense):
            one.enable_lora(2, lora_alpha=alpha)
            one.lora_kernel_b.assign(numbers(*one.lora_kernel_b.shape))
        model.save(tmp_path / "m.h5")
        x = numbers(2, 5, 3)
        close(lamina.load(tmp_path / "m.h5")(x), np.asarray(model(x)))

    def test_custom_layers(self, tmp_path):
        keras = pytest.importorskip("keras")

        @keras.saving.register_keras_serializable("pkg")
        class Scale(keras.layers.Layer):
            def build(self, shape):
                self.factor = self.add_weight(shape=(shape[-1],), name="factor")

            def call(self, x):
                return x * self.factor

        class Ours(lamina.Layer):
            def build(self, shape):
                self.factor = self.add_weight(shape=(shape[-1],), name="factor")

            def call(self, x):
                return x * self.factor

        theirs = keras.Sequential([keras.Input((3,)), Scale()])
        theirs.save(str(tmp_path / "m.h5"))
        with pytest.raises(FileFormatError, match="Scale"):
            lamina.load(str(tmp_path / "m.h5"))
        model = lamina.load(str(tmp_path / "m.h5"), custom_objects={"pkg>Scale": Ours})
        close(model(X), theirs(X))


def references():
    real = {"ethnicolr_census2010.h5": "keras2", "fer_emotion.hdf5": "keras2"}
    made = "attention frozen func_list_io func_multi opt_adam rnn_zoo seq_conv seq_mlp"
    found = [(f"real/{name}", f"ref/{name.partition('.')[0]}.{v}.npz") for name, v in real.items()]
    return found + [(f"made/{name}.h5", f"made/{name}.ref.npz") for name in made.split()]


@OF_OTHERS
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("file", "reference"), references())
def test_files_of_others(file, reference):
    model = lamina.load(str(SHARED / file))
    with np.load(SHARED / reference) as stored:
        inputs = {name[3:]: stored[name] for name in stored if name.startswith("in:")}
        outputs = {name[4:]: stored[name] for name in stored if name.startswith("out:")}
    in_order = list(inputs.values())
    given = in_order[0] if len(inputs) == 1 else inputs if "a" in inputs else in_order
    found = lamina.jit(model)(given)
    if not isinstance(found, dict):
        found = dict(zip(outputs, jax.tree.leaves(found), strict=True))
    for name, wanted in outputs.items():
        error = np.abs(np.asarray(found[name]) - wanted).max()
        assert error <= 1e-5 * np.abs(wanted).max()


@OF_OTHERS
@pytest.mark.parametrize(
    "name",
    ["legacy_external_link_model_weights", "legacy_lambda_bytecode", "legacy_no_model_config"],
)
def test_hostile_files_are_refused(tmp_path, name):
    for watched in (contextlib.nullcontext(), nothing_runs(tmp_path)):  # the first one imports
        with watched, pytest.raises(FileFormatError):
            lamina.load(str(SHARED / f"hostile/{name}.h5"))


def test_an_architecture_of_keras_2_is_a_model_with_new_values():
    text = json.dumps(
        {
            "class_name": "Sequential",
            "config": [
                {
                    "class_name": "Dense",
                    "config": {"units": 3, "batch_input_shape": [None, 4], "activation": "relu"},
                },
                {"class_name": "LeakyReLU", "config": {"alpha": 0.1}},
            ],
            "keras_version": "2.1.6",
            "backend": "tensorflow",
        }
    )
    model = lamina.models.model_from_json(text)
    assert [weight.shape for weight in model.weights] == [(4, 3), (3,)]
    assert np.any(model.get_weights()[0] != 0)


def test_a_version_that_cannot_be_read_is_refused(tmp_path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["keras_version"] = "x.y"
    with pytest.raises(FileFormatError, match="version of Keras that cannot be read"):
        lamina.load(tmp_path / "m.h5")


def test_a_path_of_bytes_is_one(tmp_path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    ours = lamina.load(os.fsencode(tmp_path / "m.keras"))
    ours.save(os.fsencode(tmp_path / "n.keras"))
    ours.load_weights(os.fsencode(tmp_path / "n.keras"))
