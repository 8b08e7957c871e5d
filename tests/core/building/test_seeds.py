"""Initializers called by themselves, and those that draw by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import initializers, layers
from lamina.errors import BuildError, InputError

GLOROT = initializers.GlorotUniform()


def test_calls_differ_and_begin_anew_with_the_seed():
    lamina.set_seed(1)
    first, second = GLOROT((3, 4)), GLOROT((3, 4))
    lamina.set_seed(1)
    assert isinstance(first, jax.Array) and first.dtype == jnp.float32
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, GLOROT((3, 4)))


def test_a_seed_of_its_own_fixes_the_array_as_it_fixes_a_weight():
    seeded = initializers.RandomNormal(seed=3)
    layer = layers.Dense(4, kernel_initializer=seeded)
    layer.build((None, 3))
    np.testing.assert_array_equal(seeded((3, 4)), seeded(shape=(3, 4)))
    np.testing.assert_array_equal(seeded((3, 4)), layer.kernel.value)


def test_calls_use_up_no_number_of_a_tree():
    def kernel(calls):
        lamina.set_seed(5)
        for _ in range(calls):
            GLOROT((2, 2))
        layer = layers.Dense(3)
        layer.build((None, 2))
        return layer.kernel.numpy()

    np.testing.assert_array_equal(kernel(0), kernel(3))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_dtype_is_the_one_asked_for(dtype):
    assert GLOROT((2, 3), dtype=dtype).dtype == dtype
    assert initializers.Constant(2)((2,), "int32").tolist() == [2, 2]


def test_inside_a_trace_it_is_concrete():
    seen = []

    @jax.jit
    def program(x):
        seen.append(initializers.Ones()((2,)))
        return x + seen[0]

    assert program(1.0).tolist() == [2.0, 2.0]
    assert seen[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: GLOROT((None, 3)), InputError, "has an unknown size"),
        (lambda: GLOROT("wide"), InputError, "The shape is not valid"),
        (lambda: GLOROT((2,), "int32"), BuildError, "expected: a floating dtype"),
        (lambda: initializers.Orthogonal()((3,)), BuildError, "at least two axes"),
    ],
)
def test_what_cannot_be_drawn_is_told(call, kind, said):
    with pytest.raises(kind, match=said) as error:
        call()
    assert __file__ in str(error.value)


class Sevens(initializers.Initializer):
    """As one writes it for Keras."""

    def __call__(self, shape, dtype=None):
        return jnp.full(shape, 7, dtype)


def counted(shape, dtype=None):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("given", [Sevens, Sevens(), lambda shape, dtype=None: jnp.full(shape, 7)])
def test_keras_callables_draw_by_themselves(given):
    layer = layers.Dense(2, kernel_initializer=given)
    layer.build((None, 3))
    assert layer.kernel.shape == (3, 2) and (layer.kernel.numpy() == 7).all()


def test_a_keras_function_is_given_shape_and_dtype():
    layer = layers.Dense(2, kernel_initializer=counted)
    layer.build((None, 3))
    assert layer.kernel.numpy().tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_keras_function_of_another_shape_is_refused():
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype=None: jnp.ones((1,)))
    with pytest.raises(BuildError, match=r"an array of shape \(3, 2\)"):
        layer.build((None, 3))
    assert not layer.built
