"""Correct code with the types that pyright finds in it; `test_accepted.py` runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_type

import jax
import jax.numpy as jnp
import numpy as np

from lamina import InputSpec, Layer, Model, Sequential, Variable, layers
from lamina.distribute import PlacedPlan, Placement
from lamina.training.callbacks import History

inputs = jnp.ones((2, 3))


class Scale(Layer):
    """A layer as users write it: attributes of its own, options passed on."""

    def __init__(self, factor: float, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor
        self.inner = layers.Dense(3, kernel_regularizer="l2")

    def build(self, input_shape: Sequence[int]) -> None:
        self.gain = self.add_weight((input_shape[-1],), "ones")

    def call(self, inputs: jax.Array) -> jax.Array:
        assert_type(self.inner, layers.Dense)
        assert_type(self.gain, Variable)
        return self.factor * self.gain * inputs + jnp.sum(self.gain)


class Checked(Layer):
    """A layer that checks its input, and whose settings are assigned."""

    def __init__(self) -> None:
        super().__init__(dtype="mixed_float16", autocast=True, activity_regularizer="l2")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: 3})
        self.offset = self.add_variable((3,), "zeros", "float32", autocast=False)

    def call(self, inputs: jax.Array, shifted: bool = False) -> jax.Array:
        return inputs + self.offset


checked = Checked()
checked.dtype_policy = "float32"
checked.activity_regularizer = None
assert_type(checked.autocast, bool)
assert_type(checked.metrics, list[Any])
checked.build((None, 3))
assert_type(checked.stateless_call([np.zeros(3)], [], inputs), tuple[Any, ...])
assert checked.compute_output_spec((None, 3)).shape == (None, 3)


class Frozen(Layer):
    """A layer whose weights are not trained at first."""

    trainable = False


@dataclass
class Data(Layer):
    """A layer made of fields, one with the name of a view."""

    units: int = 3
    name: str = "data"

    def __post_init__(self) -> None:
        self.dense = layers.Dense(self.units)


class Named(Layer):
    """A layer whose own attributes have the names of views."""

    def __init__(self) -> None:
        super().__init__(name="named", trainable=False)
        self.layers = [layers.Dense(3)]


dense = layers.Dense(3, activation="relu", kernel_regularizer="l2", name="head")
assert_type(dense, layers.Dense)
assert_type(dense(inputs), Any)
assert_type(dense.layers, list[Layer])
assert_type(dense.variables, list[Variable])
assert_type(dense.weights, list[Variable])
assert_type(dense.trainable_variables, list[Variable])
assert_type(dense.non_trainable_variables, list[Variable])
assert_type(dense.name, str)
assert_type(dense.dtype, str)
assert_type(dense.compute_dtype, str)
assert_type(dense.trainable, bool)
assert_type(dense.built, bool)
assert_type(dense.values(), dict[str, jax.Array])
assert_type(dense.get_weights(), list[np.ndarray])
assert_type(layers.Dense.from_config(dense.get_config()), layers.Dense)
dense.trainable = False

scale = Scale(2.0, name="scale")
assert_type(scale, Scale)
assert_type(scale.inner.units, int)
named = Named()
assert_type(named.trainable, bool)
assert_type(Frozen().trainable, bool)
assert_type(Data(units=4).dense, layers.Dense)
assert_type(Data().name, str)

convolution = layers.Conv2D(8, 3, kernel_constraint="unit_norm")
assert_type(convolution, layers.Conv2D)

model = Sequential([layers.Dense(3, activation="relu"), scale])
assert_type(model, Sequential)
assert_type(model.layers, list[Layer])
model.compile("sgd", "mse")
assert_type(model.fit(inputs, inputs, verbose=0), History)
assert_type(Model(name="model"), Model)

variable = Variable((2, 3), "zeros")
assert_type(variable.assign(inputs), Variable)
assert_type(variable.T, jax.Array)
assert_type(variable.shape, tuple[int, ...])
assert_type(variable.ndim, int)
assert_type(variable.astype("float16"), jax.Array)
assert_type(variable.reshape(-1), jax.Array)
assert_type(variable.mean(axis=0, keepdims=True), jax.Array)
assert_type(variable.at[0].set(1.0), jax.Array)
assert_type(variable[0], jax.Array)
assert_type(variable + 1, jax.Array)
assert_type(1 - variable, jax.Array)
assert_type(inputs @ variable.T, jax.Array)
assert_type(inputs * variable, jax.Array)
assert_type(variable @ variable.T, jax.Array)
assert_type(variable > 0, jax.Array)
assert_type(-variable, jax.Array)
assert_type(variable == variable, bool)
assert_type(hash(variable), int)
assert_type(jnp.matmul(inputs.T, variable), jax.Array)
assert_type(variable.value, jax.Array)
assert_type(variable.numpy(), np.ndarray)

placement = Placement(jax.make_mesh((1,), ("data",)), [("**.kernel", (None, "data"))], remat="0.*")
assert_type(Placement.auto(), Placement)
placed = layers.Dense(3).plan((None, 3)).place(Placement.fully_sharded())
assert_type(placed, PlacedPlan)
assert_type(placed.nbytes_per_device, int)
with Placement.data_parallel() as everywhere:
    assert_type(everywhere, Placement)
assert_type(checked.constrain(inputs, "data", None), jax.Array)
