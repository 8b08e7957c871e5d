"""Programs with one mistake each; what Lamina says of them stands in `messages.txt`.

Run with LAMINA_SNAPSHOT=write to write that file anew, and read the difference.
"""

import os
import re
import traceback
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Model, Sequential, Spec, layers
from lamina.errors import LaminaError
from lamina.training import callbacks

MESSAGES = Path(__file__).with_name("messages.txt")

X = jnp.ones((2, 3))
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


class Net(Layer):
    """A layer around a function of itself and its inputs."""

    def __init__(self, call, **attributes):
        self.function = call
        for name, value in attributes.items():
            setattr(self, name, value)

    def call(self, inputs, **options):
        return self.function(self, inputs, **options)


@program
def a_layer_made_inside_call():
    Net(lambda self, x: layers.Dense(4)(x))(X)


@program
def a_layer_made_inside_call_and_kept():
    def call(self, x):
        if not hasattr(self, "head"):
            self.head = layers.Dense(4)
        return self.head(x)

    Net(call)(X)


@program
def a_dropout_made_inside_call():
    Net(lambda self, x: layers.Dropout(0.5)(x))(X, training=True, rng=jax.random.key(0))


@program
def a_layer_in_a_set():
    Net(lambda self, x: next(iter(self.parts))(x), parts={layers.Dense(4)})(X)


@program
def a_layer_in_a_closure():
    hidden = layers.Dense(4)
    Net(lambda self, x: hidden(x))(X)


@program
def a_misspelt_argument():
    layers.Dense(4, activaton="relu")


@program
def a_misspelt_option():
    layers.Dense(4, trainabel=False)


@program
def an_argument_too_many():
    layers.Dense(4, "relu", True, "zeros", "zeros", "l2")


class Plain:
    pass


@program
def a_layer_in_a_plain_object():
    holder = Plain()
    holder.dense = layers.Dense(4)
    Net(lambda self, x: self.holder.dense(x), holder=holder)(X)


@program
def a_trainable_model_from_outside():
    teacher = layers.Dense(4)
    teacher.build((2, 3))
    Net(lambda self, x: teacher(x))(X)


class ForgetsTheShape(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def build(self, input_shape):
        super().build()

    def call(self, inputs):
        return self.dense(inputs)


@program
def super_build_without_the_shape():
    ForgetsTheShape()(X)


@program
def a_second_call_whose_shape_does_not_fit():
    model = Sequential([layers.Dense(4), layers.Dense(2)])
    model.build((None, 3))
    model(jnp.ones((2, 5)))


@program
def a_shape_that_does_not_fit_beside_a_new_batch_size():
    model = Sequential([layers.Dense(4)])
    model(X)
    model(jnp.ones((7, 5)))


@program
def assign_in_a_scan():
    class Counter(Layer):
        def __init__(self):
            self.count = self.add_weight((), "zeros", trainable=False)

        def call(self, inputs):
            def step(carry, x):
                self.count.assign(self.count + 1)
                return carry, x

            return jax.lax.scan(step, 0, inputs)[1]

    Counter()(X)


@program
def assign_in_a_checkpoint():
    norm = layers.BatchNormalization()
    Net(lambda self, x: jax.checkpoint(self.norm)(x), norm=norm)(X, training=True)


@program
def assign_of_a_tracer_outside_apply():
    norm = layers.BatchNormalization()
    norm(X)
    jax.grad(lambda x: norm(x, training=True).sum())(X)


@program
def one_key_for_all_steps_of_a_scan():
    def call(self, x):
        return jax.lax.scan(lambda c, row: (c, self.drop(row)), 0, x)[1]

    Net(call, drop=layers.Dropout(0.5))(X, training=True, rng=jax.random.key(0))


@program
def random_numbers_without_a_key():
    Sequential([layers.Dense(2), layers.Dropout(0.5)])(X, training=True)


@program
def a_weight_that_needs_an_unknown_dim():
    class Positions(Layer):
        def build(self, input_shape):
            self.table = self.add_weight((input_shape[1], 4))

        def call(self, inputs):
            return inputs + self.table

    Net(lambda self, x: self.positions(x), positions=Positions()).build((None, None, 4))


@program
def a_dict_of_inputs_with_keys_of_several_kinds():
    x = jnp.ones((2, 4))
    Net(lambda self, inputs: self.dense(inputs["a"]), dense=layers.Dense(2))({"a": x, 1: x})


@program
def a_weight_declared_inside_call():
    Net(lambda self, x: x * self.add_weight((3,)))(X)


@program
def a_weight_kept_nowhere():
    class Loses(Layer):
        def build(self, input_shape):
            self.add_weight((3,))

        def call(self, inputs):
            return inputs

    Loses()(X)


@program
def keys_that_collide():
    Net(lambda self, x: self.parts["1"](x), parts={1: layers.Dense(2), "1": layers.Dense(2)})(X)


@program
def a_key_that_holds_a_dot():
    Net(lambda self, x: self.parts["a.b"](x), parts={"a.b": layers.Dense(2)})(X)


@program
def a_missing_input():
    layers.Dense(2)()


@program
def an_input_too_many():
    layers.Dense(2)(X, X)


@program
def an_input_of_an_unknown_name():
    layers.Dense(2)(tokens=X)


@program
def text_as_an_input():
    layers.Dense(2)(np.array(["a", "b"]))


@program
def objects_as_an_input():
    layers.Dense(2)(np.array([object(), None]))


@program
def masked_numbers_as_an_input():
    layers.Dense(2)(np.ma.masked_array(np.ones((2, 3)), mask=True))


@program
def a_negative_dim():
    layers.Dense(2).build((-1, 3))


@program
def a_dtype_that_is_none():
    Spec((2, 3), "float31")


@program
def an_unknown_initializer():
    layers.Dense(2, kernel_initializer="glorot_unifrom")


@program
def an_unknown_activation():
    layers.Dense(2, activation="rleu")


@program
def an_unknown_optimizer():
    Sequential([layers.Dense(2)]).compile("adma", "mse")


@program
def an_unknown_loss():
    Sequential([layers.Dense(2)]).compile("adam", "sparse_categorical_crossentrpy")


@program
def values_that_do_not_fit():
    dense = layers.Dense(2)
    dense(X)
    dense.set_values({"kernel": jnp.ones((3, 3)), "biass": jnp.ones(2)})


@program
def values_for_what_is_not_built():
    layers.Dense(2).set_values({"kernel": X})


@program
def reading_a_weight_before_the_build():
    layer = Net(lambda self, x: x)
    layer.scale = layer.add_weight((3,))
    layer.scale + 1


@program
def an_input_named_rng():
    class Wrong(Layer):
        def call(self, inputs, rng):
            return inputs

    Wrong()(X, X)


@program
def a_layer_without_call():
    class Empty(Layer):
        pass

    Empty()(X)


@program
def fit_before_compile():
    Sequential([layers.Dense(2)]).fit(X, X)


@program
def lengths_that_differ():
    model = Sequential([layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(X, jnp.ones((3, 2)))


@program
def a_loss_that_is_not_one_number():
    class Vector(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

        def train_loss(self, batch):
            return self(batch)

    model = Vector()
    model.compile("adam")
    model.fit(X, verbose=0)


@program
def token_ids_out_of_range():
    model = Sequential([layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(jnp.full((4, 3), 7), jnp.ones((4, 1)), verbose=0)


def fit_with(callback):
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0, callbacks=callback)


@program
def a_callback_that_is_a_class():
    fit_with(callbacks.EarlyStopping)


@program
def a_callback_that_monitors_an_unknown_log():
    fit_with(callbacks.EarlyStopping("val_los"))


@program
def a_path_with_an_unknown_name():
    fit_with(callbacks.ModelCheckpoint("{epoch}-{val_loss}.lamina"))


@program
def a_seed_that_is_no_number():
    lamina.set_seed("zero")


@program
def a_seed_of_a_build_that_is_no_number():
    layers.Dense(2).build((None, 3), seed="zero")


@program
def a_key_that_is_none():
    layers.Dropout(0.5)(X, training=True, rng=0.5)


@program
def a_mode_that_is_none():
    layers.Dropout(0.5)(X, training="yes")


@program
def a_mode_that_is_traced():
    jax.jit(lambda training: layers.Dropout(0.5)(X, training=training))(True)


@program
def a_spec_that_is_no_shape():
    Spec(None)


@program
def a_weight_whose_name_comes_first():
    layers.Layer().add_weight("matrix")


@program
def an_argument_of_build_that_is_no_input():
    class Pair(Layer):
        def build(self, left_shape, other_shape):
            pass

        def call(self, left, right):
            return left + right

    Pair()(X, X)


@program
def an_input_that_does_not_fit_its_spec():
    net = Net(lambda self, x: x)
    net.input_spec = lamina.InputSpec(ndim=3)
    net(X)


@program
def an_input_spec_with_an_axis_too_many():
    lamina.InputSpec(ndim=2, axes={2: 5})


@program
def an_argument_of_calls_registered_too_late():
    net = Net(lambda self, x: x)
    net(X)
    net._register_call_context_args("mode")


@program
def a_flag_that_is_no_bool():
    layers.Dense(2, trainable=1)


@program
def values_in_lists_that_do_not_match():
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.stateless_call([X], [], X)


@program
def a_weight_of_no_shape():
    class Shapeless(Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(None)

        def call(self, inputs):
            return inputs

    Shapeless()(X)


@program
def a_weight_that_its_initializer_cannot_draw():
    class Odd(Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight((3,), "orthogonal")

        def call(self, inputs):
            return inputs * self.kernel

    Sequential([Odd()])(X)


@program
def text_assigned_to_a_weight():
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.bias.assign("zeros")


@program
def a_shape_assigned_to_a_weight():
    layer = Sequential([layers.Dense(2)])
    layer.build((None, 3))
    layer.trainable_variables[1].assign(jnp.ones(3))


@program
def values_that_are_no_arrays():
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.apply({"kernel": "ones", "bias": None}, X)


@program
def values_that_are_no_dict():
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.set_values(list(layer.values().values()))


@program
def a_build_for_other_inputs():
    layer = Sequential([layers.Dense(2)])
    layer.build((None, 3))
    layer.build(("batch", 5))


@program
def records_as_an_input():
    layers.Dense(2)(np.zeros(3, [("a", "f4"), ("b", "i4")]))


@program
def an_optional_input_of_an_unknown_name():
    layers.GRU(2)(jnp.ones((1, 2, 3)), maks=None)


@program
def no_array_as_an_input():
    layers.Dense(2)([[1.0, 2.0]])


@program
def a_method_of_an_unknown_name():
    lamina.jit(layers.Dense(2), method="encode")(X)


@program
def a_method_that_is_no_name():
    layers.Dense(2).build((None, 3), method=3)


@program
def a_function_for_lamina_jit():
    lamina.jit(layers.Dense(2).call)


@program
def training_of_integers():
    model = Sequential([layers.Dense(2)])
    model.build((None, 3))
    model.quantize("int8")
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)


@program
def integers_that_another_layer_reads():
    table = layers.Embedding(5, 3)
    model = Net(lambda self, x: x @ self.table(jnp.arange(2)).T @ table.embeddings[:2], table=table)
    model(X)
    model.quantize("int8")


@program
def a_layer_that_cannot_hold_integers():
    layer = layers.LayerNormalization()
    layer(X)
    layer.quantize("int8")


@program
def a_quantized_dtype_of_a_layer_without_integers():
    layers.LayerNormalization(dtype="int8_from_float32")


@program
def calibration_on_data():
    layer = layers.Dense(2)
    layer(X)
    layer.quantize("gptq")


def message(name):
    """The error of a program, with the lines of this file that it names left open."""
    with pytest.raises(LaminaError) as caught:
        PROGRAMS[name]()
    error = caught.value
    own = [at for at in traceback.extract_tb(error.__traceback__) if at.filename == __file__]
    assert own, "the error comes from the program"
    text = f"{type(error).__name__}: {error}"
    return re.sub(rf"{re.escape(__file__)}:\d+", "program.py:LINE", text)


def written():
    sections = MESSAGES.read_text().split("== ")[1:]
    pairs = (section.split("\n", 1) for section in sections)
    return {name.strip(): text.strip() for name, text in pairs}


@pytest.mark.skipif(os.environ.get("LAMINA_SNAPSHOT") != "write", reason="reads the file")
def test_write():
    sections = [f"== {name}\n{message(name)}\n" for name in PROGRAMS]
    MESSAGES.write_text("\n".join(sections))


@pytest.mark.parametrize("name", PROGRAMS)
def test_message(name):
    assert message(name) == written()[name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_message_ends_with_one_remedy(name):
    assert written()[name].count("  remedy:   ") == 1


def test_nothing_is_written_twice_or_of_no_program():
    assert set(written()) == set(PROGRAMS)
