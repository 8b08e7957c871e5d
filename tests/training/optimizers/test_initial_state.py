"""What optimizers begin with, filled by the host, is what they say themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamina.core.base.host_memory import copied
from lamina.training.optimizers import lookup
from lamina.training.optimizers.initial_state import initial_state


def weights():
    return {"a": copied(np.full((3, 4), 2.0, "float32")), "b": copied(np.ones(4), "bfloat16")}


def same(found, expected) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        other = jnp.asarray(other)
        assert (one.shape, one.dtype, one.weak_type) == (other.shape, other.dtype, other.weak_type)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", lookup.names())
def test_it_is_what_the_optimizer_says(name) -> None:
    init = lookup.get(name).init
    same(initial_state(init, weights()), jax.jit(init)(weights()))


@pytest.mark.parametrize(
    "options",
    [
        {"ema_momentum": 0.9},
        {"gradient_accumulation_steps": 2},
        {"learning_rate": lambda step: 0.1},
    ],
)
def test_with_what_goes_round_it(options) -> None:
    init = lookup.get("adam", **options).init
    same(initial_state(init, weights()), jax.jit(init)(weights()))


def test_one_that_looks_at_numbers_is_asked_with_them() -> None:
    def init(given):
        return {"sizes": {name: float(jnp.sum(array)) for name, array in given.items()}}

    assert initial_state(init, weights()) == {"sizes": {"a": 24.0, "b": 4.0}}


def test_numbers_that_give_way_to_a_dtype_still_do() -> None:
    """A Python number makes a weak array; a strong one would lift half precision to single."""
    found = initial_state(lambda given: {"rate": 0.5, "zeros": jnp.zeros(2)}, weights())
    assert found["rate"].weak_type and not found["zeros"].weak_type


def test_nothing_is_compiled_for_constants(caplog) -> None:
    given = weights()
    with jax.log_compiles(), caplog.at_level("WARNING"):
        initial_state(optax.adam(1e-3).init, given)
        assert not [told for told in caplog.messages if "Finished XLA compilation" in told]
        initial_state(lookup.get("adam", ema_momentum=0.9).init, given)
        assert [told for told in caplog.messages if "Finished XLA compilation" in told]
