"""Exported programs of others: refused before they are compiled, or run as the model does."""

import hashlib
import json
import random
import re

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import FileFormatError, InputError
from lamina.saving.exporting import FORMAT, PROGRAM


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    model = Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)])
    model.build((None, 4))
    path = tmp_path_factory.mktemp("exported") / "line.lamina"
    model.export(path)
    return model, path


def rewritten(path, target, change):
    """A copy whose program and description were changed, with the checksum of what it holds."""
    with safetensors.safe_open(path, framework="np") as file:
        metadata = dict(file.metadata())
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    content = json.loads(metadata[FORMAT])
    text = change(arrays[PROGRAM].tobytes().decode(), content)
    code = text.encode() if isinstance(text, str) else text
    content["sha256"] = hashlib.sha256(code).hexdigest()
    arrays[PROGRAM] = np.frombuffer(code, np.uint8)
    safetensors.numpy.save_file(arrays, target, {FORMAT: json.dumps(content)})
    return target


def instead(old, new):
    def change(text, _):
        assert old in text
        return text.replace(old, new, 1)

    return change


def described(name, value):
    def change(text, content):
        content[name] = value
        return text

    return change


DOT = re.compile(r'(%\d+) = "vhlo\.dot_general_v\d"[^\n]*-> (!vhlo\.tensor_v1<[^>]*>)\n')
CALL = (
    '%900 = "vhlo.custom_call_v1"({value}) <{{api_version = #vhlo<api_version_v1 '
    'API_VERSION_TYPED_FFI>, backend_config = #vhlo.string_v1<"">, call_target_name = '
    '#vhlo.string_v1<"{name}">, called_computations = #vhlo.array_v1<[]>, has_side_effect = '
    "#vhlo.bool_v1<false>, operand_layouts = #vhlo.array_v1<[]>, output_operand_aliases = "
    "#vhlo.array_v1<[]>, result_layouts = #vhlo.array_v1<[]>}}> : ({kind}) -> {kind}\n"
)


def calling(name):
    """A call of a kernel, on the product of a dense layer."""

    def change(text, _):
        found = DOT.search(text)
        call = CALL.format(value=found[1], name=name, kind=found[2])
        return text[: found.end()] + call + text[found.end() :]

    return change


CALLS = [
    "xla_ffi_python_cpu_callback",
    "xla_ffi_python_gpu_callback",
    "xla_python_cpu_callback",
    "lapack_sgetrf_ffi",
    "Sharding",
    "os.system",
    "",
]

HOSTILE = {
    "another dialect": instead("vhlo.return", "llvm.return"),
    "an infeed": instead("vhlo.dot_general", "vhlo.infeed"),
    "a send": instead("vhlo.dot_general", "vhlo.send"),
    "an empty text": lambda *_: "",
    "bytecode": lambda *_: b"ML\xefR\x06StableHLO_v1.0.0\x00",
    "no UTF-8": lambda *_: b"\xff\xfe\x00",
    "brackets without end": lambda text, _: text + "{" * 100_000,
    "half of it": lambda text, _: text[: len(text) // 2],
    "a huge array": instead("tensor_v1<4x3x", f"tensor_v1<{10**17}x3x"),
    "other outputs": described("outputs", 3),
    "no outputs": described("outputs", None),
    "a least size of text": described("least", {"batch": "1"}),
    "a negative least size": described("least", {"batch": -1}),
    "no inputs": described("inputs", {"args": [], "kwargs": []}),
    "inputs of a class": described("inputs", {"args": [{"is": "class", "class": "os:system"}]}),
    "no platforms": described("platforms", []),
    "platforms of numbers": described("platforms", [1]),
    "no weights": described("weights", []),
    "weights twice": described("weights", ["layers.0.kernel", "layers.0.kernel"]),
    "a version of text": described("version", "2"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_export_does_not_write_is_refused(case, line, tmp_path):
    path = rewritten(line[1], tmp_path / "changed", HOSTILE[case])
    with pytest.raises(FileFormatError) as caught:
        lamina.load_exported(path)
    assert "remedy:" in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
def test_a_program_that_calls_a_kernel_is_refused(name, line, tmp_path):
    path = rewritten(line[1], tmp_path / "calling", calling(name))
    with pytest.raises(FileFormatError, match="calls the kernel"):
        lamina.load_exported(path)


def test_a_copy_with_its_checksum_is_read(line, tmp_path):
    model, path = line
    run = lamina.load_exported(rewritten(path, tmp_path / "same", lambda text, _: text))
    np.testing.assert_allclose(run(numbers(5, 4)), model(numbers(5, 4)), rtol=1e-5, atol=1e-6)


def damaged(text, seed):
    chance = random.Random(seed)
    code = bytearray(text.encode())
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(code))
        way = chance.randrange(4)
        if way == 0:
            code[at] = chance.randrange(256)
        elif way == 1:
            del code[at : at + chance.randrange(1, 40)]
        elif way == 2:
            part = code[at : at + 40]
            code[chance.randrange(len(code)) : at] = part
        else:
            code[at:at] = chance.choice((b"9" * 30, b"<", b"tensor<9x", b"}", b'"', b"%arg9"))
    return bytes(code)


def test_damaged_programs_are_refused_or_run(line, tmp_path):
    refused = 0
    for seed in range(150):
        path = rewritten(line[1], tmp_path / "bad", lambda text, _, s=seed: damaged(text, s))
        try:
            lamina.load_exported(path)
        except FileFormatError:
            refused += 1
    assert refused > 100


def test_a_model_that_calls_python_is_not_exported(tmp_path):
    class Calling(Model):
        def call(self, x):
            return jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    model = Calling()
    model(numbers(2, 3))
    with pytest.raises(InputError):
        model.export(tmp_path / "calling", (2, 3))
    assert not list(tmp_path.iterdir())


def dense():
    x = Input((5,))
    return Model(x, layers.Dense(3)(x))


def two_inputs():
    a, b = Input((4,)), Input((4,))
    return Model([a, b], layers.Add()([layers.Dense(3)(a), layers.Dense(3)(b)]))


def named_inputs():
    given = {"u": Input((3,)), "v": Input((2,))}
    return Model(given, layers.Concatenate()([given["u"], given["v"]]))


def two_outputs():
    x = Input((None, 6))
    found = layers.LSTM(4, return_sequences=True)(x)
    return Model(x, [found, layers.GlobalAveragePooling1D()(found)])


def recurrent():
    x = Input((None, 6))
    return Model(x, layers.Dense(2)(layers.GRU(4)(x)))


def masked():
    tokens = Input((None,), dtype="int32")
    embedded = layers.Embedding(20, 8, mask_zero=True)(tokens)
    return Model(tokens, layers.LSTM(5)(embedded))


def attention():
    x = Input((None, 8))
    return Model(x, layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x)))


def convolution():
    x = Input((8, 8, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    return Model(x, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D()(y))))


def shared():
    x, layer = Input((4,)), layers.Dense(4)
    return Model(x, layer(layer(x)))


def nested():
    x = Input((5,))
    return Model(x, layers.Dense(2)(dense()(x)))


def in_a_row():
    x = Input((12,))
    model = Sequential([Model(x, layers.Reshape((3, 4))(x)), layers.Flatten(), layers.Dense(2)])
    model.build((None, 12))
    return model


class Holding(Model):
    """A subclass that holds a graph."""

    def __init__(self):
        super().__init__()
        self.graph_inside = dense()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(self.graph_inside(x))


def subclass():
    model = Holding()
    model.build((None, 5))
    return model


TOKENS = np.array([[1, 2, 0, 0], [3, 4, 5, 0]], "int32")
OPEN = {
    dense: [numbers(2, 5), numbers(7, 5)],
    two_inputs: [[numbers(2, 4), numbers(2, 4)], [numbers(5, 4), numbers(5, 4)]],
    named_inputs: [
        {"u": numbers(2, 3), "v": numbers(2, 2)},
        {"u": numbers(1, 3), "v": numbers(1, 2)},
    ],
    two_outputs: [numbers(2, 3, 6), numbers(1, 9, 6)],
    recurrent: [numbers(2, 3, 6), numbers(1, 9, 6)],
    masked: [TOKENS, TOKENS[:1, :3]],
    attention: [numbers(2, 3, 8), numbers(3, 7, 8)],
    convolution: [numbers(2, 8, 8, 3), numbers(5, 8, 8, 3)],
    shared: [numbers(2, 4), numbers(3, 4)],
    nested: [numbers(2, 5), numbers(3, 5)],
    in_a_row: [numbers(2, 12), numbers(3, 12)],
    subclass: [numbers(2, 5), numbers(3, 5)],
}


@pytest.mark.parametrize("make", OPEN, ids=lambda make: make.__name__)
def test_open_dims_take_every_size(make, tmp_path):
    model = make()
    model.export(tmp_path / "model")
    run, fast = lamina.load_exported(tmp_path / "model"), lamina.jit(model)
    for inputs in OPEN[make]:
        expected, found = jax.tree.leaves(fast(inputs)), jax.tree.leaves(run(inputs))
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            scale = np.abs(one).max()
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * scale)
