import copy

import jax
import jax.numpy as jnp
import pytest

import lamina
from lamina import Input, InputSpec, Layer, Sequential
from lamina.errors import InputError

X = jnp.ones((2, 3, 4))


class Checked(Layer):
    def __init__(self, spec):
        super().__init__()
        self.input_spec = spec

    def call(self, inputs):
        return jax.tree.map(lambda x: x + 1, inputs)


WRONG_RANK, WRONG_SIZE = InputSpec(ndim=2), InputSpec(axes={-1: 5})


@pytest.mark.parametrize("spec", [WRONG_RANK, WRONG_SIZE])
@pytest.mark.parametrize(
    "run",
    [
        lambda layer: layer(X),
        lambda layer: lamina.jit(layer)(X),
        lambda layer: layer.apply({}, X),
        lambda layer: Sequential([layer])(X),
        lambda layer: layer(Input((3, 4))),
        lambda layer: Sequential([Input((3, 4)), layer]),
        lambda layer: Sequential([layer]).build((None, 3, 4)),
        lambda layer: lamina.layers.Remat(layer)(X),
    ],
)
def test_a_misfit_is_an_error_in_every_way_to_run(spec, run):
    with pytest.raises(ValueError, match="does not fit its input_spec"):
        run(Checked(spec))


def test_a_fitting_input_of_unknown_sizes_is_planned():
    layer = Checked(InputSpec(min_ndim=2, axes={1: 3}))
    layer.build((None, None, 4))
    assert layer(X).shape == X.shape
    with pytest.raises(InputError, match="size 3 of axis 1"):
        layer(X[:, :2])


def test_a_spec_that_build_sets_holds_for_later_calls():
    class Sized(Layer):
        def build(self, input_shape):
            self.input_spec = InputSpec(axes={-1: input_shape[-1]})

        def call(self, inputs):
            return inputs

    layer = Sized()
    layer.plan((None, 4))
    assert layer.input_spec is None
    layer(X)
    with pytest.raises(InputError, match="size 4 of axis -1"):
        layer(X[..., :2])
    with pytest.raises(InputError, match="size 4 of axis -1"):
        copy.deepcopy(layer)(X[..., :2])


def test_several_specs_check_lists_and_dicts():
    two = Checked([InputSpec(ndim=3), InputSpec(ndim=3, optional=True)])
    assert len(two([X, X])) == 2
    assert two([X, None])[1] is None
    with pytest.raises(InputError, match="2 arrays"):
        two([X])
    named = Checked({"a": InputSpec(ndim=3, name="a"), "b": InputSpec(ndim=1, name="b")})
    assert set(named({"b": X[0, 0], "a": X})) == {"a", "b"}
    with pytest.raises(InputError, match="ndim=1 for array b"):
        named({"b": X, "a": X})


def test_other_attributes_of_that_name_mean_nothing():
    assert Checked("anything")(X).shape == X.shape
    assert Layer().input_spec is None
