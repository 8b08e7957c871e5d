"""Exported models: the same numbers without the model's code, for any size that was left open."""

import builtins
import json
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, Spec, layers
from lamina.errors import BuildError, FileFormatError, InputError
from tests.close import assert_close

pytestmark = pytest.mark.as_users_run

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


class Two(Model):
    """Two inputs by name, one of them nested, a static option, and a dict of outputs."""

    def __init__(self):
        super().__init__()
        self.one, self.two = layers.Dense(3), layers.Dense(3, use_bias=False)

    def call(self, left, right, scale=2.0):
        return {"sum": self.one(left) + self.two(right["a"]) * scale, "left": left}


@pytest.fixture
def line(tmp_path):
    lamina.set_seed(0)
    model = Sequential([layers.Dense(3, activation="relu"), layers.Dropout(0.5)])
    model(X[:2])
    model.export(tmp_path / "line.lamina")
    return model, tmp_path / "line.lamina"


def test_any_batch_gives_what_the_model_gives(line):
    model, path = line
    exported = lamina.load_exported(path)
    for rows in (1, 2, 6):
        np.testing.assert_array_equal(exported(X[:rows]), lamina.jit(model)(X[:rows]))
    assert "inputs float32[batch, 4]" in repr(exported)
    assert exported.platforms == (jax.default_backend(),)
    assert list(exported.weights) == list(model.values())


def test_it_runs_where_the_code_of_the_model_is_not(tmp_path):
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.embed, self.gru = layers.Embedding(9, 4), layers.GRU(3)

        def call(self, tokens):
            return self.gru(self.embed(tokens))

    model = Net()
    model.build(Spec((None, "time"), "int32"))
    model.export(tmp_path / "net.lamina")
    tokens = np.arange(6, dtype=np.int32).reshape(2, 3)
    code = (
        "import sys, json, numpy as np, lamina; "
        "run = lamina.load_exported(sys.argv[1]); "
        "print(json.dumps(np.asarray(run(tokens=np.array(json.loads(sys.argv[2])))).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "net.lamina", json.dumps(tokens.tolist())],
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(json.loads(done.stdout), model(tokens), rtol=1e-5)


def test_inputs_by_name_nested_and_static(tmp_path):
    model = Two()
    specs = {"left": (None, 4), "right": {"a": Spec((None, 2))}, "scale": 3.0}
    model.build(**specs)
    model.export(tmp_path / "two", **specs)
    exported = lamina.load_exported(tmp_path / "two")
    left, right = X, {"a": X[:, :2]}
    expected = model(left, right, scale=3.0)
    for found in (exported(left, right), exported(right=right, left=left)):
        for name, value in expected.items():
            assert_close(found[name], value, rtol=1e-6)
    for args, kwargs in (((left,), {}), ((left, right, right), {}), ((left, right["a"]), {})):
        with pytest.raises(InputError, match="does not take"):
            exported(*args, **kwargs)


@pytest.mark.parametrize(
    "given",
    [X[:, :3], X[0], X.astype("int32"), {"a": X}],
    ids=["size", "rank", "dtype", "structure"],
)
def test_inputs_that_do_not_fit_are_told(line, given):
    with pytest.raises(InputError, match=r"expected: inputs float32\[batch, 4\]"):
        lamina.load_exported(line[1])(given)


def test_the_sizes_of_one_name_are_one(tmp_path):
    class Sum(Model):
        def call(self, one, two):
            return one + two

    model = Sum()
    model(X, X)
    model.export(tmp_path / "sum", ("n", "m"), ("n", "m"))
    exported = lamina.load_exported(tmp_path / "sum")
    assert exported(X, X).shape == (6, 4)
    with pytest.raises(InputError, match="does not take"):
        exported(X, X[:3])


def test_weights_may_be_set_and_are_bfloat16_where_the_model_has_it(tmp_path):
    model = layers.Dense(2, dtype="bfloat16")
    net = Sequential([model])
    net(jnp.ones((2, 3), jnp.bfloat16))
    net.export(tmp_path / "half")
    exported = lamina.load_exported(tmp_path / "half")
    assert {array.dtype.name for array in exported.weights.values()} == {"bfloat16"}
    exported.weights = {path: 0 * array for path, array in exported.weights.items()}
    assert not exported(jnp.ones((5, 3), jnp.bfloat16)).any()


def test_what_depends_on_an_open_size_is_told_and_can_be_exported_for_one(tmp_path):
    class Rows(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs) if inputs.shape[0] > 4 else inputs[:, :2]

    model = Rows()
    model(X)
    with pytest.raises(InputError, match="a size that is unknown"):
        model.export(tmp_path / "rows")
    assert not (tmp_path / "rows").exists()
    model.export(tmp_path / "rows", (6, 4))
    assert_close(lamina.load_exported(tmp_path / "rows")(X), model(X), rtol=1e-6)


def test_a_model_that_is_not_built_and_outputs_of_no_known_kind(tmp_path):
    with pytest.raises(BuildError, match="not built"):
        Sequential([layers.Dense(2)]).export(tmp_path / "none")

    class Pair(NamedTuple):
        one: object

    class Odd(Model):
        def call(self, inputs):
            return Pair(inputs)

    model = Odd()
    model(X)
    with pytest.raises(InputError, match="container"):
        model.export(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_other_and_damaged_files_are_told(line, tmp_path):
    model, path = line
    model.save_weights(tmp_path / "weights")
    with pytest.raises(FileFormatError, match="contains no exported program"):
        lamina.load_exported(tmp_path / "weights")
    data = bytearray(path.read_bytes())
    at = data.index(b"vhlo.")
    data[at : at + 4] = b"what"
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(FileFormatError, match="checksum"):
        lamina.load_exported(tmp_path / "bad")
    (tmp_path / "short").write_bytes(data[:-100])
    with pytest.raises(FileFormatError, match="truncated"):
        lamina.load_exported(tmp_path / "short")
    later = path.read_bytes().replace(b'\\"version\\": 2', b'\\"version\\": 7')
    (tmp_path / "later").write_bytes(later)
    with pytest.raises(FileFormatError, match="version 7"):
        lamina.load_exported(tmp_path / "later")
    with pytest.raises(FileNotFoundError):
        lamina.load_exported(tmp_path / "nowhere")


def test_a_file_that_cannot_be_written_leaves_the_old_one(line, tmp_path, monkeypatch):
    model, path = line
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="cannot be written"):
        model.export(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_nothing_in_a_file_is_unpickled_or_run(line, monkeypatch):
    def forbidden(*args, **options):
        raise AssertionError("not from a file")

    for module, name in ((builtins, "eval"), (builtins, "exec"), (sys.modules["pickle"], "loads")):
        monkeypatch.setattr(module, name, forbidden)
    assert lamina.load_exported(line[1]).model == "Sequential"
