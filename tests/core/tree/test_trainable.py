"""`trainable`: assigned downwards, kept by copies, configs and files, and true of what trains."""

import copy
import functools
import pickle

import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, Trainer, Variable, layers
from lamina.models.clone import clone_model

X = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
Y = X[:, :2]


def stack(kit):
    return kit.Sequential([kit.Input((3,)), *(kit.layers.Dense(n) for n in (4, 5, 2))])


def graph(kit):
    x = h = kit.Input((3,))
    for units in (4, 5, 2):
        h = kit.layers.Dense(units)(h)
    return kit.Model(x, h)


def dense_layers(model):
    return [layer for layer in model.layers if type(layer).__name__ == "Dense"]


def one_by_one_then_whole(model):
    for layer in model.layers:
        layer.trainable = False
    model.trainable = True


def whole_then_last(model):
    model.trainable = False
    dense_layers(model)[-1].trainable = True


def all_but_last(model):
    for layer in dense_layers(model)[:-1]:
        layer.trainable = False


def one_weight(model):
    model.trainable = False
    dense_layers(model)[0].kernel.trainable = True


def whole(model):
    model.trainable = False


def back_again(model):
    whole(model)
    model.trainable = True


WAYS = one_by_one_then_whole, whole_then_last, all_but_last, one_weight, whole, back_again


@pytest.mark.parametrize("make", [stack, graph])
@pytest.mark.parametrize("change", WAYS)
def test_what_trains_is_that_of_keras(make, change):
    found = []
    for kit in (lamina, keras):
        base = make(kit)
        change(base)
        outer = kit.Sequential([kit.Input((3,)), base, kit.layers.Dense(1)])
        found.append(
            (
                base.trainable,
                [layer.trainable for layer in dense_layers(base)],
                [tuple(v.shape) for v in base.trainable_variables],
                [tuple(v.shape) for v in base.non_trainable_variables],
                [tuple(v.shape) for v in outer.trainable_weights],
                [tuple(v.shape) for v in outer.non_trainable_weights],
            )
        )
    assert found[0] == found[1]


def trained(model, x=X, y=Y):
    """The paths of the variables that a step of training changes."""
    model.build(x.shape)
    before = model.values()
    Trainer(model, "sgd", "mse").step((x, y))
    after = model.values()
    return {path for path, value in before.items() if not np.array_equal(value, after[path])}


class Block(Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(3), {"norm": layers.BatchNormalization()}]
        self.shift = self.add_weight((3,), "zeros")

    def call(self, inputs, training=False):
        return self.parts[1]["norm"](self.parts[0](inputs)) + self.shift


class Net(Model):
    def __init__(self):
        super().__init__()
        self.base, self.head = Block(), layers.Dense(2)

    def call(self, inputs):
        return self.head(self.base(inputs))


@pytest.mark.parametrize("built", [True, False], ids=["built", "unbuilt"])
def test_a_subclass_is_frozen_and_thawed_with_all_that_it_holds(built):
    net = Net()
    if built:
        net.build((8, 3))
    net.base.trainable = False
    assert trained(net) == {"head.kernel", "head.bias"}
    assert not net.base.parts[0].trainable and not net.base.parts[0].kernel.trainable
    net.base.parts[0].trainable = True
    assert trained(net) >= {"head.kernel", "base.parts.0.kernel"}
    assert "base.parts.1.norm.gamma" not in trained(net)
    net.trainable = True
    assert trained(net) >= {"base.parts.1.norm.moving_mean", "base.parts.1.norm.beta", "base.shift"}
    assert not net.base.parts[1]["norm"].moving_mean.trainable


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Block(trainable=False),
        lambda: Sequential([layers.Dense(3)], trainable=False),
        lambda: layers.TimeDistributed(layers.Dense(3), trainable=False),
        lambda: layers.Bidirectional(layers.GRU(2), trainable=False),
        lambda: layers.RNN(layers.GRUCell(2), trainable=False),
        lambda: layers.Stack(layers.Dense(3), 2, trainable=False),
    ],
)
def test_a_layer_made_frozen_freezes_what_it_makes_and_tells(layer):
    frozen = layer()
    x = np.ones((2, 5, 3), "float32")
    model = Sequential([frozen, layers.Dense(1)])
    model.build(x.shape)
    assert [v.shape[-1] for v in model.trainable_variables] == [1, 1]
    assert not any(v.trainable for v in frozen.variables)
    assert not any(inner.trainable for inner in frozen.layers)
    frozen.trainable = True
    assert len(model.trainable_variables) > 2


def test_batch_normalization_in_a_frozen_layer_uses_its_averages():
    net = Net()
    net.build((8, 3))
    net.base.trainable = False
    norm = net.base.parts[1]["norm"]
    before = np.array(norm.moving_mean)
    outputs = net(X, training=True)
    np.testing.assert_array_equal(norm.moving_mean, before)
    np.testing.assert_allclose(outputs, net(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lamina.jit(net)(X, training=True), outputs, rtol=1e-4, atol=1e-6)
    norm.trainable = True
    net(X, training=True)
    assert not np.array_equal(norm.moving_mean, before)


def test_flags_of_variables_survive_a_call_of_another_shape():
    layer = layers.Dense(2)
    layer.build((4, 3))
    layer.kernel.trainable = False
    layer(np.ones((5, 6, 3)))
    assert [v.trainable for v in layer.variables] == [False, True]


def test_a_frozen_variable_is_seen_by_the_next_step():
    model = stack(lamina)
    trainer = Trainer(model, "sgd", "mse")
    trainer.step((X, Y))
    first = model.layers[0]
    first.kernel.trainable = False
    kernel, bias = np.array(first.kernel), np.array(first.bias)
    trainer.step((X, Y))
    np.testing.assert_array_equal(first.kernel, kernel)
    assert not np.array_equal(first.bias, bias)


def test_lora_keeps_its_kernel_frozen_when_the_model_is_thawed():
    model = stack(lamina)
    model.layers[0].enable_lora(1)
    model(X)
    model.trainable = False
    assert not model.trainable_variables
    model.trainable = True
    assert not model.layers[0].kernel.trainable
    assert {"layers.0.lora.a", "layers.0.bias"} <= set(model.values(trainable=True))


def test_a_graph_through_layers_of_a_frozen_base():
    base = graph(lamina)
    base.trainable = False
    model = Model(base.input, layers.Dense(1)(base.output))
    assert [v.shape for v in model.trainable_variables] == [(2, 1), (1,)]


def paths(model):
    return set(model.values(trainable=True))


@functools.cache
def changed(make, change):
    """A model, which all tests of its copies share."""
    model = make()
    if not model.built:
        model.build((8, 3))
    change(model)
    return model


def through_a_file(model, folder):
    model.save(folder / "model.safetensors")
    return lamina.load(folder / "model.safetensors")


NESTED = {
    "sequential": lambda: Sequential([Input((3,)), stack(lamina), layers.Dense(1)]),
    "graph": lambda: nested_graph(),
    "subclass": Net,
}
COPIES = {
    "clone": lambda model, _: clone_model(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "file": through_a_file,
}


def nested_graph():
    x = Input((3,))
    return Model(x, layers.Dense(1)(graph(lamina)(x)))


def last_of_the_base(model):
    base = next(layer for layer in model.layers if getattr(layer, "layers", []))
    base.trainable = False
    base.layers[-1].trainable = True
    dense_layers(base)[0].bias.trainable = True


def first_weight(model):
    next(iter(model.variables)).trainable = False


@pytest.mark.parametrize("make", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("change", [last_of_the_base, first_weight, whole, back_again])
def test_a_copy_trains_what_its_original_trains(make, way, change, tmp_path):
    model = changed(make, change)
    twin = way(model, tmp_path)
    assert paths(twin) == paths(model)
    assert [layer.trainable for layer in twin.layers] == [layer.trainable for layer in model.layers]
    whole(twin)
    assert not paths(twin) and model.trainable == (change is not whole)
    twin.trainable = True
    assert len(paths(twin)) == len([v for v in twin.variables if v.is_parameter])


@pytest.mark.parametrize("make", [NESTED["sequential"], NESTED["graph"]])
@pytest.mark.parametrize("change", [whole, back_again])
def test_a_config_keeps_the_flags_of_layers(make, change):
    model = changed(make, change)
    twin = type(model).from_config(model.get_config())
    assert paths(twin) == paths(model) and twin.trainable == model.trainable
    base = changed(make, lambda model: setattr(model.layers[-1], "trainable", False))
    assert paths(type(base).from_config(base.get_config())) == paths(base)
    assert (
        layers.Dense.from_config(layers.Dense(2, trainable=False).get_config()).trainable is False
    )


class Holder(Layer):
    def __init__(self):
        super().__init__()
        self.weight = Variable((3,), "ones")
        self.trainable = False
        self.inner = layers.Dense(2)

    def call(self, inputs):
        return self.inner(inputs * self.weight)


def test_a_layer_that_freezes_itself_in_its_constructor():
    model = Sequential([Holder(), layers.Dense(2)])
    assert {variable.path for variable in model.plan((8, 3)).variables if variable.trainable} == {
        "layers.1.kernel",
        "layers.1.bias",
    }
    model.build((8, 3))
    assert paths(model) == {"layers.1.kernel", "layers.1.bias"}
    assert not model.layers[0].inner.trainable


def test_a_flag_that_build_assigns_stays() -> None:
    class Frozen(lamina.Layer):
        def __init__(self) -> None:
            self.inner = layers.Dense(3)

        def build(self, input_shape) -> None:
            self.shift = self.add_weight((input_shape[-1],))
            self.trainable = False

        def call(self, inputs):
            return self.inner(inputs + self.shift)

    model = lamina.Sequential([Frozen(), layers.Dense(1)])
    model.plan((None, 4))
    assert model.layers[0].trainable
    model.build((None, 4))
    assert not model.layers[0].trainable and not model.layers[0].inner.trainable
    assert [v.shape for v in model.trainable_variables] == [(3, 1), (1,)]
