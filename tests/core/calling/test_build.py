import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Input, Layer, Spec, layers
from lamina.errors import BuildError, InputError, MissingMethodError


class Defaults(Layer):
    def __init__(self):
        super().__init__()
        self.scalar = self.add_weight()
        self.count = self.add_weight(dtype="int32", trainable=False)
        self.flag = self.add_weight(dtype="bool", trainable=False)
        self.square = self.add_variable((2, 2), "ones", "float16")

    def call(self, x):
        return x + self.scalar


def test_the_defaults_of_weights():
    layer = Defaults()
    assert (layer.scalar.shape, layer.scalar.dtype) == ((), "float32")
    assert (layer.count.numpy(), layer.count.dtype) == (0, "int32")
    assert (layer.flag.numpy(), layer.flag.dtype) == (False, "bool")
    assert (layer.square.numpy() == 1).all() and layer.square.dtype == "float16"
    assert layer.variables == []
    layer(jnp.ones(2))
    assert len(layer.variables) == 4


def test_a_random_weight_has_no_value_before_the_build():
    with pytest.raises(BuildError, match="no value yet"):
        _ = Defaults().scalar.value


def test_a_value_assigned_before_the_build_stays():
    layer = Defaults()
    layer.scalar.assign(3.0)
    assert layer(jnp.zeros(2)).tolist() == [3, 3]


def test_a_name_is_a_keyword_argument():
    with pytest.raises(InputError, match="name as a keyword argument"):
        Layer().add_weight("matrix")
    with pytest.raises(TypeError):
        Layer().add_weight((3, 4), shape=(3, 4))


def test_a_weight_can_be_removed_and_replaced():
    class Changing(Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight((2,), "ones", name="w")

        def call(self, x):
            return x if getattr(self, "w", None) is None else x * self.w

    removed, replaced = Changing(), Changing()
    del removed.w
    removed(jnp.ones(2))
    assert removed.weights == []
    replaced.w = None
    del replaced.w
    replaced.w = replaced.add_weight((), "zeros", "float16", trainable=False)
    replaced(jnp.ones(2))
    assert "float16" in {str(weight.dtype) for weight in replaced.weights}
    built = Changing()
    built(jnp.ones(2))
    del built.w
    built(jnp.ones(2))
    assert built.weights == []


class Nested(Layer):
    def call(self, x):
        raise RuntimeError("not called")

    def compute_output_shape(self, input_shape):
        return {"a": input_shape, "b": [input_shape, (input_shape[0], None)]}


@pytest.mark.parametrize(
    "given", [(2, 3), Spec((2, 3)), Input(batch_shape=(2, 3)), np.ones((2, 3))]
)
def test_the_output_spec_follows_from_compute_output_shape(given):
    found = Nested(dtype="mixed_float16").compute_output_spec(given)
    whole = Spec((2, 3), "float16")
    assert found == {"a": whole, "b": [whole, Spec((2, None), "float16")]}


def test_the_output_spec_follows_from_call():
    layer = layers.GRU(4, return_state=True)
    assert layer.compute_output_spec((None, 5, 3)) == (Spec((None, 4)), Spec((None, 4)))
    assert layer.variables == []


def test_a_layer_without_call_says_so():
    with pytest.raises(NotImplementedError, match="no method 'call'"):
        Layer().call(None)
    with pytest.raises(MissingMethodError, match="no method 'call'"):
        Layer()(jnp.ones(2))
