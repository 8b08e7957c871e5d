"""Arrays' attributes and methods on an object that holds an array."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Variable

ARRAY = jnp.arange(6.0).reshape(2, 3)


@pytest.fixture
def variable():
    return Variable((2, 3), "zeros").assign(ARRAY)


def test_it_has_every_name_of_arrays(variable):
    names = {name for name in dir(jax.Array) if not name.startswith("_")}
    assert names <= {*dir(variable)}
    for name in names - {"committed", "flat", "item"}:
        getattr(variable, name)


@pytest.mark.parametrize(
    "read",
    [
        lambda a: a.T,
        lambda a: a.mT,
        lambda a: a.astype("int32"),
        lambda a: a.reshape(3, -1),
        lambda a: a.at[0].set(7),
        lambda a: a.mean(axis=0),
        lambda a: a.tolist(),
        lambda a: a.block_until_ready(),
        lambda a: round(a),
        lambda a: round(a, 1),
        lambda a: list(a),
        lambda a: a[1],
        lambda a: len(a),
    ],
)
def test_they_are_those_of_the_value(variable, read):
    jax.tree.map(np.testing.assert_array_equal, read(variable), read(ARRAY))


def test_no_other_name_is_found(variable):
    with pytest.raises(AttributeError, match="shpae"):
        _ = variable.shpae


def test_it_is_equal_to_itself_alone(variable):
    twin = Variable((2, 3), "zeros").assign(ARRAY)
    assert variable == variable and variable != twin
    assert len({variable, twin, variable}) == 2
