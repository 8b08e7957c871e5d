"""Weights come back to the bit, into built and unbuilt trees, and nothing is drawn."""

import gc
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import lamina
from lamina import Layer, Sequential, Spec, layers, saving
from lamina.core.building import initial_values
from lamina.core.calling import root_call
from lamina.errors import BuildError, InputError


class Pair(NamedTuple):
    left: object
    right: object


class Attention(Layer):
    def __init__(self, units: int = 4) -> None:
        super().__init__()
        self.query = layers.Dense(units)
        self.keys = [layers.Dense(units), layers.Dense(1)]

    def call(self, query, values, scale=None):
        scores = self.keys[1](jnp.tanh(self.query(query)[:, None] + self.keys[0](values)))
        return (jax.nn.softmax(scores, 1) * values).sum(1) * (2 if scale == "double" else 1)


class Tied(Layer):
    """Shares a layer, and a variable."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(3)
        self.again = self.first
        self.last = layers.Dense(3)

    def build(self, shape):
        self.last.build(shape)
        self.kernel = self.last.kernel

    def call(self, x):
        return self.again(self.first(x)) @ self.kernel + self.last(x)


class Two(Layer):
    """Has two ways in, each with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = layers.Dense(2), layers.Dense(5)

    def call(self, x):
        return self.up(self.down(x))

    def encode(self, x):
        return self.down(x)


class Parts(Layer):
    """Has no way in: its parts are called one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = Sequential([layers.Dense(4)]), layers.Dense(1)


def values_of(layer):
    return {path: np.asarray(value) for path, value in layer.values().items()}


def equal(left, right) -> None:
    one, other = values_of(left), values_of(right)
    assert list(one) == list(other)
    for path, value in one.items():
        assert value.dtype == other[path].dtype
        assert value.tobytes() == other[path].tobytes(), path


def metadata(path):
    with safe_open(path, "np") as file:
        return json.loads(file.metadata()["lamina"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


QUERY, VALUES = np.ones((2, 3), "float32"), np.ones((2, 5, 6), "float32")


def test_into_a_built_layer_and_into_one_that_is_not(path, monkeypatch) -> None:
    layer = Attention()
    expected = layer(QUERY, values=VALUES)
    layer.save_weights(path)
    built = Attention()
    built(QUERY, VALUES)
    built.load_weights(path)
    equal(layer, built)
    with monkeypatch.context() as patch:
        patch.setattr(initial_values, "_drawn", None)
        fresh = Attention()
        fresh.load_weights(path)
    equal(layer, fresh)
    assert fresh.built
    np.testing.assert_array_equal(expected, fresh(QUERY, VALUES))


@pytest.mark.parametrize(
    "specs",
    [
        {"query": (None, 3), "values": (None, "time", 6)},
        {"query": Spec((8, 3), "bfloat16"), "values": (8, 2, 6)},
        {"query": (8, 3), "values": (8, 2, 6), "scale": 2},
    ],
)
def test_specs_come_back(path, specs) -> None:
    layer = Attention()
    layer.build(**specs)
    layer.save_weights(path)
    fresh = Attention()
    fresh.load_weights(path)
    assert fresh._lamina.built.entries == layer._lamina.built.entries
    equal(layer, fresh)


class Nested(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, batch, pair, mode):
        assert isinstance(pair, tuple)
        assert mode == (1, None, 2.5)
        return self.dense(batch[1][0] + batch[3]) + pair[0] + pair[1]


def test_nested_inputs_come_back(path) -> None:
    one = jnp.ones((2, 3))
    inputs = {1: [one, None], 3: one}, (jnp.ones(2), jnp.ones((2, 1))), (1, None, 2.5)
    layer = Nested()
    expected = layer(*inputs)
    layer.save_weights(path)
    fresh = Nested()
    fresh.load_weights(path)
    assert fresh._lamina.built.entries == layer._lamina.built.entries
    np.testing.assert_array_equal(expected, fresh(*inputs))


def test_text_among_the_inputs_is_no_part_of_a_file(path) -> None:
    layer = Attention()
    layer.build(query=(8, 3), values=(8, 2, 6), scale="double")
    layer.save_weights(path)
    assert "double" not in path.read_bytes().decode("latin-1")
    fresh = Attention()
    fresh.load_weights(path)
    (entry,) = fresh._lamina.built.entries.values()
    assert list(entry.kwargs) == ["query", "values"]
    equal(layer, fresh)
    expected = layer(QUERY, VALUES, scale="double")
    np.testing.assert_array_equal(fresh(QUERY, VALUES, scale="double"), expected)


@pytest.mark.parametrize("odd", [Pair(jnp.ones(2), jnp.ones((2, 1))), ("text",), {"a": "text"}])
def test_a_file_of_weights_brings_no_class_and_no_text(path, odd) -> None:
    class Odd(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x, odd):
            return self.dense(x)

    layer = Odd()
    layer(jnp.ones((2, 3)), odd)
    layer.save_weights(path)
    assert metadata(path)["builds"][0]["specs"] is None
    fresh = Odd()
    with pytest.raises(ValueError, match="does not contain the input specs of call"):
        fresh.load_weights(path)
    fresh.build((2, 3), odd)
    fresh.load_weights(path)
    equal(layer, fresh)


class Keyed(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x, key):
        return self.dense(x) + jax.random.normal(key, (2,))


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_a_random_key_among_the_inputs(path, kind) -> None:
    layer = Keyed()
    expected = layer(jnp.ones((1, 2)), jax.random.key(3, impl=kind))
    layer.save_weights(path)
    fresh = Keyed()
    fresh.load_weights(path)
    np.testing.assert_array_equal(expected, fresh(jnp.ones((1, 2)), jax.random.key(3, impl=kind)))


def test_shared_weights_are_stored_once(path) -> None:
    layer = Tied()
    expected = layer(jnp.ones((1, 3)))
    layer.save_weights(path)
    with safe_open(path, "np") as file:
        assert set(file.keys()) == set(layer.values())
    assert metadata(path)["aliases"]["again.kernel"] == "first.kernel"
    fresh = Tied()
    fresh.load_weights(path)
    np.testing.assert_array_equal(expected, fresh(jnp.ones((1, 3))))
    assert fresh.again is fresh.first
    assert fresh.kernel is fresh.last.kernel


class Untied(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.again, self.first = layers.Dense(3), layers.Dense(3)
        self.last = layers.Dense(3)

    def build(self, shape):
        self.last.build(shape)
        self.kernel = self.last.kernel

    def call(self, x):
        return self.again(self.first(x)) @ self.kernel + self.last(x)


def test_what_was_shared_may_be_two_layers(path) -> None:
    layer = Tied()
    expected = layer(jnp.ones((1, 3)))
    layer.save_weights(path)
    fresh = Untied()
    fresh.load_weights(path)
    np.testing.assert_array_equal(expected, fresh(jnp.ones((1, 3))))


def test_what_was_two_layers_may_be_shared_if_it_is_the_same(path) -> None:
    layer = Untied()
    layer(jnp.ones((1, 3)))
    layer.save_weights(path)
    fresh = Tied()
    with pytest.raises(ValueError, match=r"unexpected: again\.kernel"):
        fresh.load_weights(path)
    assert not fresh.built
    layer.again.kernel.assign(layer.first.kernel.value)
    layer.save_weights(path)
    fresh.load_weights(path)
    np.testing.assert_array_equal(layer(jnp.ones((1, 3))), fresh(jnp.ones((1, 3))))


def test_all_ways_in_are_built(path) -> None:
    layer = Two()
    layer.build((None, 3), method="encode")
    layer.save_weights(path)
    half = Two()
    half.load_weights(path)
    assert list(half.values()) == ["down.kernel", "down.bias"]
    layer(jnp.ones((1, 3)))
    layer.save_weights(path)
    assert [b["method"] for b in metadata(path)["builds"] if not b["path"]] == ["encode", "call"]
    for fresh in (half, Two()):
        fresh.load_weights(path)
        equal(layer, fresh)
        assert list(fresh._lamina.built.entries) == ["encode", "call"]


def test_a_root_that_is_never_called(path) -> None:
    layer = Parts()
    layer.maker(jnp.ones((1, 3)))
    layer.judge(jnp.ones((1, 4)))
    layer.save_weights(path)
    fresh = Parts()
    fresh.load_weights(path)
    equal(layer, fresh)


class Aside(Layer):
    """A part that only its training reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.aux = layers.Dense(2), layers.Dense(7)

    def call(self, x):
        return self.main(x)


def test_a_part_built_alone_beside_the_call(path) -> None:
    layer = Aside()
    layer(jnp.ones((1, 3)))
    layer.aux(jnp.ones((1, 2)))
    layer.save_weights(path)
    fresh = Aside()
    fresh.load_weights(path)
    equal(layer, fresh)


def test_a_part_of_a_model_alone(path) -> None:
    layer = Attention()
    layer(QUERY, VALUES)
    layer.keys[0].save_weights(path)
    fresh = layers.Dense(4)
    fresh.load_weights(path)
    equal(layer.keys[0], fresh)


class Kinds(Layer):
    def build(self, shape):
        for kind in ("bfloat16", "float16", "float8_e4m3fn", "float8_e4m3b11fnuz", "int4", "int8"):
            setattr(self, kind, self.add_weight((2, 3), "ones", dtype=kind))
        self.mask = self.add_weight((3,), "zeros", dtype="bool", trainable=False)
        self.scalar = self.add_weight((), "ones")
        self.empty = self.add_weight((0, 3), "ones")
        self.pair = self.add_weight((2,), "ones", dtype="complex64")

    def call(self, x):
        return x


def test_every_dtype_and_shape(path) -> None:
    layer = Kinds()
    layer(jnp.ones(1))
    rng = np.random.default_rng(0)
    for variable in layer.variables:
        variable.assign(rng.integers(0, 3, variable.shape).astype(variable.dtype))
    layer.save_weights(path)
    fresh = Kinds()
    fresh.load_weights(path)
    equal(layer, fresh)
    fresh.load_weights(path)
    equal(layer, fresh)


def test_floats_are_cast_to_the_weight(path) -> None:
    layer = layers.Dense(3)
    layer(jnp.ones((1, 2)))
    layer.save_weights(path)
    half = layers.Dense(3, dtype="bfloat16")
    half.load_weights(path)
    assert half.kernel.dtype == jnp.bfloat16
    np.testing.assert_array_equal(half.kernel, layer.kernel.astype("bfloat16"))


def test_equal_trees_give_equal_files(path, tmp_path) -> None:
    layer = Tied()
    layer(jnp.ones((1, 3)))
    layer.save_weights(path)
    again = tmp_path / "again"
    fresh = Tied()
    fresh.load_weights(path)
    fresh.save_weights(again)
    assert path.read_bytes() == again.read_bytes()


def test_a_layer_that_is_not_built_is_not_saved(path) -> None:
    with pytest.raises(BuildError, match="Attention is not built: it has no weights to save"):
        Attention().save_weights(path)
    assert not path.exists()
    layer = Two()
    layer(jnp.ones((1, 3)))
    layer.down.extra = layer.down.add_weight((2,), name="extra")
    with pytest.raises(BuildError, match=r"down\.extra have no value yet"):
        layer.save_weights(path)
    assert not path.exists()


def test_layers_without_weights(path) -> None:
    layer = Sequential([layers.Flatten()])
    layer(jnp.ones((1, 3, 4)))
    layer.save_weights(path)
    fresh = Sequential([layers.Flatten()])
    fresh.load_weights(path)
    assert fresh.built


def test_loading_uses_up_no_seed(path) -> None:
    def drawn(load: bool):
        lamina.set_seed(5)
        if load:
            layers.Dense(2).load_weights(path)
        layer = layers.Dense(2)
        layer(jnp.ones((1, 2)))
        return np.asarray(layer.kernel)

    layer = layers.Dense(2)
    layer(jnp.ones((1, 2)))
    layer.save_weights(path)
    np.testing.assert_array_equal(drawn(True), drawn(False))


def test_the_first_call_after_loading_plans_nothing_anew(path, monkeypatch) -> None:
    layer = Attention()
    layer.build((None, 3), (None, 5, 6))
    layer.save_weights(path)
    fresh = Attention()
    fresh.load_weights(path)
    monkeypatch.setattr(root_call, "carry_out", None)
    fresh(QUERY, VALUES)


def test_a_loaded_array_does_not_hang_on_the_file(path) -> None:
    layer = layers.Dense(64)
    layer(jnp.ones((1, 64)))
    layer.save_weights(path)
    fresh = layers.Dense(64)
    fresh.load_weights(path)
    path.write_bytes(b"")
    gc.collect()
    equal(layer, fresh)


def test_the_sharding_of_a_built_layer_stays(path) -> None:
    layer = layers.Dense(4)
    layer(jnp.ones((1, 2)))
    layer.save_weights(path)
    mesh = jax.make_mesh((1,), ("model",))
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "model"))
    layer.kernel.assign(jax.device_put(layer.kernel.value, place))
    layer.load_weights(path)
    assert layer.kernel.value.sharding == place


def test_renamed_attributes(path) -> None:
    layer = Sequential([Attention()])
    layer.layers[0](QUERY, VALUES)
    layer.layers[0].save_weights(path)
    outer = Outer()
    outer.load_weights(path, rename={"": "inner"})
    equal(layer.layers[0], outer.inner)
    outer.save_weights(path)
    plain = Renamed()
    plain.load_weights(
        path,
        rename={
            "inner": "",
            "inner.query": "first",
            "inner.keys.0.kernel": "second.kernel",
            "inner.keys.0.bias": "second.bias",
            "inner.keys.1": "third",
        },
    )
    np.testing.assert_array_equal(plain(QUERY, VALUES), outer(QUERY, VALUES))


class Outer(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Attention()

    def call(self, query, values):
        return self.inner(query, values)


class Renamed(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = layers.Dense(4), layers.Dense(4), layers.Dense(1)

    def call(self, query, values):
        scores = self.third(jnp.tanh(self.first(query)[:, None] + self.second(values)))
        return (jax.nn.softmax(scores, 1) * values).sum(1)


@pytest.mark.parametrize(
    ("rename", "match"),
    [
        ("query", "rename is not a dict"),
        ({"querry": "x"}, r"'querry'.*\n.*\n.*\n.*Did you mean 'query'"),
        ({"query": "keys.0"}, r"rename maps two entries of the file to 'keys\.0\.(bias|kernel)'"),
    ],
)
def test_bad_renames(path, rename, match) -> None:
    layer = Attention()
    layer(QUERY, VALUES)
    layer.save_weights(path)
    fresh = Attention()
    with pytest.raises(InputError, match=match):
        fresh.load_weights(path, rename)
    assert not fresh.built


def test_a_file_of_another_library(path) -> None:
    layer = layers.Dense(2)
    arrays = {"kernel": np.ones((3, 2), "float32"), "bias": np.ones(2, "float64")}
    save_file(arrays, path, {"format": "pt"})
    with pytest.raises(ValueError, match="does not contain the input specs of Dense"):
        layer.load_weights(path)
    assert not layer.built
    layer.build((None, 3))
    layer.load_weights(path)
    assert (np.asarray(layer.kernel) == 1).all()


def test_specs_that_no_file_can_hold(path) -> None:
    class Options:
        pass

    class Odd(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x, options):
            return self.dense(x)

    layer = Odd()
    layer(jnp.ones((1, 2)), Options())
    layer.save_weights(path)
    assert metadata(path)["builds"][0]["specs"] is None
    fresh = Odd()
    with pytest.raises(ValueError, match="does not contain the input specs of call"):
        fresh.load_weights(path)
    assert not fresh.built
    fresh(jnp.ones((1, 2)), Options())
    fresh.load_weights(path)
    equal(layer, fresh)


def test_saving_from_layers_below_the_public_face(path) -> None:
    layer = layers.Dense(2)
    layer(jnp.ones((1, 2)))
    saving.save_weights(layer, str(path))
    saving.load_weights(layer, str(path))
