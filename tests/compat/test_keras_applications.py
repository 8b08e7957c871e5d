"""`keras.applications` against Keras: graphs, weights, outputs, and the errors of wrong options."""

import doctest
import importlib
import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.applications.nasnet import NASNet as KerasNASNet  # no public name

import lamina
from lamina.compat.keras import applications
from lamina.compat.keras.applications import imagenet_utils, mobilenet_v2, nasnet
from lamina.errors import FileFormatError, InputError

_SIZE = (32, 32, 3)
_SMALL = {"input_shape": _SIZE, "alpha": 0.25, "classes": 7}
_OPTIONS = """
    filters kernel_size strides padding use_bias activation epsilon momentum scale units rate
    noise_shape target_shape pool_size depth_multiplier groups max_value offset cropping keepdims
    mean variance
"""
_MODULES = """
    convnext densenet efficientnet efficientnet_v2 imagenet_utils inception_resnet_v2 inception_v3
    mobilenet mobilenet_v2 mobilenet_v3 nasnet resnet resnet50 resnet_v2 vgg16 vgg19 xception
"""


def _plain(value):
    """A value of a config in one form: numbers as floats, pairs as tuples."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return _plain(value.get("config", {}).get("value"))
    return float(f"{value:.6g}") if isinstance(value, int | float) else value


def _options(kind, config):
    found = {name: _plain(config.get(name)) for name in _OPTIONS.split()}
    found["activation"] = None if found["activation"] == "linear" else found["activation"]
    for name in ("kernel_size", "strides", "pool_size", "padding"):
        if isinstance(found[name], float):
            found[name] = (found[name],) * 2
    if kind == "ZeroPadding2D" and isinstance(found["padding"][0], float):
        found["padding"] = tuple((size, size) for size in found["padding"])
    if kind.endswith("Pooling2D") and found["strides"] is None:
        found["strides"] = found["pool_size"]
    return tuple((name, value) for name, value in found.items() if value is not None)


def _graph(config):
    """The graph of a config as one nested hash; the names of layers do not matter."""
    hashes = {}
    for layer in config["layers"]:
        kind, options, inputs = layer["class_name"], layer["config"], []

        def read(value, inputs=inputs):
            if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
                inputs.append(hashes[value["config"]["keras_history"][0]])
            elif isinstance(value, dict):
                for part in value.values():
                    read(part)
            elif isinstance(value, list | tuple):
                for part in value:
                    read(part)
            elif isinstance(value, float):
                inputs.append(_plain(value))

        read(layer["inbound_nodes"])
        kind = {"add": "Add", "mul": "Multiply"}.get(options.get("function"), kind)
        if kind == "CustomScaleLayer":  # of Keras: x + scale y
            x, y = inputs
            scale = _plain(options["scale"])
            found = ("Add", x, y if scale == 1 else hash(("Multiply", *sorted((y, scale)))))
            found = ("Add", *sorted(found[1:]))
        elif kind in ("Add", "Multiply"):
            found = (kind, *sorted(inputs))
        elif kind == "Sequential":
            parts = [(part["class_name"], part["config"]) for part in options["layers"]]
            parts = [(name, _options(name, one)) for name, one in parts if name != "InputLayer"]
            found = (kind, *parts, *inputs)
        else:
            found = (kind, _options(kind, options), *inputs)
        hashes[layer.get("name") or options["name"]] = hash(found)
    output = config["output_layers"]
    return hashes[(output[0] if isinstance(output[0], list) else output)[0]]


def _named_weights(model):
    """The names of the layers that have weights, and the shapes; not those that are counted."""
    found = [
        (layer.name.rstrip("0123456789").rstrip("_"), tuple(weight.shape))
        for layer in model.layers
        for weight in layer.weights
        if weight.shape or type(layer).__name__ != "Normalization"
    ]
    return sorted(found)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("VGG16", {"include_top": False, "pooling": "max"}),
        ("ResNet50", {}),
        ("ResNet50V2", {"input_shape": _SIZE}),
        ("DenseNet121", {}),
        ("Xception", {}),
        ("InceptionV3", {}),
        ("InceptionResNetV2", {}),
        ("MobileNet", {"include_top": False}),
        ("MobileNetV2", {"alpha": 1.4, "include_top": False}),
        ("MobileNetV3Small", {"alpha": 0.75}),
        ("EfficientNetB0", {}),
        ("EfficientNetV2B0", {"include_preprocessing": False}),
        ("ConvNeXtTiny", {"include_top": False}),
    ],
)
def test_a_model_has_the_graph_and_the_names_of_keras(name, options):
    with keras.StatelessScope(initialize_variables=False):  # no arrays are made
        theirs = getattr(keras.applications, name)(weights=None, **options)
    ours = getattr(applications, name)(weights=None, **options)
    assert _graph(ours.get_config()) == _graph(theirs.get_config())
    assert _named_weights(ours) == _named_weights(theirs)
    assert (ours.name, ours.output_shape) == (theirs.name, theirs.output_shape)
    # Normalization counts its examples in Keras, not here.
    assert ours.count_params() == theirs.count_params() - (name == "EfficientNetB0")


@pytest.mark.parametrize("skip", [False, True])
def test_a_nasnet_of_few_cells_has_the_graph_and_the_names_of_keras(skip):
    options = {"weights": None, "input_shape": (33, 33, 3), "name": "small", "include_top": False}
    with keras.StatelessScope(initialize_variables=False):
        theirs = KerasNASNet(
            penultimate_filters=192,
            num_blocks=1,
            stem_block_filters=4,
            skip_reduction=skip,
            default_size=33,
            **options,
        )
    ours = nasnet.nasnet("small", "file", 33, 8, 1, 4, skip=skip)(**options)
    assert _graph(ours.get_config()) == _graph(theirs.get_config())
    assert _named_weights(ours) == _named_weights(theirs)


@pytest.fixture(scope="module")
def theirs():
    """A small model of Keras, with statistics as after training."""
    model = keras.applications.MobileNet(weights=None, **_SMALL)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "moving" in weight.path or "beta" in weight.path:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.mark.parametrize("file", ["m.weights.h5", "m.h5"])
def test_a_file_of_keras_gives_the_weights_of_keras(theirs, tmp_path, file):
    (theirs.save_weights if "weights" in file else theirs.save)(tmp_path / file)
    ours = applications.MobileNet(weights=tmp_path / file, **_SMALL)
    named = {layer.name: layer.get_weights() for layer in ours.layers}
    for layer in theirs.layers:
        expected = layer.get_weights()
        if expected:
            assert all(map(np.array_equal, named[layer.name], expected))


def test_the_same_weights_give_the_outputs_of_keras(theirs):
    ours = applications.MobileNet(weights=None, **_SMALL)
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(1).normal(size=(2, *_SIZE)).astype("float32")
    expected = theirs.predict_on_batch(x)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(ours.predict_on_batch(x), expected, rtol=1e-4, atol=1e-6)


def test_weights_of_imagenet_come_from_the_cache_of_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    options = {"alpha": 0.25, "include_top": False, "input_shape": _SIZE}
    path = tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    with pytest.raises(InputError) as caught:
        applications.MobileNet(**options)
    assert str(path) in str(caught.value)
    assert "keras-applications/mobilenet/mobilenet_2_5_224_tf_no_top.h5" in str(caught.value)
    first = applications.MobileNet(weights=None, **options)
    path.parent.mkdir()
    first.save_weights(tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").rename(path)  # the first bytes tell the format
    again = applications.MobileNet(**options)
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("VGG16", "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels"),
        ("ResNet50V2", "resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels"),
        ("MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224"),
        ("MobileNetV3Small", "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float"),
    ],
)
def test_the_error_names_the_file_to_download(tmp_path, monkeypatch, name, file):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(InputError, match=file.replace(".", r"\.") + r"\.h5"):
        getattr(applications, name)()


def test_an_input_tensor_is_the_start_of_the_model():
    inputs = lamina.Input((40, 40, 3))
    x = mobilenet_v2.preprocess_input(inputs)
    options = {"weights": None, "include_top": False, "pooling": "avg", "alpha": 0.35}
    model = applications.MobileNetV2(input_tensor=x, **options)
    assert model.inputs == [inputs]
    assert model.output_shape == (None, 1280)
    with pytest.raises(InputError, match="symbolic"):
        applications.MobileNetV2(input_tensor=jnp.ones((1, 40, 40, 3)), **options)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("ResNet50", {"classes": 10}, "1000 classes"),
        ("ResNet50", {"classifier_activation": "relu"}, "softmax"),
        ("ResNet50", {"input_shape": (31, 32, 3), "weights": None}, "at least 32"),
        ("InceptionV3", {"input_shape": (74, 75, 3), "weights": None}, "at least 75"),
        ("Xception", {"input_shape": (70, 75, 3), "weights": None}, "at least 71"),
        ("VGG16", {"input_shape": (64, 64, 3)}, "224"),
        ("VGG16", {"input_shape": (64, 64), "weights": None}, "height, width, channels"),
        ("VGG16", {"input_shape": (64, 64, 1), "include_top": False}, "3 channels"),
        ("DenseNet121", {"input_shape": (None, None, 3), "weights": None}, "known size"),
        ("EfficientNetB0", {"pooling": "sum", "weights": None}, "pooling"),
        ("MobileNet", {"alpha": 0.3}, "alpha"),
        ("MobileNet", {"depth_multiplier": 2}, "depth_multiplier"),
        ("MobileNetV3Large", {"alpha": 0.75, "minimalistic": True}, "alpha"),
    ],
)
def test_options_that_contradict_each_other(name, options, match):
    with pytest.raises(InputError, match=match):
        getattr(applications, name)(**options)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_images_are_scaled_as_by_keras(mode, order, dtype):
    images = np.random.default_rng(0).uniform(0, 255, (2, 3, 3, 3)).astype(dtype)
    expected = keras.applications.imagenet_utils.preprocess_input(images.copy(), order, mode)
    for x in (images, jnp.asarray(images), images[0]):
        found = imagenet_utils.preprocess_input(x, order, mode)
        reference = expected[0] if x.ndim == 3 else expected
        np.testing.assert_allclose(np.asarray(found), reference, rtol=1e-5, atol=1e-4)
        assert isinstance(found, jax.Array) == isinstance(x, jax.Array)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_symbolic_images_are_scaled_alike(mode):
    inputs = lamina.Input((2, 2, 3))
    model = lamina.Model(inputs, imagenet_utils.preprocess_input(inputs, mode=mode))
    x = np.arange(12, dtype="float32").reshape(1, 2, 2, 3)
    expected = imagenet_utils.preprocess_input(x, mode=mode)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)


def test_images_that_cannot_be_scaled():
    with pytest.raises(InputError, match="mode"):
        imagenet_utils.preprocess_input(np.ones((2, 2, 3)), mode="other")
    with pytest.raises(InputError, match="3 channels"):
        imagenet_utils.preprocess_input(np.ones((2, 2, 4)))


def test_predictions_get_the_names_of_their_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    preds = np.zeros((1, 1000), "float32")
    preds[0, [5, 8]] = 0.25, 0.5
    with pytest.raises(InputError, match=r"imagenet_class_index\.json"):
        imagenet_utils.decode_predictions(preds)
    path = tmp_path / "models" / "imagenet_class_index.json"
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(FileFormatError, match="index"):
        imagenet_utils.decode_predictions(preds)
    path.write_text(json.dumps({str(n): [f"n{n}", f"name {n}"] for n in range(1000)}))
    best = imagenet_utils.decode_predictions(preds, top=2)
    assert best == [[("n8", "name 8", 0.5), ("n5", "name 5", 0.25)]]


def test_a_saved_model_of_convnext_opens_again(tmp_path):
    from_there = importlib.import_module("lamina.compat.keras.applications.convnext")
    x = lamina.Input((4,))
    model = lamina.Model(x, from_there.LayerScale(0.5, 4)(x))
    model.save(tmp_path / "m.lamina")
    loaded = lamina.load(
        tmp_path / "m.lamina", custom_objects={"LayerScale": from_there.LayerScale}
    )
    np.testing.assert_array_equal(loaded(np.ones((1, 4))), model(np.ones((1, 4))))


@pytest.mark.parametrize(
    "name", ["", ".imagenet_utils", ".scalings", ".image_model", ".convnext", ".mobilenet"]
)
def test_examples_in_docstrings(name):
    module = importlib.import_module(f"lamina.compat.keras.applications{name}")
    assert doctest.testmod(module, optionflags=doctest.IGNORE_EXCEPTION_DETAIL).failed == 0


@pytest.mark.parametrize("name", _MODULES.split())
def test_each_module_has_the_names_of_keras(name):
    theirs = importlib.import_module(f"keras.applications.{name}")
    ours = importlib.import_module(f"lamina.compat.keras.applications.{name}")
    assert {one for one in dir(theirs) if not one.startswith("_")} <= set(ours.__all__)


def test_all_models_of_keras_are_there():
    theirs = {one for one in dir(keras.applications) if not one.startswith("_")}
    assert theirs <= set(dir(applications))
