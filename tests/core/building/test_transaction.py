"""Building: every form of `build`, what a user's own may do, and that failure changes nothing."""

import abc
import copy
import dataclasses
import pickle
import threading
from typing import Generic, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Spec
from lamina.core.tree.memento import Memento
from lamina.layers.noise import Noise


class Affine(Layer):
    def __init__(self, units=3):
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units))
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


class Attention(Layer):
    def __init__(self, units):
        super().__init__()
        self.W1, self.W2, self.V = Affine(units), Affine(units), Affine(1)

    def call(self, query, values, mask=None):
        scores = self.V(jnp.tanh(self.W1(query)[:, None] + self.W2(values)))
        if mask is not None:
            scores = jnp.where(mask[..., None], scores, -1e9)
        weights = jax.nn.softmax(scores, 1)
        return (weights * values).sum(1), weights


PATHS = ["W1.kernel", "W1.bias", "W2.kernel", "W2.bias", "V.kernel", "V.bias"]
Q, V = jnp.ones((2, 5)), jnp.ones((2, 7, 6))
FORMS = {
    "call": lambda a: a(Q, V),
    "call by name": lambda a: a(values=V, query=Q),
    "shapes": lambda a: a.build((2, 5), (2, 7, 6)),
    "lists": lambda a: a.build([2, 5], [2, 7, 6]),
    "unknown": lambda a: a.build((None, 5), (None, None, 6)),
    "names": lambda a: a.build(query=("batch", 5), values=Spec(("batch", "time", 6))),
    "keras names": lambda a: a.build(query_shape=(2, 5), values_shape=(2, 7, 6)),
    "arrays": lambda a: a.build(Q, np.ones((2, 7, 6), np.float32)),
    "structs": lambda a: a.build(Q, jax.ShapeDtypeStruct((2, 7, 6), jnp.float32)),
    "with an optional input": lambda a: a.build((2, 5), (2, 7, 6), Spec((2, 7), "bool")),
    "jit": lambda a: lamina.jit(a)(Q, V),
    "numpy": lambda a: a(np.asarray(Q), np.asarray(V)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_builds_the_same_weights(form):
    lamina.set_seed(1)
    layer = Attention(4)
    assert layer.variables == [] and not layer.built
    FORMS[form](layer)
    lamina.set_seed(1)
    other = Attention(4)
    other(Q, V)
    assert list(layer.values()) == PATHS and layer.built
    for path, value in other.values().items():
        np.testing.assert_array_equal(value, layer.values()[path])


def test_a_plan_allocates_nothing_and_changes_nothing():
    layer = Attention(4)
    before = Memento()
    before.add(layer)
    plan = layer.plan((None, 5), (None, "time", 6))
    after = Memento()
    after.add(layer)
    assert str(before.states) == str(after.states)
    assert [v.path for v in plan.variables] == PATHS
    assert plan.count_params() == 5 * 4 + 4 + 6 * 4 + 4 + 4 + 1
    assert plan.nbytes == 4 * plan.count_params()
    assert [c.path for c in plan.calls] == ["", "W1", "W2", "V"]
    assert plan.calls[0].outputs[1].shape == (None, "time", 1)
    assert not layer.built and layer.variables == []
    assert not plan.diff(layer.plan((3, 5), (3, 7, 6)))
    changed = layer.plan((2, 5), (2, 7, 8)).diff(plan).changed
    assert changed[0][0].path == "W2.kernel"
    assert '"W1.kernel"' in plan.to_json()


def test_a_plan_uses_up_no_seed():
    lamina.set_seed(1)
    planned = Affine()
    planned.plan((1, 2))
    planned.build((1, 2))
    lamina.set_seed(1)
    other = Affine()
    other.build((1, 2))
    np.testing.assert_array_equal(planned.values()["kernel"], other.values()["kernel"])
    third = Affine()
    third.build((1, 2))
    assert not np.array_equal(third.values()["kernel"], other.values()["kernel"])
    fixed = Affine()
    fixed.build((1, 2), seed=1)
    np.testing.assert_array_equal(fixed.values()["kernel"], other.values()["kernel"])


class OwnThenSuper(Layer):
    def __init__(self):
        self.inner = Affine()

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones")
        super().build(input_shape)

    def call(self, inputs):
        return self.inner(inputs * self.scale)


class ChildrenByHand(Layer):
    def __init__(self):
        self.one, self.two = Affine(4), Affine(2)

    def build(self, input_shape):
        self.one.build(input_shape)
        self.two.build((*input_shape[:-1], 4))
        self.seen = self.one.kernel.shape

    def call(self, inputs):
        return self.two(self.one(inputs))


class ChildrenMadeInBuild(Layer):
    def build(self, input_shape):
        self.blocks = [Affine(input_shape[-1]) for _ in range(2)]
        self.blocks[0].build(input_shape)

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


class ForgetsChildren(Layer):
    def __init__(self):
        self.inner = Affine()

    def build(self, input_shape):
        self.built = True

    def call(self, inputs):
        return self.inner(inputs)


class NestedInput(Layer):
    def build(self, input_shape):
        self.seen = input_shape
        self.w = self.add_weight((input_shape["a"][-1], input_shape["b"][1][-1]))

    def call(self, inputs):
        return inputs["a"] @ self.w + inputs["b"][1]


class ByNames(Layer):
    def build(self, query_shape, values_shape, mask_shape=None):
        self.seen = (query_shape, values_shape, mask_shape)
        self.w = self.add_weight((query_shape[-1], values_shape[-1]))

    def call(self, query, values, mask=None):
        return query @ self.w + values


class ByPosition(Layer):
    def build(self, first, second):
        self.seen = (first, second)
        self.w = self.add_weight((first[-1], second[-1]))

    def call(self, query, values):
        return query @ self.w + values


class FirstOnly(Layer):
    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], 6))

    def call(self, query, values):
        return query @ self.w + values


@pytest.mark.parametrize("how", ["call", "build"])
@pytest.mark.parametrize(
    ("kind", "shapes", "paths"),
    [
        (OwnThenSuper, [(2, 3)], ["inner.kernel", "inner.bias", "scale"]),
        (ChildrenByHand, [(2, 3)], ["one.kernel", "one.bias", "two.kernel", "two.bias"]),
        (
            ChildrenMadeInBuild,
            [(2, 3)],
            ["blocks.0.kernel", "blocks.0.bias", "blocks.1.kernel", "blocks.1.bias"],
        ),
        (ForgetsChildren, [(2, 3)], ["inner.kernel", "inner.bias"]),
        (NestedInput, [{"a": (2, 3), "b": [(2, 1), (2, 6)]}], ["w"]),
        (ByNames, [(2, 3), (2, 6)], ["w"]),
        (ByPosition, [(2, 3), (2, 6)], ["w"]),
        (FirstOnly, [(2, 3), (2, 6)], ["w"]),
    ],
)
def test_a_users_build_in_every_form(kind, shapes, paths, how):
    layer = kind()
    arrays = jax.tree.map(jnp.ones, shapes, is_leaf=lambda s: isinstance(s, tuple))
    if how == "build":
        layer.build(*shapes)
    layer(*arrays)
    assert list(layer.values()) == paths
    layer(*jax.tree.map(lambda a: jnp.concatenate([a, a]), arrays))
    assert list(layer.values()) == paths


def test_by_name_shapes_that_were_left_out_are_not_there():
    layer = ByNames()
    layer.build((2, 3), (2, 6))
    assert layer.seen == ((2, 3), (2, 6), None)
    other = ByNames()
    other.build((None, 3), (None, 6))
    assert other.seen == ((None, 3), (None, 6), None)


class Remembers(Layer):
    def __init__(self):
        self.inner = Affine()
        self.log = []

    def build(self, input_shape):
        self.from_build = input_shape

    def call(self, inputs):
        self.last = inputs
        self.log.append(inputs)
        return self.inner(inputs)


def test_what_call_sets_while_planning_is_undone_and_what_build_sets_stays():
    layer = Remembers()
    layer.build((None, 2))
    assert layer.from_build == (None, 2)
    assert not hasattr(layer, "last") and layer.log == []
    layer(jnp.ones((1, 2)))
    assert not isinstance(layer.last, jax.core.Tracer) and len(layer.log) == 1


class Slots(Layer):
    __slots__ = ("__hidden", "inner")

    def __init__(self):
        self.inner = Affine()
        self.__hidden = Affine(2)

    def call(self, inputs):
        return self.__hidden(self.inner(inputs))


@dataclasses.dataclass
class Data(Layer):
    units: int
    layers: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.layers = [Affine(self.units), Affine(self.units)]

    def call(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs


@dataclasses.dataclass(frozen=True)
class Frozen(Layer):
    inner: Layer = dataclasses.field(default_factory=Affine)

    def call(self, inputs):
        return self.inner(inputs)


class Forgetful:
    def __init_subclass__(cls, **kwargs):
        pass


T = TypeVar("T")


class Typed(Forgetful, Layer, Generic[T]):
    def __init__(self):
        self.inner = Affine()

    def call(self, inputs):
        return self.inner(inputs)


class Abstract(Layer, abc.ABC):
    @abc.abstractmethod
    def build(self, input_shape): ...


class Concrete(Abstract):
    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1],))

    def call(self, inputs):
        return inputs * self.w


class CanCall(Protocol):
    def call(self, inputs): ...


class Protocolled(Layer, CanCall):
    def __init__(self):
        self.inner = Affine()

    def call(self, inputs):
        return self.inner(inputs)


class OwnNames(Layer):
    def __init__(self):
        self.layers = [Affine(), Affine()]
        self.values = 3
        self.variables = "mine"
        self.plan = None
        self.name = "x"
        self.weights = self.summary = self.apply = 1

    def call(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs * self.values


@pytest.mark.parametrize(
    "make",
    [Slots, lambda: Data(3), Frozen, Typed, Concrete, Protocolled, OwnNames],
    ids=["slots", "dataclass", "frozen", "generic", "abstract", "protocol", "own names"],
)
def test_classes_of_all_kinds(make):
    layer, x = make(), jnp.ones((2, 3))
    expected = layer(x)
    assert layer.built
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x), expected)
    fresh = copy.deepcopy(make())
    fresh.build(x)
    assert fresh.built


@pytest.mark.parametrize("make", [Slots, Concrete])
def test_a_shallow_copy_is_built_apart(make):
    layer, x = make(), jnp.ones((2, 3))
    twin = copy.copy(layer)
    expected = layer(x)
    assert not twin.built
    twin(x)
    np.testing.assert_array_equal(copy.copy(layer)(x), expected)


def test_abstract_layers_stay_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_equal_dataclass_layers_are_two_layers():
    class Two(Layer):
        def __init__(self):
            self.a, self.b = Data(3), Data(3)

        def call(self, inputs):
            return self.b(self.a(inputs))

    layer = Two()
    layer.build((1, 3))
    assert len(layer.variables) == 8


class Breaks(Layer):
    def __init__(self):
        self.items, self.table = [1, 2], {"k": 1}
        self.inner = Affine()
        self.broken = True

    def build(self, input_shape):
        self.extra = Affine()
        self.items.append(3)
        self.table["new"] = 2
        self.scale = self.add_weight((input_shape[-1],))

    def call(self, inputs):
        self.items.append(4)
        self.touched = True
        outputs = self.inner(inputs)
        if self.broken:
            raise RuntimeError("on purpose")
        return self.extra(outputs)


@pytest.mark.parametrize(
    "enter", [lambda m: m(jnp.ones((2, 3))), lambda m: m.build((2, 3)), lambda m: m.plan((2, 3))]
)
def test_a_failed_build_leaves_no_trace(enter):
    layer = Breaks()
    before = dict(layer.__dict__)
    with pytest.raises(RuntimeError, match="on purpose"):
        enter(layer)
    assert layer.__dict__ == before
    assert layer.items == [1, 2] and layer.table == {"k": 1}
    assert (
        not layer.built
        and not layer.inner.built
        and layer.inner.__dict__.keys()
        == {
            "_lamina",
            "units",
        }
    )
    layer.broken = False
    layer.build((2, 3))
    assert layer.items == [1, 2, 3] and layer.table == {"k": 1, "new": 2}
    assert list(layer.values()) == [
        "inner.kernel",
        "inner.bias",
        "extra.kernel",
        "extra.bias",
        "scale",
    ]


def test_a_failing_initializer_changes_nothing():
    def bad(key, shape, dtype):
        raise RuntimeError("no draw")

    class Bad(Layer):
        def build(self, input_shape):
            self.a = self.add_weight((3,))
            self.b = self.add_weight((3,), bad)

        def call(self, inputs):
            return inputs * self.a * self.b

    layer = Bad()
    with pytest.raises(Exception, match="no draw"):
        layer(jnp.ones(3))
    assert not layer.built and set(vars(layer)) == {"_lamina"}


def test_threads_build_once():
    lamina.set_seed(5)
    layer, outputs = Attention(8), []
    threads = [threading.Thread(target=lambda: outputs.append(layer(Q, V)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outputs) == 8
    for output in outputs:
        np.testing.assert_array_equal(output, outputs[0])
    lamina.set_seed(5)
    other = Attention(8)
    np.testing.assert_array_equal(other(Q, V)[0], outputs[0])


def test_a_head_replaced_after_the_build_is_built_alone():
    class Net(Layer):
        def __init__(self):
            self.body, self.head = Affine(4), Affine(2)

        def call(self, inputs):
            return self.head(self.body(inputs))

    model, x = Net(), jnp.ones((2, 3))
    compiled = lamina.jit(model)
    compiled(x)
    body = model.values()["body.kernel"]
    model.head = Affine(7)
    assert list(model.values()) == ["body.kernel", "body.bias"]
    assert model(x).shape == (2, 7)
    assert compiled(x).shape == (2, 7)
    np.testing.assert_array_equal(model.values()["body.kernel"], body)
    model.head = Affine(5)
    assert compiled(x).shape == (2, 5)
    np.testing.assert_allclose(compiled(x), model(x), atol=1e-6)
    model.extra = Affine(5)
    model(x)
    assert "extra.kernel" not in model.values()


def test_shared_layers_and_tied_variables_are_one():
    class Tied(Layer):
        def __init__(self):
            self.a = Affine(3)
            self.b = self.a
            self.blocks = [self.a, {"again": self.a}]

        def build(self, input_shape):
            self.a.build(input_shape)
            self.kernel = self.a.kernel

        def call(self, inputs):
            return self.b(self.a(inputs)) @ jnp.transpose(self.kernel)

    layer = Tied()
    plan = layer.plan((2, 3))
    layer.build((2, 3))
    assert len(layer.variables) == 2 and layer.count_params() == 12
    assert plan.aliases["b"] == "a" and plan.aliases["blocks.1.again.kernel"] == "a.kernel"
    assert plan.aliases["kernel"] == "a.kernel"
    twin = copy.deepcopy(layer)
    assert twin.a is twin.b and twin.kernel is twin.a.kernel


def test_several_methods_build_one_set_of_weights():
    class Auto(Layer):
        def __init__(self):
            self.encoder, self.decoder = Affine(2), Affine(3)

        def call(self, x):
            return self.decode(self.encode(x))

        def encode(self, x):
            return self.encoder(x)

        def decode(self, z):
            return self.decoder(z)

    layer, x = Auto(), jnp.ones((4, 3))
    layer.build((None, 3), method="encode")
    assert list(layer.values()) == ["encoder.kernel", "encoder.bias"]
    code = lamina.jit(layer, method="encode")(x)
    assert layer.plan((None, 2), method="decode").unused == ("encoder",)
    layer.build((None, 2), method="decode")
    kernel = layer.values()["encoder.kernel"]
    np.testing.assert_allclose(layer(x), layer.apply(layer.values(), code, method="decode")[0])
    np.testing.assert_array_equal(kernel, layer.values()["encoder.kernel"])


def test_what_is_built_is_planned_in_one_mode():
    """A call that can add nothing is traced as it is asked for, and no more."""
    modes = []

    class ChangeDetector(Layer):
        def __init__(self):
            self.main, self.then = Affine(2), Affine(2)

        def call(self, inputs, training=False):
            modes.append(training)
            return self.then(self.main(inputs))

    layer = ChangeDetector()
    layer.build((2, 3))
    assert modes == [False, True]
    layer(jnp.ones((4, 3)))  # a signature that was not planned
    assert modes == [False, True, False, False]  # the plan, the call
    layer.then = Affine(5)  # something to build: both modes again
    modes.clear()
    layer(jnp.ones((5, 3)))
    assert modes == [False, True, False]


def test_layers_that_are_alike_in_both_modes_are_planned_in_one():
    """Dropout and its like read the mode for numbers alone; whoever overrides them may do more."""
    traced = []

    class ChangeDetector(Layer):
        def __init__(self, dropout):
            self.main, self.dropout = lamina.layers.GRU(2, dropout=0.1), dropout

        def call(self, inputs):
            traced.append(self.dropout)
            return self.dropout(self.main(inputs))

    class More(lamina.layers.Dropout):
        def __init__(self, rate):
            super().__init__(rate)
            self.aux = Affine(2)

        def call(self, inputs, training=False):
            return self.aux(inputs) if training else super().call(inputs, training)

    class Noisier(Noise):
        def __init__(self, amount):
            super().__init__(amount)
            self.aux = Affine(2)

        def noisy(self, key, inputs):
            return self.aux(inputs)

    ChangeDetector(lamina.layers.Dropout(0.5)).build((2, 3, 4))
    assert len(traced) == 1
    for kind in (More, Noisier):
        traced.clear()
        layer = ChangeDetector(kind(0.5))
        layer.build((2, 3, 4))
        assert len(traced) == 2 and layer.dropout.aux.built


def test_both_training_modes_are_planned():
    class Auxiliary(Layer):
        def __init__(self):
            self.main, self.aux = Affine(2), Affine(1)

        def call(self, inputs, training=False):
            return (self.main(inputs), self.aux(inputs)) if training else self.main(inputs)

    layer = Auxiliary()
    layer(jnp.ones((2, 3)))
    assert list(layer.values()) == ["main.kernel", "main.bias", "aux.kernel", "aux.bias"]

    class FailsInTraining(Layer):
        def __init__(self):
            self.main = Affine(2)

        def call(self, inputs, training=False):
            if training:
                raise RuntimeError("not in training")
            return self.main(inputs)

    plan = FailsInTraining().plan((2, 3))
    assert plan.notes == ("with training=True: not in training",)


def test_zero_size_batches_and_many_dims():
    layer = Affine()
    assert layer(jnp.ones((0, 4))).shape == (0, 3)
    assert layer(jnp.ones((2, 5, 4))).shape == (2, 5, 3)


def test_unknown_dims_that_programs_reshape():
    class Patches(Layer):
        def __init__(self):
            self.inner = Affine(4)

        def call(self, images):
            batch, height, width, channels = images.shape
            tiles = images.reshape(batch, height // 16, 16, width // 16, 16, channels)
            return self.inner(tiles.transpose(0, 1, 3, 2, 4, 5).reshape(batch, -1, 256 * channels))

    layer = Patches()
    layer.build((None, None, None, 3))
    assert layer.values()["inner.kernel"].shape == (768, 4)


def test_large_programs_get_the_second_pair_of_sizes():
    class Pooled(Layer):
        def __init__(self):
            self.inner = Affine(4)

        def call(self, signal):
            return self.inner(signal[:, 150::10].mean(1))

    layer = Pooled()
    layer.build((None, None, 3))
    assert layer.built


def test_external_models_built_and_frozen_are_allowed():
    teacher = Affine()
    teacher.build((2, 3))
    teacher.trainable = False

    class Student(Layer):
        def __init__(self):
            self.inner = Affine()

        def call(self, inputs):
            return self.inner(inputs) - teacher(inputs)

    layer = Student()
    plan = layer.plan((2, 3))
    assert len(plan.external) == 1 and "Affine" in plan.external[0]
    layer.build((2, 3))
    assert list(layer.values()) == ["inner.kernel", "inner.bias"]
    x = jnp.ones((2, 3))
    np.testing.assert_allclose(lamina.jit(layer)(x), layer(x), atol=1e-6)


def test_a_weight_without_an_attribute_goes_by_its_name():
    class Named(Layer):
        def build(self, input_shape):
            self.add_weight((3,), "ones", name="hidden")
            self.shown = self.add_weight((3,), name="other")

        def call(self, inputs):
            return inputs * self.shown

    layer = Named()
    layer.build((2, 3))
    assert sorted(layer.values()) == ["hidden", "shown"]
    assert sorted(layer.plan((2, 3)).aliases) == []


def test_weights_declared_in_init_and_lists_of_them():
    class Early(Layer):
        def __init__(self):
            self.scale = self.add_weight((3,), "ones")
            self.parts = [self.add_weight((3,), "zeros") for _ in range(2)]

        def call(self, inputs):
            return inputs * self.scale + self.parts[0] + self.parts[1]

    layer = Early()
    assert layer.variables == []
    np.testing.assert_array_equal(layer(jnp.ones((2, 3))), jnp.ones((2, 3)))
    assert list(layer.values()) == ["scale", "parts.0", "parts.1"]


def test_cycles_are_safe():
    class Child(Layer):
        def __init__(self, parent):
            self.parent, self.inner = parent, Affine()

        def call(self, inputs):
            return self.inner(inputs)

    class Parent(Layer):
        def __init__(self):
            self.child = Child(self)
            self.loop = [self]
            self.loop.append(self.loop)

        def call(self, inputs):
            return self.child(inputs)

    layer = Parent()
    layer(jnp.ones((2, 3)))
    assert list(layer.values()) == ["child.inner.kernel", "child.inner.bias"]


def test_freezing_a_subtree():
    layer = Attention(4)
    layer.build(Q, V)
    layer.W1.trainable = False
    assert list(layer.values(trainable=False)) == ["W1.kernel", "W1.bias"]
    assert len(layer.trainable_variables) == 4 and len(layer.non_trainable_weights) == 2
    layer.trainable = False
    assert layer.trainable_variables == []
