import jax.numpy as jnp
import pytest

from lamina import Layer
from lamina.errors import InputError

FOO, BAR, BAZ = (jnp.ones((4, width)) for width in (1, 2, 3))


class Sum(Layer):
    def call(self, foo, bar=None, baz=None):
        return sum(x[:, 0] for x in (foo, bar, baz) if x is not None)


def test_shapes_are_matched_by_name_whatever_their_order():
    class ByName(Sum):
        def build(self, baz_shape, foo_shape):
            self.shapes = foo_shape, baz_shape

    layer = ByName()
    layer(FOO, BAR, BAZ)
    assert layer.shapes == ((4, 1), (4, 3))


def test_an_input_that_is_left_out_has_no_shape():
    class ByName(Sum):
        def build(self, foo_shape, baz_shape):
            self.shapes = foo_shape, baz_shape

    layer = ByName()
    layer(FOO)
    assert layer.shapes == ((4, 1), None)


def test_one_argument_of_any_name_is_the_shape_of_the_first_input():
    class First(Sum):
        def build(self, anything):
            self.shape = anything

    layer = First()
    layer(FOO, BAR)
    assert layer.shape == (4, 1)


def test_an_argument_without_the_suffix_is_an_error():
    class NoSuffix(Sum):
        def build(self, foo_shape, bar):
            pass

    with pytest.raises(InputError, match="argument `bar`, which does not end in `_shape`"):
        NoSuffix()(FOO, BAR)


def test_an_argument_of_no_input_is_an_error():
    class Other(Sum):
        def build(self, foo_shape, other_shape):
            pass

    with pytest.raises(InputError, match="`other_shape`, but `call\\(\\)` does not have"):
        Other()(FOO, BAR)


def test_a_default_and_call_with_any_inputs_need_no_match():
    class Options(Layer):
        def build(self, foo_shape, size=3):
            self.size = size

        def call(self, foo):
            return foo

    class Any(Layer):
        def build(self, foo_shape, other_shape):
            self.shape = other_shape

        def call(self, foo, **others):
            return foo

    layer = Any()
    layer(FOO, other=BAR)
    assert layer.shape == (4, 2)
    assert Options()(FOO).shape == (4, 1)
