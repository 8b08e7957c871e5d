"""Whole models of Keras: graphs, shared and nested layers, weights alone, classes of the user."""

import json
import os
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Model, Sequential, layers
from lamina.errors import BuildError, FileFormatError, InputError, LaminaError

keras = pytest.importorskip("keras")

RNG = np.random.default_rng(0)
FLAT = RNG.normal(size=(3, 4)).astype("float32")
OTHER = RNG.normal(size=(3, 5)).astype("float32")


def close(ours, theirs, *arrays):
    """The outputs of both models agree."""
    given = arrays if len(arrays) == 1 else [list(arrays)]
    found = jax.tree.leaves(lamina.jit(ours)(*given))
    wanted = jax.tree.leaves(jax.jit(lambda *x: theirs(*x))(*given))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def graph(k):
    """A graph with a shared layer, nested models, two inputs and two outputs."""
    a, b = k.Input((4,), name="a"), k.Input((5,), name="b")
    shared = k.layers.Dense(3, name="dense_9")
    inner_input = k.Input((3,))
    inner = k.Model(inner_input, k.layers.Dense(3, "tanh")(inner_input), name="inner")
    stack = k.Sequential([k.Input((3,)), k.layers.Dense(3), k.layers.BatchNormalization()])
    left, right = shared(a), shared(k.layers.Dense(4)(b))
    joined = k.layers.Concatenate()([inner(left), inner(right), stack(left)])
    return k.Model([a, b], {"y": k.layers.Dense(2, name="dense")(joined), "z": stack(right)})


def stack(k):
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, "relu"), k.layers.Dense(2)])


def test_a_graph_of_keras_opens_and_goes_back(tmp_path):
    theirs = graph(keras)
    theirs.save(tmp_path / "keras.keras")
    ours = lamina.load(tmp_path / "keras.keras")
    close(ours, theirs, FLAT, OTHER)
    assert isinstance(ours, Model) and ours.name == theirs.name
    ours.save(tmp_path / "lamina.keras")
    back = keras.models.load_model(tmp_path / "lamina.keras")
    close(ours, back, FLAT, OTHER)
    assert [v.path.split("/")[-1] for v in back.weights] == [
        v.path.split("/")[-1] for v in theirs.weights
    ]


def test_a_graph_of_lamina_opens_in_keras(tmp_path):
    ours = graph(lamina)
    ours.save(tmp_path / "model.keras")
    theirs = keras.models.load_model(tmp_path / "model.keras")
    close(ours, theirs, FLAT, OTHER)


def operations():
    """A graph of operators, of slices and of functions of `keras.ops`."""
    ops, x = keras.ops, keras.Input((4, 3))
    y = ops.concatenate([x, x * 2, x[:, :1]], axis=1)
    y = ops.where(y > 0, 1.0 - y, -y) / 3 + ops.sum(y, axis=-1, keepdims=True)
    return keras.Model(x, [ops.max(y, axis=1), ops.stack([y[..., 0], y[:, :, 1]], axis=1)])


def activations():
    """Layers and functions as activations, and in a `Lambda`."""
    k, x = keras.layers, keras.Input((4, 3))
    y = k.Dense(3, activation=k.LeakyReLU(negative_slope=0.3))(x)
    return keras.Model(x, k.Lambda(keras.activations.gelu)(y))


def states():
    """Masks, states that are passed on, and ends in lists and dicts."""
    k, ids, x = keras.layers, keras.Input((4,), dtype="int32"), keras.Input((3,))
    steps = k.Embedding(9, 3, mask_zero=True)(ids)
    steps, last = k.GRU(3, return_sequences=True, return_state=True)(steps, initial_state=x)
    steps = k.TimeDistributed(k.Dense(2))(k.Bidirectional(k.LSTM(2, return_sequences=True))(steps))
    return keras.Model({"ids": ids, "x": x}, {"b": k.SimpleRNN(2)(steps), "a": [last]})


def gates():
    """Attention with gates, and layers whose configs have no option `trainable`."""
    k, x = keras.layers, keras.Input((4, 3))
    y = k.MultiHeadAttention(2, 3, use_gate=True)(x, x)
    y = k.GroupQueryAttention(2, 4, 2, use_gate=True)(y, y)
    dropout = k.SpatialDropout1D(0.1)
    return keras.Model(x, [dropout(y), k.Discretization([-1.0, 0.0, 1.0])(x)])


def names():
    """Layers with the names of methods, of attributes, and with marks."""
    x = y = keras.Input((3,), name="fit")
    for name in ("call", "layers", "graph", "a b.c", "é"):
        y = keras.layers.Dense(3, name=name)(y)
    return keras.Model(x, y)


WHOLE = {
    operations: RNG.normal(size=(2, 4, 3)).astype("float32"),
    activations: RNG.normal(size=(2, 4, 3)).astype("float32"),
    gates: RNG.normal(size=(2, 4, 3)).astype("float32"),
    states: {"ids": RNG.integers(0, 9, (2, 4)), "x": FLAT[:2, :3]},
    names: FLAT[:, :3],
}


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_whole_models_open_and_go_back(make, ending, tmp_path):
    theirs, inputs = make(), WHOLE[make]
    theirs.save(tmp_path / f"keras.{ending}")
    ours = lamina.load(tmp_path / f"keras.{ending}")
    close(ours, theirs, inputs)
    ours.save(tmp_path / "lamina.keras")
    close(ours, keras.models.load_model(tmp_path / "lamina.keras"), inputs)


def test_gradients_agree_after_a_round_trip(tmp_path):
    theirs = stack(keras)
    theirs.save(tmp_path / "model.keras")
    ours = lamina.load(tmp_path / "model.keras")
    kept = [v.value for v in theirs.non_trainable_variables]
    wanted = jax.grad(lambda w: theirs.stateless_call(w, kept, FLAT)[0].sum())(
        [v.value for v in theirs.trainable_variables]
    )
    found = jax.grad(lambda w: ours.apply(w, FLAT)[0].sum())(ours.values())
    for weight, other in zip(ours.trainable_weights, wanted, strict=True):
        np.testing.assert_allclose(found[weight.path], other, rtol=1e-5, atol=1e-6)


def test_a_model_without_an_input_is_built_for_the_shape_in_the_file(tmp_path):
    theirs = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    theirs.build((None, 4))
    theirs.save(tmp_path / "model.keras")
    ours = lamina.load(tmp_path / "model.keras")
    close(ours, theirs, FLAT)
    ours = Sequential([layers.Dense(3), layers.Dense(2)])
    ours.build((None, 4))
    ours.save(tmp_path / "back.keras")
    close(ours, keras.models.load_model(tmp_path / "back.keras"), FLAT)


def test_a_frozen_layer_stays_frozen(tmp_path):
    theirs = stack(keras)
    theirs.layers[0].trainable = False
    theirs.save(tmp_path / "model.keras")
    ours = lamina.load(tmp_path / "model.keras")
    assert [w.path for w in ours.trainable_weights] == ["layers.1.kernel", "layers.1.bias"]
    ours.save(tmp_path / "back.keras")
    back = keras.models.load_model(tmp_path / "back.keras")
    assert len(back.trainable_variables) == 2


def test_an_unzipped_file_opens(tmp_path):
    theirs = stack(keras)
    theirs.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    close(lamina.load(tmp_path / "folder"), theirs, FLAT)


def test_a_compressed_archive_opens(tmp_path):
    theirs = stack(keras)
    theirs.save(tmp_path / "model.keras")
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as archive,
        zipfile.ZipFile(tmp_path / "packed.keras", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    close(lamina.load(tmp_path / "packed.keras"), theirs, FLAT)


def test_the_bytes_tell_the_format_not_the_name(tmp_path):
    theirs = stack(keras)
    theirs.save(tmp_path / "model.keras")
    os.rename(tmp_path / "model.keras", tmp_path / "model.safetensors")
    close(lamina.load(tmp_path / "model.safetensors"), theirs, FLAT)


def test_an_architecture_takes_the_weights_beside_it(tmp_path):
    theirs = stack(keras)
    (tmp_path / "model.json").write_text(theirs.to_json())
    with pytest.raises(FileFormatError, match="without weights beside it"):
        lamina.load(tmp_path / "model.json")
    theirs.save_weights(tmp_path / "model.weights.h5")
    close(lamina.load(tmp_path / "model.json"), theirs, FLAT)


def test_weights_go_into_built_and_unbuilt_models_and_back(tmp_path):
    theirs = graph(keras)
    theirs.save_weights(tmp_path / "keras.weights.h5")
    ours = graph(lamina)
    ours.load_weights(tmp_path / "keras.weights.h5")
    close(ours, theirs, FLAT, OTHER)
    ours.save_weights(tmp_path / "lamina.weights.h5")
    other = graph(keras)
    other.load_weights(tmp_path / "lamina.weights.h5")
    close(ours, other, FLAT, OTHER)
    unbuilt = Sequential([layers.Dense(3, "relu"), layers.Dense(2)])
    stack(keras).save_weights(tmp_path / "stack.weights.h5")
    with pytest.raises(BuildError, match="does not have the shape of its input"):
        unbuilt.load_weights(tmp_path / "stack.weights.h5")
    whole = stack(keras)
    whole.save(tmp_path / "whole.keras")
    unbuilt.load_weights(tmp_path / "whole.keras")
    close(unbuilt, whole, FLAT)


def test_sharded_weights_are_read_together(tmp_path):
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(600), keras.layers.Dense(9)])
    theirs.save_weights(tmp_path / "model.weights.json", max_shard_size=0.000025)
    assert len(list(tmp_path.glob("*.h5"))) > 1
    ours = Sequential([lamina.Input((4,)), layers.Dense(600), layers.Dense(9)])
    ours.load_weights(tmp_path / "model.weights.json")
    close(ours, theirs, FLAT)


def test_what_does_not_fit_is_listed_and_may_be_skipped(tmp_path):
    stack(keras).save_weights(tmp_path / "model.weights.h5")
    ours = Sequential([lamina.Input((4,)), layers.Dense(3), layers.Dense(5), layers.Dense(2)])
    before = ours.values()
    with pytest.raises(FileFormatError) as error:
        ours.load_weights(tmp_path / "model.weights.h5")
    for line in (
        "differs:    layers.1.kernel is (3, 5) float32, layers/dense_1/vars/0 is (3, 2) float32",
        "missing:    layers.2.kernel (layers/dense_2/vars/0) (5, 2)",
    ):
        assert line in str(error.value)
    jax.tree.map(np.testing.assert_array_equal, ours.values(), before)
    with pytest.warns(UserWarning, match="4 entries of Sequential"):
        ours.load_weights(tmp_path / "model.weights.h5", skip_mismatch=True)
    assert np.any(ours.values()["layers.0.kernel"] != before["layers.0.kernel"])
    np.testing.assert_array_equal(ours.values()["layers.1.kernel"], before["layers.1.kernel"])


def test_names_of_layers_are_for_legacy_files_alone(tmp_path):
    stack(keras).save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(InputError, match="by the names of layers"):
        stack(lamina).load_weights(tmp_path / "model.weights.h5", by_name=True)


class Scale(Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape):
        self.alpha = self.add_weight((input_shape[-1],), "ones")
        self.offset = self.add_weight((input_shape[-1],), "zeros", trainable=False)

    def call(self, inputs):
        return inputs * self.alpha * self.factor + self.offset


def makes(base, k, scale):
    """A model of a class, with layers in lists, dicts, private attributes and under two names."""

    class Bag(base):
        def __init__(self, units=3, **options):
            super().__init__(**options)
            self.units = units
            self.zz = scale(2.0)
            self.blocks = [k.Dense(units), k.Dense(units)]
            self.heads = {"x": k.Dense(2), "y": k.Dense(1)}
            self._hidden = k.Dense(units)
            self.alias = self.blocks[1]
            self.nest = [[k.Dense(units)], k.Dense(units)]
            self.body = k_sequential(k, units)

        def call(self, inputs):
            x = self._hidden(self.blocks[1](self.blocks[0](inputs)))
            x = self.body(self.nest[1](self.nest[0][0](x)))
            return [head(self.zz(x)) for head in self.heads.values()]

        def get_config(self):
            return {"units": self.units}

    return Bag


def k_sequential(k, units):
    root = keras if k is keras.layers else lamina
    return root.Sequential([k.Dense(units), k.BatchNormalization()])


class TheirScale(keras.layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape):
        self.offset = self.add_weight((input_shape[-1],), "zeros", trainable=False)
        self.alpha = self.add_weight((input_shape[-1],), "ones")

    def call(self, inputs):
        return inputs * self.alpha * self.factor + self.offset


TheirScale.__name__ = "Scale"


def test_a_class_of_the_user_takes_weights_by_keras_names(tmp_path):
    theirs = makes(keras.Model, keras.layers, TheirScale)()
    theirs(FLAT)
    theirs.save(tmp_path / "model.keras")
    theirs.save_weights(tmp_path / "model.weights.h5")
    kind = makes(Model, layers, Scale)
    given = {"Bag": kind, "Scale": Scale}
    ours = lamina.load(tmp_path / "model.keras", custom_objects=given)
    close(ours, theirs, FLAT)
    again = kind()
    again(FLAT)
    again.load_weights(tmp_path / "model.weights.h5")
    close(again, theirs, FLAT)
    again.save_weights(tmp_path / "back.weights.h5")
    other = makes(keras.Model, keras.layers, TheirScale)()
    other(FLAT)
    other.load_weights(tmp_path / "back.weights.h5")
    close(again, other, FLAT)
    with pytest.raises(FileFormatError, match="the class 'Bag'"):
        lamina.load(tmp_path / "model.keras")


def with_more(base, k, root):
    """A graph of a class that has more layers than the graph."""

    class Wide(base):
        def __init__(self, units=3, **options):
            x = root.Input((4,))
            inner = k.Dense(units, name="inner")
            super().__init__(x, k.Dense(2)(inner(x)), **options)
            self.units = units
            self.alias = inner
            self.zoom = root.Sequential([root.Input((4,)), k.Dense(units)])

        def get_config(self):
            return {"units": self.units}

    return Wide


def test_a_graph_of_a_class_lists_the_layers_of_the_graph_alone(tmp_path):
    theirs = with_more(keras.Model, keras.layers, keras)
    theirs().save(tmp_path / "model.keras")
    kind = with_more(Model, layers, lamina)
    ours = lamina.load(tmp_path / "model.keras", custom_objects={"Wide": kind})
    wanted = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Wide": theirs})
    close(ours, wanted, FLAT)
    close(ours.zoom, wanted.zoom, FLAT)
    ours.save(tmp_path / "back.keras")
    back = keras.models.load_model(tmp_path / "back.keras", custom_objects={"Wide": theirs})
    close(ours, back, FLAT)
    close(ours.zoom, back.zoom, FLAT)


def test_a_layer_of_the_user_inside_a_graph(tmp_path):
    x = lamina.Input((4,))
    ours = Model(x, Scale(3.0)(layers.Dense(2)(x)))
    ours.save(tmp_path / "model.keras")
    theirs = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Scale": TheirScale})
    close(ours, theirs, FLAT)
    close(lamina.load(tmp_path / "model.keras", custom_objects={"Scale": Scale}), theirs, FLAT)


def doubled(x):
    return 2 * x


def test_code_of_a_lambda_is_replaced_by_a_function_of_the_user(tmp_path):
    theirs = keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x, name="twice")]
    )
    theirs.save(tmp_path / "model.keras")
    with pytest.raises(FileFormatError, match="the code of the Lambda 'twice'"):
        lamina.load(tmp_path / "model.keras")
    close(lamina.load(tmp_path / "model.keras", custom_objects={"twice": doubled}), theirs, FLAT)


def test_what_keras_does_not_have_is_an_error_before_a_file_is_touched(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    ours = Sequential([lamina.Input((4,)), layers.Stack(lambda: layers.Dense(4), 2)])
    with pytest.raises(LaminaError, match="the layer Stack"):
        ours.save(path)
    rotary = Sequential([lamina.Input((4,)), layers.Lambda(jnp.sin)])
    with pytest.raises(LaminaError, match="the function 'sin'"):
        rotary.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.h5"])
def test_the_name_of_weights_is_not_one_for_a_model(name, tmp_path):
    ours = stack(lamina)
    with pytest.raises(InputError, match=r"m\.keras"):
        ours.save(tmp_path / name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.hdf5"])
def test_the_name_of_a_model_is_not_one_for_weights(name, tmp_path):
    ours = stack(lamina)
    with pytest.raises(InputError, match=r"m\.weights\.h5"):
        ours.save_weights(tmp_path / name)
    assert not os.listdir(tmp_path)


def test_low_rank_changes_and_spectral_norms_are_stored_in_the_kernels(tmp_path):
    ours = Sequential([lamina.Input((4,)), layers.SpectralNormalization(layers.Dense(3))])
    ours(FLAT, training=True)
    ours.save(tmp_path / "model.keras")
    theirs = keras.models.load_model(tmp_path / "model.keras")
    close(ours, theirs, FLAT)
    close(lamina.load(tmp_path / "model.keras"), theirs, FLAT)
    ours = Sequential([lamina.Input((4,)), layers.Dense(3)])
    ours.layers[0].enable_lora(2)
    ours(FLAT)
    ours.layers[0].lora.b.assign(jnp.ones((2, 3)))
    ours.save(tmp_path / "low.keras")
    theirs = keras.models.load_model(tmp_path / "low.keras")
    close(ours, theirs, FLAT)
    close(lamina.load(tmp_path / "low.keras"), theirs, FLAT)


def test_the_norm_of_an_earlier_training_does_not_divide_a_new_kernel(tmp_path):
    theirs = keras.Sequential(
        [keras.Input((4,)), keras.layers.SpectralNormalization(keras.layers.Dense(3))]
    )
    theirs.save_weights(tmp_path / "model.weights.h5")
    ours = Sequential([lamina.Input((4,)), layers.SpectralNormalization(layers.Dense(3))])
    ours.layers[0].sigma.assign(3.0)  # as a training step leaves it
    ours.load_weights(tmp_path / "model.weights.h5")
    close(ours, theirs, FLAT)


def test_the_metadata_names_a_version_of_keras(tmp_path):
    stack(lamina).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata["keras_version"].startswith("3.")


def test_a_graph_of_a_class_of_the_user(tmp_path):
    class Weighted(Model):
        pass

    class TheirWeighted(keras.Model):
        pass

    x = lamina.Input((4,))
    hidden = layers.Dense(3)(x)
    ours = Weighted(x, layers.Dense(2)(hidden * 2 + hidden))
    ours.save(tmp_path / "model.keras")
    theirs = keras.models.load_model(tmp_path / "model.keras", {"Weighted": TheirWeighted})
    close(ours, theirs, FLAT)
    assert type(theirs) is TheirWeighted
    found = lamina.load(tmp_path / "model.keras", custom_objects={"Weighted": Weighted})
    close(found, theirs, FLAT)
    assert type(found) is Weighted


def test_objects_in_configs_of_the_user(tmp_path):
    class Scaled(Layer):
        def __init__(self, initializer, **options):
            super().__init__(**options)
            self.initializer = lamina.initializers.get(initializer)

        def build(self, input_shape):
            self.scale = self.add_weight((input_shape[-1],), self.initializer)

        def call(self, inputs):
            return inputs * self.scale

        def get_config(self):
            described = lamina.initializers.serialize(self.initializer)
            return {**super().get_config(), "initializer": described}

    ours = Sequential([lamina.Input((4,)), Scaled("ones")])
    ours.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        layer = json.loads(archive.read("config.json"))["config"]["layers"][-1]
    assert type(keras.initializers.get(layer["config"]["initializer"])) is keras.initializers.Ones
    found = lamina.load(tmp_path / "model.keras", custom_objects={"Scaled": Scaled})
    assert (found(FLAT) == ours(FLAT)).all()
