"""Configs of all versions of Keras, as configs of Keras 3: one test for each difference."""

import json
from pathlib import Path

import pytest

from lamina import layers
from lamina.errors import FileFormatError
from lamina.saving import deserialize
from lamina.saving.keras.configs import canonical
from lamina.saving.keras.dialects import modern, version_of
from tests.saving.keras.legacy_files import given, graph, layer, sequential

SHARED = Path(__file__).parents[4] / "shared/keras_files"


def entry(kind, version=(2, 4), shapes=None, custom=(), **options):
    """The layer after the input in a converted Sequential."""
    config = sequential(layer(kind, "one", batch_input_shape=[None, 4, 3], **options))
    return modern(config, version, "f.h5", shapes=shapes, custom=custom)["config"]["layers"][1]


def options(kind, version=(2, 4), **given):
    return entry(kind, version, **given)["config"]


def calls(config, name, version=(2, 4)):
    found = modern(config, version, "f.h5")["config"]["layers"]
    return next(one["inbound_nodes"] for one in found if one["config"]["name"] == name)


def histories(value):
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [value["config"]["keras_history"]]
        value = list(value.values())
    return [one for item in value for one in histories(item)] if isinstance(value, list) else []


def test_versions():
    assert version_of("2.2.4-tf") == (2, 2)
    assert version_of(None) == (1, 0)
    assert version_of("3.15.1") == (3, 15)


def test_a_sequential_may_be_a_list():
    config = {"class_name": "Sequential", "config": [layer("Dense", "d", units=2)]}
    found = modern(config, (2, 2), "f.h5")
    assert [one["class_name"] for one in found["config"]["layers"]] == ["Dense"]


@pytest.mark.parametrize(
    "first",
    [
        layer("Dense", "d", units=2, batch_input_shape=[None, 3]),
        sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3])),
        {"class_name": "Sequential", "config": [layer("Dense", "d", batch_input_shape=[None, 3])]},
        graph(
            [given("b", 5), given("a", 3), layer("Dense", "d", calls=[[["a", 0, 0, {}]]])],
            [["a", 0, 0]],
            [["d", 0, 0]],
        ),
    ],
)
def test_the_first_layer_has_the_input_with_the_batch(first):
    found = modern(sequential(first, layer("Dense", "e", units=2)), (2, 1), "f.h5")
    start = found["config"]["layers"][0]
    assert start["class_name"] == "InputLayer"
    assert start["config"]["batch_shape"] == [None, 3]
    assert "batch_input_shape" not in found["config"]["layers"][1]["config"]


def test_an_input_layer_loses_what_is_not_so():
    found = modern(sequential(given("a", 3, ragged=False)), (2, 4), "f.h5")["config"]["layers"][0]
    assert found["config"]["batch_shape"] == [None, 3]


@pytest.mark.parametrize("name", ["sparse", "ragged"])
def test_a_sparse_or_ragged_input_is_refused(name):
    with pytest.raises(FileFormatError, match=f"'a'.*\n.*\n.*{name}=True"):
        modern(sequential(given("a", 3, **{name: True})), (2, 4), "f.h5")


def test_the_first_models_are_graphs():
    for kind in ("Model", "Functional", "MySubclass"):
        assert (
            modern(graph([given("a", 3)], [], [], kind), (2, 0), "f")["class_name"] == "Functional"
        )


class TestCalls:
    def test_of_one_and_of_several_tensors(self):
        config = graph(
            [
                given("a", 3),
                given("b", 3),
                layer("Dense", "d", calls=[[["a", 0, 0, {}]], [["b", 0, 0]]]),
                layer("Add", "add", calls=[[["d", 0, 0, {}], ["d", 1, 0, {}]]]),
            ],
            [["a", 0, 0], ["b", 0, 0]],
            [["add", 0, 0]],
        )
        first, second = calls(config, "d")
        assert len(first["args"]) == 1 and histories(first) == [["a", 0, 0]]
        assert histories(second) == [["b", 0, 0]]
        (node,) = calls(config, "add")
        assert isinstance(node["args"][0], list)
        assert histories(node) == [["d", 0, 0], ["d", 1, 0]]

    def test_of_an_operation_are_not_nested(self):
        config = graph(
            [
                given("a", 3),
                layer("Dense", "d", calls=[[["a", 0, 0, {}]]]),
                layer(
                    "TFOpLambda",
                    "tf.math.multiply",
                    function="math.multiply",
                    calls=[["d", 0, 0, {"y": ["a", 0, 0], "name": None}]],
                ),
                layer(
                    "SlicingOpLambda",
                    "tf.__operators__.getitem",
                    function="__operators__.getitem",
                    calls=[["a", 0, 0, {"slice_spec": [{"start": 1, "stop": None, "step": None}]}]],
                ),
            ],
            ["a", 0, 0],
            ["tf.math.multiply", 0, 0],
        )
        (node,) = calls(config, "tf.math.multiply")
        assert histories(node["args"]) == [["d", 0, 0]] and len(node["args"]) == 1
        assert histories(node["kwargs"]["y"]) == [["a", 0, 0]] and "name" not in node["kwargs"]
        (node,) = calls(config, "tf.__operators__.getitem")
        assert node["kwargs"]["slice_spec"][0]["class_name"] == "__slice__"

    def test_with_tensors_by_name(self):
        config = graph(
            [
                given("a", 4, 3),
                layer(
                    "MultiHeadAttention",
                    "m",
                    num_heads=1,
                    key_dim=2,
                    query_shape=[None, 4, 3],
                    calls=[[["a", 0, 0, {"value": ["a", 0, 0], "key": None}]]],
                ),
            ],
            [["a", 0, 0]],
            [["m", 0, 0]],
        )
        (node,) = calls(config, "m")
        assert node["kwargs"].keys() == {"value"} and histories(node["kwargs"]) == [["a", 0, 0]]

    def test_with_initial_states(self):
        config = graph(
            [
                given("a", 4, 3),
                given("h", 2),
                given("c", 2),
                layer("LSTM", "l", units=2, calls=[[["a", 0, 0, {}], ["h", 0, 0], ["c", 0, 0]]]),
            ],
            [["a", 0, 0], ["h", 0, 0], ["c", 0, 0]],
            [["l", 0, 0]],
        )
        (node,) = calls(config, "l")
        assert histories(node["args"]) == [["a", 0, 0]]
        assert histories(node["kwargs"]["initial_state"]) == [["h", 0, 0], ["c", 0, 0]]

    def test_with_a_constant_as_input(self):
        entries = [
            given("a", 3),
            layer(
                "TFOpLambda",
                "t",
                function="math.subtract",
                calls=[["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0]}]],
            ),
        ]
        (node,) = calls(graph(entries, ["a", 0, 0], ["t", 0, 0]), "t")
        assert node["args"] == [1.0]

    @pytest.mark.parametrize("inner", ["Functional", "Sequential"])
    def test_of_inner_models_count_from_one_in_keras_2(self, inner):
        found = modern(nested(inner, 1), (2, 4), "f.h5")["config"]
        assert histories(found["layers"][2]["inbound_nodes"]) == [["inner", 0, 0]]
        assert found["output_layers"] == [["inner", 1, 0]]

    def test_of_inner_models_may_count_from_zero(self):
        found = modern(nested("Sequential", 0), (2, 4), "f.h5")["config"]
        assert histories(found["layers"][2]["inbound_nodes"]) == [["inner", 0, 0]]
        assert found["output_layers"] == [["inner", 1, 0]]

    def test_of_inner_models_count_from_one_in_the_outputs_in_keras_3(self):
        config = nested("Functional", 0)
        config["config"]["output_layers"] = [["inner", 2, 0]]
        found = modern(config, (3, 5), "f.h5")["config"]
        assert histories(found["layers"][2]["inbound_nodes"]) == [["inner", 0, 0]]
        assert found["output_layers"] == [["inner", 1, 0]]

    def test_that_are_damaged_are_refused(self):
        config = graph([given("a", 3), layer("Dense", "d", calls=[[["b", 0]]])], [], [])
        with pytest.raises(FileFormatError, match="a call of the layer 'd'"):
            modern(config, (2, 4), "f.h5")


def nested(kind, start):
    """A graph that calls an inner model twice, the first call with the number `start`."""
    if kind == "Sequential":
        inner = sequential(layer("Dense", "d", units=3, batch_input_shape=[None, 3]))
    else:
        entries = [given("x", 3), layer("Dense", "d", units=3, calls=[[["x", 0, 0, {}]]])]
        inner = graph(entries, [["x", 0, 0]], [["d", 0, 0]])
    inner["config"]["name"] = "inner"
    inner |= {"name": "inner", "inbound_nodes": [[["a", 0, 0, {}]], [["e", 0, 0, {}]]]}
    return graph(
        [given("a", 3), inner, layer("Dense", "e", calls=[[["inner", start, 0, {}]]])],
        [["a", 0, 0]],
        [["inner", start + 1, 0]],
    )


class TestRecurrent:
    def test_time_major_is_dropped_or_refused(self):
        assert "time_major" not in options("LSTM", units=2, time_major=False)
        with pytest.raises(FileFormatError, match=r"'one', a LSTM.*\n.*\n.*time_major=True"):
            options("LSTM", units=2, time_major=True)

    @pytest.mark.parametrize(
        ("shapes", "expected"),
        [
            ([(3, 6), (2, 6), (6,)], False),  # the second is the recurrent kernel
            ([(3, 6), (2, 6), (2, 6)], True),
            ([(3, 6), (2, 6), (12,)], True),
            ([], False),
        ],
    )
    def test_a_gru_without_reset_after_is_told_by_its_bias(self, shapes, expected):
        found = options("GRU", (2, 1), units=2, shapes=lambda name: shapes if name == "one" else [])
        assert found["reset_after"] is expected

    def test_the_first_hard_sigmoid_is_a_function_of_its_own(self):
        old = "hard_sigmoid_keras2"
        assert options("LSTM", recurrent_activation="hard_sigmoid")["recurrent_activation"] == old
        assert options("Activation", activation="hard_sigmoid")["activation"] == old
        inner = layer("GRU", "g", units=2, recurrent_activation="hard_sigmoid")
        found = options("Bidirectional", layer=inner)["layer"]["config"]
        assert found["recurrent_activation"] == old
        new = options("Activation", (3, 1), activation="hard_sigmoid")
        assert new["activation"] == "hard_sigmoid"

    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "ConvLSTM2D", "LSTMCell"])
    def test_the_first_default_is_hard_sigmoid(self, kind):
        assert options(kind, (2, 2), units=2)["recurrent_activation"] == "hard_sigmoid_keras2"
        assert "recurrent_activation" not in options(kind, (2, 3), units=2)

    def test_cells_are_converted(self):
        cell = layer("LSTMCell", "c", units=2, recurrent_activation="hard_sigmoid")
        stack = layer("StackedRNNCells", "s", cells=[cell], reverse_state_order=False)
        found = options("RNN", cell=stack)["cell"]["config"]
        assert "reverse_state_order" not in found
        inner = found["cells"][0]["config"]
        assert inner["recurrent_activation"] == "hard_sigmoid_keras2"

    def test_layers_of_cudnn_are_layers(self):
        found = entry("CuDNNGRU", (2, 2), units=2)
        assert found["class_name"] == "GRU" and found["config"]["reset_after"] is True
        assert found["config"]["recurrent_activation"] == "sigmoid"
        found = entry("CuDNNLSTM", (2, 2), units=2)
        assert found["class_name"] == "LSTM"
        assert found["config"]["recurrent_activation"] == "sigmoid"


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("Embedding", {"input_dim": 9, "output_dim": 2, "input_length": 4}, {"input_dim": 9}),
        ("BatchNormalization", {"axis": [3]}, {"axis": 3}),
        ("BatchNormalization", {"axis": -1, "fused": True, "mode": 0}, {"axis": -1}),
        ("LeakyReLU", {"alpha": 0.2}, {"negative_slope": 0.2}),
        ("LeakyReLU", {"alpha": {"type": "ndarray", "value": 0.3}}, {"negative_slope": 0.3}),
        ("ELU", {"alpha": 0.5}, {"alpha": 0.5}),
        ("SeparableConv2D", {"groups": 1, "kernel_initializer": "zeros", "filters": 2}, {}),
        ("UpSampling2D", {"size": [2, 2]}, {"size": [2, 2]}),
        (
            "Dense",
            {"dtype": {"class_name": "Policy", "config": {"name": "float16"}}},
            {"dtype": "float16"},
        ),
        ("Dense", {"dtype": {"class_name": "Policy", "config": {"name": "infer"}}}, {}),
        ("Dense", {"dtype": "mixed_float16"}, {"dtype": "mixed_float16"}),
        ("Embedding", {"dtype": "int32", "input_dim": 9}, {"input_dim": 9}),
        (
            "Reshape",
            {"target_shape": {"class_name": "__tuple__", "items": [2, 6]}},
            {"target_shape": [2, 6]},
        ),
        (
            "Reshape",
            {"target_shape": {"class_name": "TensorShape", "items": [2, 6]}},
            {"target_shape": [2, 6]},
        ),
        ("Dense", {"kernel_initializer": "one"}, {"kernel_initializer": "ones"}),
        ("Dense", {"kernel_initializer": {"class_name": "Ours", "config": {}}}, {}),
        (
            "Dense",
            {
                "kernel_initializer": {
                    "class_name": "VarianceScaling",
                    "config": {"distribution": "normal", "dtype": "float32"},
                }
            },
            {
                "kernel_initializer": {
                    "module": "keras.initializers",
                    "class_name": "VarianceScaling",
                    "config": {"distribution": "truncated_normal"},
                }
            },
        ),
        ("Dense", {"activation": "softmax_v2"}, {"activation": "softmax"}),
        ("Attention", {"causal": False}, {}),
    ],
)
def test_options_of_keras_2(kind, old, new):
    found = options(kind, **old)
    assert {name: found.get(name) for name in new} == new
    gone = old.keys() - new.keys() - {"filters", "output_dim"}
    assert gone.isdisjoint(found)


def test_classes_of_keras_2():
    assert entry("ThresholdedReLU", theta=0.5)["class_name"] == "ReLU"
    assert options("ThresholdedReLU", theta=0.5)["threshold"] == 0.5
    assert options("SyncBatchNormalization")["synchronized"] is True
    inner = layer("BatchNormalization", "b", axis=[1])
    assert options("TimeDistributed", layer=inner)["layer"]["config"]["axis"] == 1


def test_a_causal_attention_says_so_in_its_calls():
    config = graph(
        [
            given("a", 4, 3),
            layer("Attention", "t", causal=True, calls=[[["a", 0, 0, {}], ["a", 0, 0, {}]]]),
        ],
        [["a", 0, 0]],
        [["t", 0, 0]],
    )
    assert calls(config, "t")[0]["kwargs"] == {"use_causal_mask": True}


@pytest.mark.parametrize(
    ("kind", "old", "new_kind", "new"),
    [
        (
            "Dense",
            {
                "output_dim": 2,
                "init": "uniform",
                "input_dim": 3,
                "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.1},
            },
            "Dense",
            {
                "units": 2,
                "kernel_initializer": "random_uniform",
                "kernel_regularizer": {
                    "module": "keras.regularizers",
                    "class_name": "L1L2",
                    "config": {"l1": 0.0, "l2": 0.1},
                },
            },
        ),
        (
            "Dense",
            {
                "output_dim": 2,
                "bias": False,
                "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
            },
            "Dense",
            {
                "use_bias": False,
                "kernel_constraint": {
                    "module": "keras.constraints",
                    "class_name": "MaxNorm",
                    "config": {"max_value": 2, "axis": 0},
                },
            },
        ),
        (
            "Convolution2D",
            {
                "nb_filter": 2,
                "nb_row": 3,
                "nb_col": 4,
                "border_mode": "same",
                "dim_ordering": "th",
                "subsample": [2, 2],
            },
            "Conv2D",
            {
                "filters": 2,
                "kernel_size": [3, 4],
                "padding": "same",
                "data_format": "channels_first",
                "strides": [2, 2],
            },
        ),
        (
            "Convolution1D",
            {"nb_filter": 2, "filter_length": 3, "subsample_length": 1},
            "Conv1D",
            {"filters": 2, "kernel_size": 3, "strides": 1},
        ),
        (
            "AtrousConvolution2D",
            {"nb_filter": 2, "nb_row": 3, "nb_col": 3, "atrous_rate": [2, 2]},
            "Conv2D",
            {"dilation_rate": [2, 2]},
        ),
        (
            "Deconvolution2D",
            {"nb_filter": 2, "nb_row": 3, "nb_col": 3, "output_shape": [None, 8, 8, 2]},
            "Conv2DTranspose",
            {"filters": 2, "kernel_size": [3, 3]},
        ),
        (
            "LSTM",
            {
                "output_dim": 2,
                "inner_init": "orthogonal",
                "inner_activation": "hard_sigmoid",
                "dropout_W": 0.1,
                "dropout_U": 0.2,
                "forget_bias_init": "one",
                "consume_less": "gpu",
            },
            "LSTM",
            {
                "units": 2,
                "recurrent_activation": "hard_sigmoid_keras2",
                "dropout": 0.1,
                "recurrent_dropout": 0.2,
            },
        ),
        (
            "MaxPooling2D",
            {"pool_size": [2, 2], "border_mode": "valid", "dim_ordering": "tf"},
            "MaxPooling2D",
            {"padding": "valid", "data_format": "channels_last"},
        ),
        (
            "MaxPooling1D",
            {"pool_length": 2, "stride": 1},
            "MaxPooling1D",
            {"pool_size": 2, "strides": 1},
        ),
        ("Dropout", {"p": 0.25}, "Dropout", {"rate": 0.25}),
        ("GaussianNoise", {"sigma": 0.25}, "GaussianNoise", {"stddev": 0.25}),
        (
            "Embedding",
            {"input_dim": 9, "output_dim": 2, "init": "uniform", "dropout": 0.1},
            "Embedding",
            {"input_dim": 9, "output_dim": 2, "embeddings_initializer": "random_uniform"},
        ),
        ("Merge", {"mode": "concat", "concat_axis": 1, "dot_axes": -1}, "Concatenate", {"axis": 1}),
        ("Merge", {"mode": "sum", "concat_axis": -1}, "Add", {}),
        ("Merge", {"mode": "dot", "dot_axes": [[1], [2]]}, "Dot", {"axes": [1, 2]}),
        ("UpSampling1D", {"length": 3}, "UpSampling1D", {"size": 3}),
    ],
)
def test_names_of_keras_1(kind, old, new_kind, new):
    found = entry(kind, (1, 2), **old)
    assert found["class_name"] == new_kind
    assert {name: found["config"].get(name) for name in new} == new
    made = deserialize(canonical(found))  # which accepts every option
    assert isinstance(made, getattr(layers, new_kind))


@pytest.mark.parametrize(
    ("kind", "old"),
    [
        ("Merge", {"mode": "cos"}),
        ("BatchNormalization", {"mode": 1}),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(kind, old):
    with pytest.raises(FileFormatError, match="'one'"):
        entry(kind, (1, 2), **old)


CODE = ["4wEAAAAB", None, None]


class TestLambda:
    @pytest.mark.parametrize(
        "function",
        [CODE, {"class_name": "__lambda__", "config": {"code": "4wE="}}, None, 3, "4w\n" * 99],
    )
    @pytest.mark.parametrize("version", [(1, 0), (2, 4), (3, 5)])
    def test_code_is_left_out(self, function, version):
        found = options("Lambda", version, function=function, function_type="lambda", module="m")
        assert found["function"] == {"class_name": "__lambda__", "config": {}}
        assert found.keys().isdisjoint({"function_type", "module"})

    def test_a_function_by_name(self):
        found = options("Lambda", function="softplus", function_type="function")["function"]
        assert found["class_name"] == "function" and found["config"] == "softplus"


def test_custom_classes_stay_as_they_are():
    found = entry("Ours", custom=("Ours",), alpha=3, axis=[1])
    assert found["class_name"] == "Ours" and found["config"]["axis"] == [1]
    found = entry("pkg>Ours", custom=("pkg>Ours",), alpha=3)
    assert found["class_name"] == "Ours" and found["registered_name"] == "pkg>Ours"


def test_operations_of_keras_3_have_no_module_in_hdf5():
    config = graph(
        [
            given("a", 3),
            {
                "class_name": "Mean",
                "config": {"name": "mean", "axis": 1},
                "name": "mean",
                "inbound_nodes": [],
            },
            {"class_name": "Add", "config": {"name": "op"}, "name": "op", "inbound_nodes": []},
            layer("Add", "layer", calls=[]),
        ],
        [],
        [],
    )
    found = modern(config, (3, 15), "f.h5")["config"]["layers"]
    assert [one.get("module") for one in found[1:]] == ["keras.ops", "keras.ops", "keras.layers"]


def test_architectures_in_json():
    path = SHARED / "made/func_multi.json"
    if not path.is_file():
        pytest.skip("the files of Keras are not there")
    config = json.loads(path.read_text())
    assert modern(config, (3, 15), str(path))["class_name"] == "Functional"


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": {"layers": [3]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}},
        {
            "class_name": "Model",
            "config": {"layers": [{}], "input_layers": [], "output_layers": []},
        },
        {"class_name": "Model", "config": {"layers": 3, "input_layers": [], "output_layers": []}},
    ],
)
def test_damage_is_refused(config):
    with pytest.raises(FileFormatError, match="not valid"):
        modern(config, (2, 4), "f.h5")
