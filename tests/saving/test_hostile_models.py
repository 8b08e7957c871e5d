"""Models made with bad intentions of what files may name: nothing runs, and little is computed."""

import base64
import functools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal  # noqa: F401 - Lamina imports it when a window is first asked for

import lamina
from lamina import Layer
from lamina.core.base import load_limits
from lamina.errors import FileFormatError
from tests.saving.crafted import (
    DENSE,
    LAMBDA,
    SEQUENTIAL,
    array,
    builds,
    function,
    graph,
    layer,
    partial,
    ref,
    spec,
    step,
    write,
)
from tests.saving.watched import nothing_runs

KERNEL, BIAS = np.ones((2, 2), "float32"), np.ones(2, "float32")
WEIGHTS = {"kernel": KERNEL, "bias": BIAS}
TANH = function("jax.numpy:tanh")
CLASS = {"is": "class", "class": DENSE}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.lamina"


def zeros(*shape: int, dtype: str = "int8"):
    return array(dtype, list(shape), base64.b64encode(bytes(np.prod(shape))).decode())


def initializer(name, **config):
    given = {"is": "dict", "items": list(config.items())}
    items = [["class_name", name], ["config", given]]
    return {"is": "initializer", "config": {"is": "dict", "items": items}}


def many(kind, count, *args, **kwargs):
    """A row in which a layer stands often."""
    row = [layer(kind, *args, **kwargs), *[{"is": "same", "number": 0}] * (count - 1)]
    return layer(SEQUENTIAL, row, number=1)


def often(inner, count):
    """A graph that calls another one often."""
    return graph({"inner": inner}, *[step("inner", ref(at)) for at in range(count)], number=50)


IDENTITY, ADD = "lamina.layers:Identity", "lamina.layers:Add"
SEQ2SEQ, REPEAT = "lamina.seq2seq:Seq2Seq", "lamina.layers:RepeatVector"
WIDE = graph({"add": layer(ADD, number=1)}, step("add", [ref(0)] * 3_000), number=2)
HELD = graph({"d": layer(IDENTITY, number=1)}, step("d", ref(0), [0] * 70_000), number=2)
TALL = functools.reduce(
    lambda inner, _: {"is": "partial", "function": inner, "args": [], "kwargs": {}},
    range(90),
    TANH,
)
NOTHING = {"is": "dict", "items": []}
IDS = spec(1, 3, dtype="int32")
SMALL = {"embedding": 2, "units": 2}

REFUSED = {
    "a wide call, often": (often(WIDE, 4_000), {}),
    "a long list in a call, often": (often(HELD, 4_000), {}),
    "a list of numbers made an array at each call": (
        many("lamina.layers:Rescaling", 4_000, [1.0] * 60_000),
        {"builds": builds(spec(None, 60_000))},
    ),
    "an activation that broadcasts": (
        layer(DENSE, 2, activation=partial("jax.numpy:where", zeros(60_000, 1), zeros(1, 60_000))),
        {"arrays": WEIGHTS},
    ),
    "a function of arrays alone": (
        layer(
            LAMBDA,
            partial("jax.numpy:multiply", zeros(60_000, 1)),
            arguments={"is": "dict", "items": [["x2", zeros(1, 60_000)]]},
        ),
        {},
    ),
    "a function of a class": (layer(LAMBDA, CLASS), {}),
    "a function of models": (
        layer(
            LAMBDA,
            {"is": "class", "class": "lamina.models:Model"},
            arguments={"is": "dict", "items": [["graph", 1]]},
        ),
        {},
    ),
    "a shape of a function": (
        layer(LAMBDA, TANH, output_shape=partial("jax.numpy:add", zeros(60_000))),
        {},
    ),
    "a mask of a function": (
        layer(
            SEQUENTIAL,
            [
                layer(LAMBDA, TANH, mask=partial("jax.numpy:add", zeros(60_000))),
                layer(LAMBDA, TANH, number=1),
            ],
            number=2,
        ),
        {},
    ),
    "a layer class as a penalty": (layer(DENSE, 2, kernel_regularizer=CLASS), {"arrays": WEIGHTS}),
    "a penalty by a list": (
        layer(DENSE, 2, kernel_regularizer={"is": "dict", "items": [["class_name", ["L2"]]]}),
        {"arrays": WEIGHTS},
    ),
    "a window by the name of a module": (
        layer(DENSE, 2, kernel_initializer=initializer("STFT", window="os.system")),
        {"arrays": WEIGHTS},
    ),
    "a norm of a norm": (
        layer(
            "lamina.layers:SpectralNormalization",
            layer("lamina.layers:SpectralNormalization", layer(DENSE, 2), number=1),
            number=2,
        ),
        {},
    ),
    "a row that is text": (layer(SEQUENTIAL, "abc"), {}),
    "a row that is a dict": (layer(SEQUENTIAL, {"is": "dict", "items": [["a", 1]]}), {}),
    "an argument twice": (layer(DENSE, 2, units=3), {"arrays": WEIGHTS}),
    "a layer that is not finished": (layer(DENSE, {"is": "same", "number": 0}), {}),
    "a class at the root": (CLASS, {}),
    "a function at the root": (TANH, {}),
    "an array at the root": (zeros(0), {}),
    "a list at the root": ([layer(DENSE, 2)], {"arrays": WEIGHTS}),
    "text at the root": (DENSE, {}),
    "a base class": (layer("lamina:Layer"), {}),
    "a model of nothing": (layer("lamina.models:Model"), {}),
    "a graph of nothing": (layer("lamina.models:Model", inputs=1, outputs=2), {}),
    "the face of translators": (layer("lamina.seq2seq:Translating"), {}),
    "a search of endless length": (
        layer(SEQ2SEQ, 5, 5, **SMALL),
        {"builds": builds(IDS, 10**9, method="generate")},
    ),
    "a search of many beams": (
        layer(SEQ2SEQ, 5, 5, **SMALL),
        {"builds": builds(IDS, 5, 10**9, method="search")},
    ),
    "a loss of a long text": (
        layer(SEQ2SEQ, 5, 5, scheduled_sampling=0.5, **SMALL),
        {
            "builds": builds(
                {"is": "tuple", "items": [IDS, spec(1, 2**31 - 1, dtype="int32")]},
                method="train_loss",
            )
        },
    ),
    "many axes, often": (
        layer(
            SEQUENTIAL,
            [
                layer("lamina.layers:Reshape", [*[1] * 20_000, -1]),
                *[layer(IDENTITY, number=at) for at in range(1, 500)],
            ],
            number=999,
        ),
        {},
    ),
    "too many inputs": (layer(ADD), {"builds": builds([spec(None, 2)] * 5_000)}),
    "an alias of itself": (
        layer(DENSE, 2),
        {"arrays": {"kernel": KERNEL}, "aliases": {"bias": "bias"}},
    ),
    "an alias of another shape": (
        layer(DENSE, 2),
        {"arrays": {"kernel": KERNEL}, "aliases": {"bias": "kernel"}},
    ),
    "a kernel of what is repeated": (
        layer(
            SEQUENTIAL,
            [
                layer(REPEAT, 2**40),
                layer("lamina.layers:Flatten", number=1),
                layer(DENSE, 2, number=2),
            ],
            number=3,
        ),
        {},
    ),
    "steps that each keep a state": (
        layer(
            "lamina.layers:TimeDistributed",
            layer("lamina.layers:BatchNormalization"),
            number=1,
        ),
        {"builds": builds(spec(1, 2**31 - 1, 2))},
    ),
    "an equation of many letters": (
        layer("lamina.layers:EinsumDense", "a" * 5_000 + ",b->c", 2),
        {},
    ),
    "an order of many axes": (
        layer("lamina.layers:Permute", list(range(1, 50_000))),
        {},
    ),
    "more numbers in lists than in weights": (layer(DENSE, 2, name=[0] * 70_000), {}),
    "names that are long and alike": (
        graph({"ab" * 2_000: layer(DENSE, 2)}, step("ab" * 2_000, ref(0))),
        {"arrays": {f"{'ba' * 2_000}{at}": BIAS for at in range(300)}},
    ),
}


@pytest.fixture
def fewer_calls(monkeypatch) -> None:
    """An eighth of the calls that a file may make, each of which is traced; `test_bounds` has
    the whole numbers."""
    for limit in ("_CALLS", "_REPEATS"):
        monkeypatch.setattr(load_limits, limit, getattr(load_limits, limit) // 8)


@pytest.mark.usefixtures("fewer_calls")
@pytest.mark.parametrize("name", REFUSED)
def test_they_are_refused(path, name) -> None:
    model, more = REFUSED[name]
    write(path, model, **more)
    with nothing_runs(path.parent), pytest.raises(FileFormatError) as error:
        lamina.load(path)
    assert "remedy:" in str(error.value)


HARMLESS = {
    "what draws is a function": (
        layer(
            SEQUENTIAL,
            [
                layer(
                    DENSE,
                    2,
                    kernel_initializer=partial(
                        "lamina.losses:huber", zeros(60_000, 1), zeros(1, 60_000)
                    ),
                    bias_initializer=partial("jax.numpy:where", zeros(60_000, 1)),
                    input_shape=[2],
                )
            ],
            number=1,
        ),
        {"arrays": {"layers.0.kernel": KERNEL, "layers.0.bias": BIAS}},
    ),
    "what draws is no number": (
        layer(
            DENSE, 2, kernel_initializer=initializer("Constant", value={"is": "dict", "items": []})
        ),
        {"arrays": WEIGHTS},
    ),
    "a function of a layer": (
        layer(LAMBDA, layer(DENSE, 2, number=1)),
        {"arrays": {"function.kernel": KERNEL, "function.bias": BIAS}},
    ),
    "sizes that are only told": (layer(REPEAT, 2**62), {}),
    "sizes that multiply": (
        layer(
            SEQUENTIAL,
            [layer("lamina.layers:UpSampling1D", 10**6, number=at) for at in range(20)],
            number=30,
        ),
        {"builds": builds(spec(None, 2, 2))},
    ),
    "a size by the name of a command": (
        layer(DENSE, 2),
        {"arrays": WEIGHTS, "builds": builds(spec("__import__('os').system('true')", 2))},
    ),
    "functions of functions": (layer(DENSE, 2, activation=TALL), {"arrays": WEIGHTS}),
    "lists of what is not there": (
        layer(LAMBDA, TANH),
        {
            "frozen_layers": ["x"] * 100_000,
            "frozen_weights": ["x"] * 100_000,
            "aliases": {f"a{at}": f"b{at}" for at in range(100_000)},
        },
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_they_do_no_harm(path, name) -> None:
    model, more = HARMLESS[name]
    write(path, model, **more)
    with nothing_runs(path.parent):
        assert isinstance(lamina.load(path), Layer)


def test_names_do_not_reach_the_terminal_as_they_are(path) -> None:
    name = "\x1b]0;owned\x07\x9b2J"
    write(path, graph({name: layer(DENSE, 2)}, step(name, ref(0))), {f"{name}.other": BIAS})
    with pytest.raises(FileFormatError) as error:
        lamina.load(path)
    assert r"\x1b]0;owned\x07\x9b2J.kernel" in str(error.value)
    assert str(error.value).replace("\n", "").isprintable()


def test_bools_of_a_file_are_bools(path) -> None:
    class Switch(Layer):
        def build(self, shape):
            self.on = self.add_weight((2,), "zeros", dtype="bool", trainable=False)

        def call(self, x):
            return jnp.where(self.on.value, x, 0)

    layer = Switch()
    layer.build((None, 2))
    layer.save_weights(path)
    data = bytearray(path.read_bytes())
    data[-2:] = b"\x02\xff"
    path.write_bytes(data)
    layer.load_weights(path)
    assert np.asarray(layer.on.value).tobytes() == b"\x01\x01"
