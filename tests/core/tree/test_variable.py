"""Variables in the place of arrays: in functions of JAX's and NumPy's, and in arithmetic."""

import importlib.util
import operator
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Layer, Variable
from lamina.compat import tf
from lamina.errors import InputError

HOST = np.arange(1, 10, dtype=np.float32).reshape(3, 3)


def held(array):
    return Variable(array.shape, "zeros", dtype=array.dtype).assign(array)


@pytest.mark.parametrize(
    "function",
    [
        *(jnp.exp, jnp.tanh, jnp.sum, jnp.mean, jnp.sort, jnp.linalg.norm),
        *(jax.nn.relu, jax.nn.softmax),
        lambda a: jnp.matmul(a, a),
        lambda a: jnp.maximum(1, a),
        lambda a: jnp.where(a > 2, a, 0),
        lambda a: jnp.concatenate([a, a]),
        lambda a: jnp.einsum("ij,jk", a, a),
        lambda a: jax.jit(lambda inner: inner + 1)(a),
        jax.vmap(lambda row: row.sum()),
        jax.grad(lambda inner: (inner**2).sum()),
        lambda a: jax.lax.scan(lambda carry, row: (carry + row, row), jnp.zeros(3), a),
    ],
)
def test_functions_of_jax_take_it_as_its_array(function) -> None:
    of_variable, of_array = function(held(HOST)), function(jnp.asarray(HOST))
    jax.tree.map(np.testing.assert_array_equal, of_variable, of_array)


@pytest.mark.parametrize("other", [2, 2.5, HOST, HOST[0], np.float32(3), jnp.asarray(HOST)])
@pytest.mark.parametrize(
    "operation",
    [
        *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
        *(operator.mod, operator.pow, operator.lt, operator.ge, divmod),
    ],
)
def test_arithmetic_on_either_side(operation, other) -> None:
    variable, array = held(HOST), jnp.asarray(HOST)
    for made, expected in [
        (operation(variable, other), operation(array, other)),
        (operation(other, variable), operation(jnp.asarray(other), array)),
        (operation(variable, variable), operation(array, array)),
    ]:
        for one, like in zip(jax.tree.leaves(made), jax.tree.leaves(expected), strict=True):
            assert isinstance(one, jax.Array)
            np.testing.assert_array_equal(one, like)


def test_numbers_of_one_entry() -> None:
    count, size = held(np.int32(2)), held(np.float32(1.25))
    assert [10, 20, 30][count] == 30
    assert f"{size:.1f}" == "1.2"
    assert (round(size, 1), float(size), complex(size)) == (jnp.float32(1.2), 1.25, 1.25)


class Stack(Layer):
    """Weights in a tuple, taken together as one tree."""

    def build(self, input_shape):
        self.parts = tuple(self.add_weight(input_shape[-1:], "ones") for _ in range(2))

    def call(self, inputs):
        return jax.tree.reduce(jnp.multiply, self.parts, inputs)


def test_gradients_flow_through_a_tree_of_them() -> None:
    layer, x = Stack(), jnp.full((1, 3), 2.0)
    layer.build((None, 3))
    slopes = jax.grad(lambda values: layer.apply(values, x)[0].sum())(layer.values())
    np.testing.assert_array_equal(slopes["parts.1"], [2, 2, 2])


def test_an_error_names_the_path() -> None:
    layer = Stack()
    layer.build((None, 3))
    with pytest.raises(ValueError, match=r"'parts\.1'"):
        layer.parts[1].assign(jnp.ones(4))


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, 2, 3]),
        np.ones((2, 2), "float32"),
        np.array(3),
        jnp.arange(3),
        [1.0, 2.0],
        [[1, 2], [3, 4]],
        [np.ones(2)],
        Variable((2,), "ones"),
    ],
)
def test_an_array_is_no_shape(array) -> None:
    with pytest.raises(InputError, match=r"Write Variable\(array.shape, array"):
        Variable(array)


def test_a_float_is_no_shape() -> None:
    with pytest.raises(InputError, match=r"Write Variable\(\(\), 3.5\)"):
        Variable(3.5)


@pytest.mark.parametrize("arguments", [{}, {"initializer": "ones"}, {"shape": "ones"}])
def test_the_shape_is_required(arguments) -> None:
    with pytest.raises(InputError, match=r"Write Variable\(shape, initializer\)"):
        Variable(**arguments)


@pytest.mark.parametrize("shape", [(2, 3), [2, 3], (np.int64(2), np.array(3))])
def test_sizes_of_a_shape_may_be_of_numpy(shape) -> None:
    assert Variable(shape).shape == (2, 3)


def test_an_array_as_the_initializer() -> None:
    array = np.array([4, 5], "int32")
    variable = Variable(array.shape, array, dtype=array.dtype)
    assert variable.numpy().tolist() == [4, 5] and variable.dtype == "int32"
    assert Variable((2,), 3.0).numpy().tolist() == [3.0, 3.0]


def test_add_weight_accepts_an_array_of_sizes() -> None:
    assert Layer().add_weight(np.array([2, 3])).shape == (2, 3)
    with pytest.raises(InputError, match="for its shape"):
        Layer().add_weight(np.ones((2, 2)))


def test_a_variable_of_tensorflow_has_the_values_of_an_array() -> None:
    for array in (np.array([1, 2], "int32"), np.ones((2, 2), "float32"), [1.0, 2.0]):
        np.testing.assert_array_equal(tf.Variable(array).numpy(), array)


class Drawn:
    """What `treescope.render_array` returns."""

    def __init__(self, array) -> None:
        self.array = array

    def _repr_html_(self) -> str:
        return f"drawn {self.array.shape}"


def test_a_notebook_shows_numbers_with_treescope(monkeypatch) -> None:
    module = ModuleType("treescope")
    module.render_array = Drawn
    module.__spec__ = ModuleSpec("treescope", None)
    monkeypatch.setitem(sys.modules, "treescope", module)
    assert held(HOST)._repr_html_() == "drawn (3, 3)"
    assert Variable((2,))._repr_html_() is None  # not built
    assert held(np.zeros((0, 3)))._repr_html_() is None


def test_a_notebook_shows_variables_as_text_without_treescope(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert held(HOST)._repr_html_() is None
