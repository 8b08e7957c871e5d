import keras
import numpy as np
import pytest

import lamina
from lamina import InputSpec
from lamina.errors import InputError

FITS = [
    ({"ndim": 2}, (3, 4), "float32"),
    ({"min_ndim": 2, "max_ndim": 3}, (3, 4), "float32"),
    ({"shape": (None, 4)}, (3, 4), "float32"),
    ({"axes": {-1: 4, 0: None}}, (3, 4), "float32"),
    ({"dtype": "int32"}, (3,), "int32"),
    ({"shape": (None, 4, 1), "allow_last_axis_squeeze": True}, (3, 4), "float32"),
    ({"shape": (None, 4), "allow_last_axis_squeeze": True}, (3, 4, 1), "float32"),
]
MISFITS = [
    ({"ndim": 2}, (3,), "float32"),
    ({"min_ndim": 2}, (3,), "float32"),
    ({"max_ndim": 2}, (3, 4, 5), "float32"),
    ({"shape": (None, 4)}, (3, 5), "float32"),
    ({"shape": (None, 4)}, (3, 4, 1), "float32"),
    ({"axes": {-1: 4}}, (3, 5), "float32"),
    ({"axes": {1: 4}, "min_ndim": 1}, (3, 5), "float32"),
    ({"dtype": "int32"}, (3,), "float32"),
]


def accepts(module, options, shape, dtype):
    """Whether a layer with an input spec accepts an array, in Lamina or in Keras."""

    class Checked(module.Layer if module is lamina else keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.input_spec = module.InputSpec(**options)

        def call(self, inputs):
            return inputs

    try:
        Checked()(np.ones(shape, dtype))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("options", "shape", "dtype"), FITS)
def test_inputs_that_fit_are_accepted_as_in_keras(options, shape, dtype):
    assert accepts(keras, options, shape, dtype)
    assert accepts(lamina, options, shape, dtype)


@pytest.mark.parametrize(("options", "shape", "dtype"), MISFITS)
def test_inputs_that_do_not_fit_are_refused_as_in_keras(options, shape, dtype):
    assert not accepts(keras, options, shape, dtype)
    assert not accepts(lamina, options, shape, dtype)


def test_unknown_sizes_fit():
    assert InputSpec(shape=(None, 4), axes={1: 4}).misfit((None, "time"), "float32") is None


def test_a_shape_sets_the_number_of_axes_and_the_config_is_read_back():
    spec = InputSpec(shape=(None, 3), dtype="float32", axes={-1: 3}, name="image", optional=True)
    assert spec.ndim == 2
    assert InputSpec.from_config(spec.get_config()) == spec
    assert repr(InputSpec(ndim=2)) == "InputSpec(ndim=2)"


@pytest.mark.parametrize(
    "options", [{"axes": {"last": 3}}, {"axes": 3}, {"ndim": 2, "axes": {2: 3}}]
)
def test_axes_are_integers_below_the_rank(options):
    with pytest.raises(InputError, match="axes of an InputSpec"):
        InputSpec(**options)
