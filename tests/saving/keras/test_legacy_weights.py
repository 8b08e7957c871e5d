"""Weights in HDF5 files of Keras 1 and 2: which array belongs to which weight."""

import h5py
import numpy as np
import pytest

from lamina import Input, Model, Sequential, layers
from lamina.errors import BuildError, FileFormatError
from lamina.saving.keras.loading import load_weights
from tests.saving.keras.legacy_files import dense, numbers, sequential, write


def two(first="a", second="b"):
    return Sequential([Input((3,)), layers.Dense(3, name=first), layers.Dense(3, name=second)])


def kernel(layer):
    return np.asarray(layer.kernel)


@pytest.fixture
def arrays():
    return {"x": dense(3, 3), "flatten": {}, "y": dense(3, 3)}


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_weights_are_matched_by_the_order_of_layers(tmp_path, arrays, root):
    file = write(tmp_path / "w.h5", sequential() if root else None, arrays, root=root)
    model = two("y", "x")  # names of another process
    load_weights(model, file)
    assert np.array_equal(kernel(model.layers[0]), arrays["x"]["kernel:0"])
    assert np.array_equal(kernel(model.layers[1]), arrays["y"]["kernel:0"])


def test_within_a_layer_names_decide_before_the_order(tmp_path):
    arrays = {"x": {"bias:0": numbers(3), "kernel:0": numbers(3, 3)}, "y": dense(3, 3)}
    model = two()
    load_weights(model, write(tmp_path / "w.h5", None, arrays, root=""))
    assert np.array_equal(kernel(model.layers[0]), arrays["x"]["kernel:0"])
    arrays["x"] = {"param_0": numbers(3, 3), "param_1": numbers(3)}
    load_weights(model, write(tmp_path / "v.h5", None, arrays, root=""))
    assert np.array_equal(kernel(model.layers[0]), arrays["x"]["param_0"])


def test_by_name_other_layers_keep_their_weights(tmp_path, arrays):
    file = write(tmp_path / "w.h5", None, arrays, root="")
    model = two("y", "other")
    before = kernel(model.layers[1])
    load_weights(model, file, by_name=True)
    assert np.array_equal(kernel(model.layers[0]), arrays["y"]["kernel:0"])
    assert np.array_equal(kernel(model.layers[1]), before)


def test_by_name_a_wrong_shape_is_refused(tmp_path):
    file = write(tmp_path / "w.h5", None, {"a": dense(3, 4)}, root="")
    with pytest.raises(FileFormatError, match="differs"):
        load_weights(two(), file, by_name=True)


def test_every_mismatch_is_listed_and_nothing_changes(tmp_path):
    groups = {"a": dense(3, 3), "b": dense(3, 4), "c": dense(4, 4)}
    file = write(tmp_path / "w.h5", None, groups, root="")
    model = two()
    before = kernel(model.layers[0])
    with pytest.raises(FileFormatError, match=r"(?s)differs.*unexpected: c/c/kernel:0"):
        load_weights(model, file)
    assert np.array_equal(kernel(model.layers[0]), before)
    with pytest.warns(UserWarning, match="skipped"):
        load_weights(model, file, skip_mismatch=True)
    assert np.array_equal(kernel(model.layers[0]), groups["a"]["kernel:0"])
    with pytest.raises(FileFormatError, match="missing"):
        load_weights(model, write(tmp_path / "v.h5", None, {"a": dense(3, 3)}, root=""))


def test_an_unbuilt_model_needs_the_shape_of_its_input(tmp_path, arrays):
    file = write(tmp_path / "w.h5", None, arrays, root="")
    with pytest.raises(BuildError, match="not built"):
        load_weights(Sequential([layers.Dense(3), layers.Dense(3)]), file)


def test_long_lists_are_in_several_attributes(tmp_path, arrays):
    file = write(tmp_path / "w.h5", None, arrays, root="")
    with h5py.File(file, "a") as opened:
        names = opened.attrs["layer_names"]
        del opened.attrs["layer_names"]
        opened.attrs["layer_names0"], opened.attrs["layer_names1"] = names[:1], names[1:]
        opened["flatten"].attrs["weight_names"] = np.zeros(0)
    model = two()
    load_weights(model, file)
    assert np.array_equal(kernel(model.layers[1]), arrays["y"]["kernel:0"])


@pytest.mark.parametrize("name", ["../x/x/kernel:0", "/x/x/kernel:0", "a//b", "./x", "", "absent"])
def test_names_outside_of_the_group_are_refused(tmp_path, arrays, name):
    file = write(tmp_path / "w.h5", None, arrays, root="")
    with h5py.File(file, "a") as opened:
        opened["y"].attrs["weight_names"] = np.array([name.encode()], "S40")
    with pytest.raises(FileFormatError, match="not a complete HDF5 file"):
        load_weights(two(), file)
    with h5py.File(file, "a") as opened:
        opened.attrs["layer_names"] = np.array([name.encode()], "S40")
    with pytest.raises(FileFormatError, match="not a complete HDF5 file"):
        load_weights(two(), file)


def batch_norm(units):
    names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
    return {name: abs(numbers(units)) for name in names}


def inner_model():
    x = Input((3,))
    y = layers.BatchNormalization(name="n")(layers.Dense(3, name="d")(x))
    return Model(x, layers.Dense(3, name="e")(y), name="inner")


@pytest.mark.parametrize("frozen", [(), ("d",), ("d", "n", "e")])
def test_an_inner_model_has_one_group_with_the_trainable_weights_first(tmp_path, frozen):
    d, n, e = dense(3, 3), batch_norm(3), dense(3, 3)
    parts = {"d": d, "n": n, "e": e}
    own = {f"{k}/{name}": v for k, arrays in parts.items() for name, v in arrays.items()}
    still = [k for k in own if "moving" in k or k[0] in frozen]
    if len(frozen) == 3:
        still = list(own)
    group = {k: v for k, v in own.items() if k not in still} | {k: own[k] for k in still}
    x = Input((3,))
    inner = inner_model()
    model = Model(x, inner(x))
    for name in frozen:
        inner.get_layer(name).trainable = False
    load_weights(model, write(tmp_path / "w.h5", None, {"inner": group}, root=""))
    assert np.array_equal(kernel(inner.get_layer("d")), d["kernel:0"])
    assert np.array_equal(kernel(inner.get_layer("e")), e["kernel:0"])
    assert np.array_equal(inner.get_layer("n").moving_mean, n["moving_mean:0"])
    inner.trainable = True  # what was frozen then need not be frozen now
    load_weights(model, write(tmp_path / "v.h5", None, {"inner": group}, root=""))
    assert np.array_equal(kernel(inner.get_layer("e")), e["kernel:0"])


def test_both_directions_follow_each_other(tmp_path):
    model = Sequential([Input((4, 2)), layers.Bidirectional(layers.LSTM(3))])
    shapes = {"kernel:0": (2, 12), "recurrent_kernel:0": (3, 12), "bias:0": (12,)}
    group = {
        f"{way}_lstm/{name}": numbers(*shape)
        for way in ("forward", "backward")
        for name, shape in shapes.items()
    }
    load_weights(model, write(tmp_path / "w.h5", None, {"b": group}, root=""))
    both = model.layers[0]
    assert np.array_equal(both.forward_layer.bias, group["forward_lstm/bias:0"])
    assert np.array_equal(both.backward_layer.kernel, group["backward_lstm/kernel:0"])


class TopLevel(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)
        self.scale = self.add_weight(shape=(3,), name="scale")

    def call(self, inputs):
        return self.dense(inputs) * self.scale


def test_weights_of_the_model_itself(tmp_path):
    model = TopLevel()
    model(np.ones((2, 3), "f"))
    groups = {"dense": dense(3, 3)}
    file = write(tmp_path / "w.h5", None, groups, root="")
    with h5py.File(file, "a") as opened:
        group = opened.create_group("top_level_model_weights")
        group.attrs["weight_names"] = [b"scale:0"]
        group["scale:0"] = np.arange(3, dtype="f")
    load_weights(model, file)
    assert np.asarray(model.scale).tolist() == [0, 1, 2]


class TestCudnn:
    """The arrays of cuDNN, made from those of Keras by the inverse of the conversion."""

    @staticmethod
    def to_cudnn(gates, kernel, recurrent, bias):
        kernels = [part.T.reshape(part.shape, order="C") for part in np.hsplit(kernel, gates)]
        return np.hstack(kernels), np.hstack([part.T for part in np.hsplit(recurrent, gates)]), bias

    @pytest.mark.parametrize("wrapped", [False, True])
    @pytest.mark.parametrize("gates", [3, 4])
    def test_arrays_are_converted(self, tmp_path, gates, wrapped):
        kind = layers.GRU if gates == 3 else layers.LSTM
        layer = kind(2)
        shown = layers.Bidirectional(layer) if wrapped else layer
        model = Sequential([Input((4, 3)), shown])
        ways = ("forward", "backward") if wrapped else ("one",)
        group, expected = {}, []
        for way in ways:
            kernel, recurrent = numbers(3, 2 * gates), numbers(2, 2 * gates)
            bias = numbers(2, 2 * gates)
            changed = self.to_cudnn(gates, kernel, recurrent, bias.reshape(-1))
            names = ("kernel:0", "recurrent_kernel:0", "bias:0")
            group |= {f"{way}/{n}": a for n, a in zip(names, changed, strict=True)}
            expected += [kernel, recurrent, bias if gates == 3 else bias.sum(axis=0)]
        load_weights(model, write(tmp_path / "w.h5", None, {"cu": group}, root=""))
        inner = [shown.forward_layer, shown.backward_layer] if wrapped else [layer]
        found = [one for each in inner for one in (each.kernel, each.recurrent_kernel, each.bias)]
        for one, array in zip(found, expected, strict=True):
            assert np.allclose(one, array)


class TestKeras1:
    def test_gates_are_joined(self, tmp_path):
        gates = {name: (numbers(3, 2), numbers(2, 2), numbers(2)) for name in "icfo"}
        group = {
            f"lstm_{kind}_{gate}": array
            for gate, arrays in gates.items()
            for kind, array in zip("WUb", arrays, strict=True)
        }
        groups = {"norm": batch_norm(3), "lstm": group}
        model = Sequential([Input((4, 3)), layers.BatchNormalization(), layers.LSTM(2)])
        file = write(tmp_path / "w.h5", None, groups, None, root="")
        load_weights(model, file)
        lstm = model.layers[1]
        for index, weight in enumerate((lstm.kernel, lstm.recurrent_kernel, lstm.bias)):
            expected = np.concatenate([gates[gate][index] for gate in "ifco"], -1)
            assert np.array_equal(weight, expected)

    def test_gates_of_a_gru_in_both_directions(self, tmp_path):
        arrays = [one for _ in range(6) for one in (numbers(3, 2), numbers(2, 2), numbers(2))]
        group = {f"p{index}": array for index, array in enumerate(arrays)}
        layer = layers.Bidirectional(layers.GRU(2, reset_after=False))
        model = Sequential([Input((4, 3)), layer])
        load_weights(model, write(tmp_path / "w.h5", None, {"b": group}, "1.2.2", root=""))
        expected = np.concatenate(arrays[9::3], -1)
        assert np.array_equal(layer.backward_layer.kernel, expected)

    @pytest.mark.parametrize(
        ("make", "shape", "axes"),
        [
            (lambda **o: layers.Conv2D(4, (2, 3), **o), (5, 5, 2), (3, 2, 0, 1)),
            (lambda **o: layers.Conv3D(4, (2, 3, 1), **o), (5, 5, 5, 2), (4, 3, 0, 1, 2)),
        ],
    )
    @pytest.mark.parametrize("backend", ["tensorflow", "theano"])
    def test_kernels_with_channels_first(self, tmp_path, make, shape, axes, backend):
        shape = (shape[-1], *shape[:-1])
        layer = make(data_format="channels_first")
        model = Sequential([Input(shape), layer])
        wanted = numbers(*layer.kernel.shape)
        stored = wanted
        if backend == "theano":  # which turns kernels around
            stored = np.flip(wanted, tuple(range(wanted.ndim - 2)))
        group = {"W": stored.transpose(axes), "b": numbers(4)}
        file = write(tmp_path / "w.h5", None, {"c": group}, None, backend, root="")
        load_weights(model, file)
        assert np.array_equal(layer.kernel, wanted)

    @pytest.mark.parametrize("axes", [(0, 1, 2, 3), (3, 2, 0, 1)])
    def test_kernels_of_one_axis(self, tmp_path, axes):
        layer = layers.Conv1D(4, 3)
        model = Sequential([Input((5, 2)), layer])
        wanted = numbers(3, 2, 4)
        group = {"W": wanted[:, None].transpose(axes), "b": numbers(4)}
        load_weights(model, write(tmp_path / "w.h5", None, {"c": group}, None, root=""))
        assert np.array_equal(layer.kernel, wanted)

    def test_kernels_of_transposed_convolutions(self, tmp_path):
        layer = layers.Conv2DTranspose(4, 3)
        model = Sequential([Input((5, 5, 2)), layer])
        wanted = numbers(3, 3, 4, 2)
        group = {"W": wanted.transpose(0, 1, 3, 2), "b": numbers(4)}
        load_weights(model, write(tmp_path / "w.h5", None, {"c": group}, None, root=""))
        assert np.array_equal(layer.kernel, wanted)
