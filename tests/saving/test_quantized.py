"""Files of Lamina with kernels of integers."""

import json
import struct

import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, layers, quantizers
from lamina.errors import FileFormatError, LaminaError

X = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")


class Net(Model):
    def __init__(self):
        super().__init__()
        self.attention = layers.MultiHeadAttention(2, 4)
        self.deep = layers.Stack(lambda: layers.Dense(8), 2)
        self.last = layers.Dense(3)

    def call(self, x):
        return self.last(self.deep(self.attention(x, x)))


@pytest.fixture(scope="module")
def quantized():
    model = Net()
    model(X)
    model.quantize("int8", filters="attention")
    model.quantize("int4", filters="deep")
    return model


def test_a_model_of_ones_own_class(quantized, tmp_path):
    quantized.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors", custom_objects={"Net": Net})
    np.testing.assert_array_equal(again(X), quantized(X))
    assert again.attention.attention_output.quantization_mode == "int8"
    assert again.last.quantization_mode is None


def test_weights(quantized, tmp_path):
    path = tmp_path / "weights.safetensors"
    quantized.save_weights(path)
    model = Net()
    model.load_weights(path)
    np.testing.assert_array_equal(model(X), quantized(X))
    floats = Net()
    before = np.asarray(floats(X))
    with pytest.raises(FileFormatError, match="kernel_scale"):
        floats.load_weights(path)
    np.testing.assert_array_equal(floats(X), before)


def test_options_are_kept(tmp_path):
    config = quantizers.Int8QuantizationConfig(
        quantizers.AbsMaxQuantizer(value_range=(-100, 100)), None
    )
    whole = Sequential([layers.Dense(4)])
    whole(X)
    whole.quantize(config=config)
    whole.layers[0].enable_lora(2)
    whole(X)
    whole.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again(X), whole(X))
    assert again.layers[0].quantization_config.get_config() == config.get_config()


@pytest.mark.parametrize(
    "changed",
    [
        {"last": 3},
        {"last": {"is": "configured", "class": "lamina.initializers:Zeros", "config": {}}},
        {"last": {"is": "configured", "class": "os:system", "config": {}}},
        ["last"],
    ],
)
def test_a_changed_file(quantized, tmp_path, changed):
    path = tmp_path / "weights.safetensors"
    quantized.save_weights(path)
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    content = json.loads(header["__metadata__"]["lamina"])
    content["quantized"] = changed
    header["__metadata__"]["lamina"] = json.dumps(content)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    model = Net()
    with pytest.raises(LaminaError):
        model.load_weights(path)
    assert model.values() == {}
