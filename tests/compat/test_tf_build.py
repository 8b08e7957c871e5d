"""Models that override `build`, right and wrong, and Keras's forms of `add_weight`."""

import abc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.compat import tf
from lamina.errors import BuildError, InputError, LaminaError, TraceError


class Block(tf.keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.inner = tf.keras.layers.Dense(units)

    def call(self, inputs):
        return tf.nn.relu(self.inner(inputs))


class Plain(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block(4)
        self.head = tf.keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.block(inputs))


class Forgetful(Plain):
    def build(self, input_shape=None):
        super().build()


class PassesOn(Plain):
    def build(self, input_shape):
        self.scale = self.add_weight("scale", shape=[input_shape[-1]], initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return super().call(inputs * self.scale)


class BuildsChildren(Plain):
    def build(self, input_shape):
        self.block.build(input_shape)
        self.head.build((*input_shape[:-1], 4))
        self.built = True


class BuildsNothing(Plain):
    def build(self, input_shape):
        self.built = True


def paths(layer):
    return list(layer.values())


PLAIN = ["block.inner.kernel", "block.inner.bias", "head.kernel", "head.bias"]


def test_tracked_means_that_the_weights_of_inner_layers_are_those_of_the_outer_one():
    net = Plain()
    assert [type(layer).__name__ for layer in net.layers] == ["Block", "Dense"]
    net(tf.ones((3, 5)))
    assert paths(net) == PLAIN
    assert net.variables[0] is net.block.inner.kernel
    assert len(net.trainable_variables) == 4


def test_building_the_outer_layer_builds_the_inner_ones():
    net = Plain()
    net.build((None, 5))
    assert net.block.built and net.block.inner.built
    assert net.block.inner.kernel.shape == (5, 4)


def test_without_build_of_ones_own_variables_print_after_build():
    net = Plain()
    assert str(net.variables) == "[]"
    net.build((None, 5))
    assert [variable.shape for variable in net.variables] == [(5, 4), (4,), (4, 2), (2,)]


def test_super_build_without_the_shape_is_an_error_that_says_so():
    net = Forgetful()
    assert str(net.variables) == "[]"
    for reach in (lambda: net(tf.ones((3, 5))), lambda: net.build((None, 5))):
        with pytest.raises(BuildError, match=r"super\(\)\.build\(\) of Forgetful") as caught:
            reach()
        assert "super().build(input_shape)" in str(caught.value)
        assert "test_tf_build.py" in str(caught.value)
        assert str(net.variables) == "[]"


@pytest.mark.parametrize("kind", [BuildsChildren, BuildsNothing])
def test_overriding_build_does_not_switch_automatic_building_off(kind):
    built, called = kind(), kind()
    built.build((None, 5))
    called(tf.ones((3, 5)))
    assert paths(built) == paths(called) == PLAIN


def test_a_build_of_ones_own_adds_weights_and_passes_the_shape_on():
    net = PassesOn()
    net.build((None, 5))
    assert paths(net) == [*PLAIN, "scale"]
    assert net(tf.ones((3, 5))).shape == (3, 2)


def test_a_layer_made_inside_call_is_an_error():
    class Careless(tf.keras.Model):
        def call(self, inputs):
            return tf.keras.layers.Dense(2)(inputs)

    with pytest.raises(LaminaError, match=r"Dense is created inside .*call[^$]*__init__"):
        Careless()(tf.ones((3, 5)))


class Linear(tf.keras.layers.Layer):
    """A layer whose weights are declared in the form given."""

    def __init__(self, declare):
        super().__init__()
        self.declare = declare

    def build(self, input_shape):
        self.w = self.declare(self, (int(input_shape[-1]), 2))

    def call(self, inputs):
        return tf.matmul(inputs, self.w)


@pytest.mark.parametrize(
    "declare",
    [
        lambda self, shape: self.add_weight("kernel", shape=list(shape), initializer="ones"),
        lambda self, shape: self.add_weight("kernel", shape, tf.float32, "ones", None, False),
        lambda self, shape: self.add_weight(
            name="kernel", shape=shape, initializer="ones", trainable=False
        ),
        lambda self, shape: self.add_weight(shape, "ones", tf.float32),
        lambda self, shape: self.add_weight(shape=shape, initializer=tf.ones_initializer()),
    ],
)
def test_all_forms_of_add_weight_are_taken(declare):
    layer = Linear(declare)
    np.testing.assert_array_equal(layer(tf.ones((3, 5))), np.full((3, 2), 5.0))
    assert paths(layer) == ["w"]


def test_the_initializer_may_be_left_out_and_the_weight_kept_by_name():
    class Named(tf.keras.layers.Layer):
        def build(self, input_shape):
            self.add_weight("kernel", shape=(input_shape[-1], 2), trainable=False)

        def call(self, inputs):
            return inputs

    layer = Named()
    layer.build((None, 5))
    assert paths(layer) == ["kernel"]
    assert not layer.trainable_variables
    assert np.abs(layer.variables[0].numpy()).max() > 0


def test_what_add_weight_does_not_take_is_named():
    layer = Linear(lambda self, shape: self.add_weight("kernel", shape=shape, partitioner=2))
    with pytest.raises(InputError, match="partitioner"):
        layer(tf.ones((3, 5)))


@pytest.mark.parametrize(
    "declare",
    [
        lambda layer: layer.add_weight((3, 4), shape=(3, 4)),
        lambda layer: layer.add_weight("kernel", name="kernel"),
        lambda layer: layer.add_weight((3, 4), "zeros", "float32", "kernel"),
    ],
)
def test_an_argument_of_add_weight_is_passed_once(declare):
    with pytest.raises(InputError, match="does not support"):
        declare(Plain())


def test_add_weight_takes_penalties_and_constraints():
    def declare(self, shape):
        options = {"regularizer": "l2", "constraint": "non_neg", "synchronization": "auto"}
        return self.add_weight("kernel", shape=shape, initializer="ones", **options)

    layer = Linear(declare)
    layer(tf.ones((3, 5)))
    kernel = layer.variables[0]
    assert kernel.regularizer is not None and kernel.constraint is not None
    np.testing.assert_allclose(layer.losses[0], 0.01 * kernel.shape[0] * kernel.shape[1], rtol=1e-5)
    layer._build_at_init()


def test_every_layer_is_a_layer_and_every_model_a_model():
    layer, model = tf.keras.layers.Layer, tf.keras.Model
    assert issubclass(model, layer) and issubclass(model, lamina.Model)
    assert isinstance(Plain(), model) and isinstance(Block(1), layer)
    assert isinstance(tf.keras.layers.Dense(1), layer)
    assert not isinstance(tf.keras.layers.Dense(1), model)
    assert isinstance(tf.keras.Sequential([]), model) and isinstance(lamina.Sequential([]), layer)
    assert not isinstance(Block(1), Linear) and not isinstance(object(), layer)

    class Abstract(tf.keras.layers.Layer, abc.ABC):
        @abc.abstractmethod
        def call(self, inputs): ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_a_variable_with_a_value_of_its_own_is_a_weight():
    class Scaled(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable([1.0, 2.0], name="factor")
            self.count = tf.Variable(0, trainable=False)

        def call(self, inputs):
            self.count.assign_add(1)
            return inputs * self.factor

    layer = Scaled()
    np.testing.assert_array_equal(layer.factor.numpy(), [1, 2])
    np.testing.assert_array_equal(layer(tf.ones((1, 2))), [[1, 2]])
    assert paths(layer) == ["factor", "count"]
    assert layer.count.numpy() == 1 and layer.count.dtype == tf.int32
    assert [variable.shape for variable in layer.trainable_variables] == [(2,)]


def test_a_variable_made_while_jax_traces_is_an_error():
    class Late(tf.keras.layers.Layer):
        def build(self, input_shape):
            self.w = tf.Variable(tf.zeros((input_shape[-1],)))

        def call(self, inputs):
            return inputs + self.w

    with pytest.raises(TraceError, match="add_weight"):
        Late()(tf.ones((1, 2)))


class Noisy(tf.keras.layers.Layer):
    def call(self, inputs):
        return inputs + tf.random.normal(inputs.shape)


def test_random_numbers_drawn_in_call_follow_the_stream_or_the_key():
    noisy, x = Noisy(), tf.zeros((1, 4))
    draws = []
    for _ in range(2):
        tf.random.set_seed(3)
        draws.append([noisy(x).tolist(), noisy(x).tolist()])
    assert draws[0] == draws[1] and draws[0][0] != draws[0][1]
    fast = lamina.jit(noisy)
    one, other = (fast(x, rng=jax.random.key(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(fast(x, rng=jax.random.key(0)), one)
    assert not np.array_equal(one, other)
    with pytest.raises(LaminaError, match="no random key"):
        fast(x)


def test_two_layers_that_draw_draw_apart_and_train():
    class Two(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.dense = Noisy(), Noisy(), tf.keras.layers.Dense(1)

        def call(self, inputs):
            self.add_loss(tf.reduce_mean(tf.random.uniform((3,), seed=1)))
            return self.dense(self.a(inputs) - self.b(inputs))

    model, x = Two(), np.zeros((8, 2), "float32")
    model.compile("sgd", "mse")
    losses = model.fit(x, x[:, :1], epochs=3, verbose=0).history["loss"]
    assert len(set(losses)) == 3  # new numbers at each step
    apart = lamina.jit(model)(x, rng=jax.random.key(0))
    assert float(jnp.abs(apart - model.dense.bias).max()) > 0


def test_random_numbers_in_build_are_an_error():
    class Late(tf.keras.layers.Layer):
        def build(self, input_shape):
            self.noise = tf.random.normal((3,))

        def call(self, inputs):
            return inputs

    with pytest.raises(TraceError, match="same numbers"):
        Late()(tf.ones((1, 2)))


def test_sequential_runs():
    model = tf.keras.Sequential(
        [tf.keras.layers.Flatten(), tf.keras.layers.Dense(3, activation="relu")]
    )
    assert model(jnp.ones((2, 3, 4))).shape == (2, 3)


def test_an_embedding_masks_the_layers_after_it():
    class Reader(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = tf.keras.layers.Embedding(5, 2, mask_zero=True)
            self.gru = tf.keras.layers.GRU(3)

        def call(self, tokens):
            return self.gru(self.embedding(tokens))

    reader = Reader()
    whole, short = reader(jnp.array([[1, 2, 0, 0]])), reader(jnp.array([[1, 2]]))
    assert jnp.allclose(whole, short, atol=1e-6)
