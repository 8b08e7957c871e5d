"""Stacks, ensembles and rematerialised layers against lists of the layers themselves."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers
from lamina.errors import InputError, TraceError
from tests.close import assert_close

X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4, 8)), "float32")
KEY = jax.random.key(5)


class Noting(Layer):
    """Adds a loss and counts its calls."""

    def __init__(self):
        self.dense = layers.Dense(8, kernel_regularizer="l2", activation="tanh")

    def build(self, input_shape):
        self.count = self.add_weight((), "zeros", trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        outputs = self.dense(inputs)
        self.add_loss(outputs.mean())
        return outputs


BLOCKS = {
    "dense": lambda: layers.Dense(8, activation="tanh"),
    "dropout": lambda: Sequential([layers.Dense(8), layers.Dropout(0.5)]),
    "state": lambda: Sequential([layers.Dense(8), layers.BatchNormalization()]),
    "losses": Noting,
    "recurrent": lambda: layers.GRU(8, return_sequences=True),
    "transformer": lambda: layers.TransformerEncoderBlock(16, 2, dropout=0.5),
    "rematerialised": lambda: lamina.checkpoint(
        Sequential([layers.Dense(8), layers.Dropout(0.5), layers.BatchNormalization()])
    ),
    "nested": lambda: layers.Stack(lambda: Sequential([layers.Dense(8), layers.Dropout(0.25)]), 2),
}
CASES = [
    *[(name, True) for name in BLOCKS],
    *[(name, False) for name in ("dropout", "state", "rematerialised")],  # others: the same program
]


class InList(Layer):
    def __init__(self, make, n):
        self.blocks = [make() for _ in range(n)]

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


class Side(InList):
    def call(self, inputs):
        return jnp.stack([block(inputs) for block in self.blocks])


class Held(Layer):
    def __init__(self, blocks):
        self.blocks = blocks

    def call(self, inputs):
        return self.blocks(inputs)


def by_copy(values, path, n):
    return np.stack([values[path.replace("blocks.block", f"blocks.{i}", 1)] for i in range(n)])


def live(function):
    return function


PROGRAMS = {"live": live, "compiled": jax.jit}
"""A stack is a loop in Python when called live, and one in the program when compiled."""


def run(layer, training):
    """A function of the values that gives outputs, new values, added losses and gradients."""

    def loss(values):
        with lamina.added_losses() as added:
            outputs, new = layer.apply(values, X, training=training, rng=KEY)
        total = sum(added, jnp.zeros(()))
        return (outputs**2).mean() + total, (outputs, new, total)

    def both(values):
        grads, (outputs, new, total) = jax.grad(loss, has_aux=True)(values)
        return outputs, new, total, grads

    return both


def compare(kind, name, training, program):
    """Copies of a block against a list of such blocks, both in one program."""
    make = BLOCKS[name]
    n = 3 if name in ("dense", "state", "losses") else 2  # a long list of the others compiles long
    listed = (InList if kind is layers.Stack else Side)(make, n)
    copies = Held(kind(make, n))
    listed.build(X, seed=3)
    copies.build(X, seed=3)
    values = listed.values()
    for path, value in copies.values().items():
        np.testing.assert_array_equal(value, by_copy(values, path, n))
    of_list, of_copies = run(listed, training), run(copies, training)
    both = program(lambda one, other: (of_list(one), of_copies(other)))
    theirs, ours = both(values, copies.values())
    assert_close(ours[0], theirs[0])
    assert_close(ours[2], theirs[2])
    for which in (1, 3):  # together: some gradients are 0 but for rounding
        mine = [np.zeros(1), *(np.ravel(value) for value in ours[which].values())]
        other = [by_copy(theirs[which], path, n).ravel() for path in ours[which]]
        assert_close(np.concatenate(mine), np.concatenate([np.zeros(1), *other]))


@pytest.mark.parametrize(("name", "training"), CASES)
@pytest.mark.parametrize("kind", [layers.Stack, layers.Ensemble])
def test_copies_are_what_a_list_is(kind, name, training):
    compare(kind, name, training, jax.jit)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[(layers.Stack, name) for name in BLOCKS if name not in ("transformer", "recurrent")],
        (layers.Ensemble, "dropout"),  # an ensemble is `jax.vmap` in either way
    ],
)
def test_copies_called_live_are_what_a_list_is(kind, name):
    compare(kind, name, True, live)


@pytest.mark.as_users_run
def test_an_optimized_stack_is_what_a_list_is():
    """XLA could join what is computed again with what it is computed from."""
    compare(layers.Stack, "rematerialised", True, jax.jit)


def drawn(layer, program):
    layer.build(X)
    return program(lambda x: layer.apply({}, x, training=True, rng=KEY)[0])(X)


@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_again_draw_anew_as_those_of_a_list(program):
    def make():
        return layers.Dropout(0.5)

    class Twice(Held):
        def call(self, inputs):
            return self.blocks(inputs) + 10 * self.blocks(inputs)

    class TwiceList(InList):
        def call(self, inputs):
            first = super().call(inputs)
            return first + 10 * super().call(inputs)

    ours = drawn(Twice(layers.Stack(make, 2)), PROGRAMS[program])
    assert_close(ours, TwiceList(make, 2)(X, training=True, rng=KEY))


@pytest.mark.parametrize("program", PROGRAMS)
def test_stacks_within_stacks_draw_as_lists_within_lists(program):
    class Inner(Layer):
        def __init__(self):
            self.blocks = [layers.Dropout(0.5) for _ in range(2)]

        def call(self, inputs):
            for block in self.blocks:
                inputs = block(inputs)
            return inputs

    class Stacked(Layer):
        def __init__(self):
            self.blocks = layers.Stack(lambda: layers.Dropout(0.5), 2)

        def call(self, inputs):
            return self.blocks(inputs)

    ours = drawn(Held(layers.Stack(Stacked, 3)), PROGRAMS[program])
    assert_close(ours, InList(Inner, 3)(X, training=True, rng=KEY))


def test_a_stack_is_traced_once_whatever_its_depth():
    calls = []

    class Block(Layer):
        def call(self, inputs):
            calls.append(1)
            return inputs * 2

    for n in (2, 20):
        layer = Held(layers.Stack(Block, n))
        layer.build(X)
        calls.clear()
        jax.jit(lambda x, layer=layer: layer.apply({}, x)[0]).lower(X)
        assert len(calls) <= 2


def test_training_saving_and_copying(tmp_path):
    def network():
        return Sequential(
            [
                layers.Dense(8),
                layers.Stack(BLOCKS["rematerialised"](), 3),
                layers.Ensemble(layers.Dense(1), 2),
                layers.Lambda(mean),
            ]
        )

    lamina.set_seed(0)  # dropout and the order of rows move the loss by more than an epoch does
    model = network()
    model.compile("adam", "mse")
    x = np.asarray(X[:, 0])
    before = model.evaluate(x, np.ones((6, 1)), verbose=0)
    model.fit(x, np.ones((6, 1)), epochs=40, verbose=0)
    assert model.evaluate(x, np.ones((6, 1)), verbose=0) < before
    assert set(model.get_config()) and model.count_params() == sum(
        v.size for v in model.values().values()
    )
    model.save(tmp_path / "model.lamina")
    loaded = lamina.load(tmp_path / "model.lamina", custom_objects={"mean": mean})
    outputs = model(x)
    for twin in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin(x), outputs)
    model.save_weights(tmp_path / "weights.safetensors")
    fresh = network()
    fresh.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(fresh(x), outputs)


def mean(x):
    return x.mean(0)


def test_a_mask_reaches_every_block():
    mask = jnp.arange(4) < jnp.asarray([[1], [2], [3], [4], [2], [1]])
    stack = Held(layers.Stack(lambda: layers.LSTM(8, return_sequences=True), 2))
    listed = InList(lambda: layers.LSTM(8, return_sequences=True), 2)
    stack.build(X, seed=1)
    listed.build(X, seed=1)
    outputs = stack.blocks(X, mask=mask)
    for block in listed.blocks:
        inputs = X if block is listed.blocks[0] else inputs  # noqa: F821
        inputs = block(inputs, mask=mask)
    assert_close(outputs, inputs)


def test_a_layer_from_outside_is_shared():
    shared = layers.Dense(8)

    class Block(Layer):
        def __init__(self, shared):
            self.shared = shared

        def call(self, inputs):
            return self.shared(inputs)

    class Net(Layer):
        def __init__(self):
            self.first = shared
            self.blocks = layers.Stack(lambda: Block(shared), 3)

        def call(self, inputs):
            return self.blocks(self.first(inputs))

    net = Net()
    outputs = net(X)
    expected = X
    for _ in range(4):
        expected = shared(expected)
    assert_close(outputs, expected)
    assert list(net.values()) == ["first.kernel", "first.bias"]


def test_constraints_hold_for_each_copy():
    def make():
        return layers.Dense(8, kernel_constraint="unit_norm")

    model = Sequential([layers.Stack(make, 3), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.asarray(X[:, 0]), np.ones((6, 1)), verbose=0)
    kernel = model.layers[0].block.kernel.value
    assert_close(jnp.linalg.norm(kernel, axis=1), jnp.ones((3, 8)))


def test_a_failed_build_leaves_a_stack_as_it_was():
    class Bad(Layer):
        def __init__(self):
            self.scale = self.add_weight((2,), "ones")

        def call(self, inputs):
            raise ValueError("no")

    net = Held(layers.Stack(Bad, 3))
    with pytest.raises(ValueError, match="no"):
        net.build(X)
    assert net.blocks.block.scale.shape == (2,) and not net.built


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_the_number_of_copies_is_a_positive_integer(wrong):
    with pytest.raises(InputError, match="n="):
        layers.Stack(layers.Dense(2), wrong)


def test_what_cannot_be_copied():
    built = layers.Dense(8)
    built(X)
    with pytest.raises(InputError, match="is built"):
        layers.Stack(lambda: built, 2)
    with pytest.raises(InputError, match="make: a layer"):
        layers.Stack(lambda: 3, 2)
    with pytest.raises(InputError, match="differ from its inputs"):
        layers.Stack(layers.Dense(3), 2)(X)
    counting = Noting()

    class Net(Layer):
        def __init__(self):
            self.first = counting
            self.blocks = layers.Stack(lambda: Sequential([counting]), 2)

        def call(self, inputs):
            return self.blocks(self.first(inputs))

    with pytest.raises(TraceError, match="share"):
        Net()(X)


def test_checkpoint_stands_where_a_layer_stands():
    dense = layers.Dense(4)
    wrapped = lamina.checkpoint(dense)
    assert isinstance(wrapped, layers.Remat)
    for holder in (Sequential([wrapped]), Held(wrapped)):
        assert holder(X).shape == (6, 4, 4)
        assert len(holder.variables) == 2


@pytest.mark.parametrize("wrap", [lamina.checkpoint, lambda layer: layer])
def test_one_key_for_all_steps_is_an_error(wrap):
    class Net(Layer):
        def __init__(self):
            self.dropout = layers.Dropout(0.5)
            self.stack = layers.Stack(layers.Dropout(0.5), 2)

        def call(self, inputs):
            layer = wrap(self.stack if self.deep else self.dropout)
            return jax.lax.scan(lambda x, _: (layer(x), None), inputs, None, 3)[0]

    for deep in (False, True):
        Net.deep = deep
        with pytest.raises(TraceError, match="the same in all steps"):
            Net()(X, training=True, rng=KEY)


def test_weights_added_after_the_build_are_those_of_each_copy():
    stack = layers.Stack(layers.Dense(8), 3)
    before = stack(X)
    stack.block.enable_lora(2)
    for call in (stack, lamina.jit(stack), lambda x: stack.apply(stack.values(), x)[0]):
        np.testing.assert_array_equal(call(X), before)  # b is zeros
    assert stack.values()["block.lora.a"].shape == (3, 8, 2)


def test_reports_explain_the_axis_of_copies(capsys):
    layers.Stack(layers.Dense(8), 3).explain()
    stack = layers.Stack(layers.Dense(8), 3)
    stack.build(X)
    capsys.readouterr()
    stack.explain()
    assert "3 copies, 8 = axis -1 of inputs, 8 = units" in capsys.readouterr().out
