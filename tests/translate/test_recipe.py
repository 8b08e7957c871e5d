"""Recipes: presets, options by name, the learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.errors import InputError, UnknownNameError
from lamina.translate.recipe import PRESETS, Recipe, recipe_of
from tests.close import assert_close


@pytest.mark.parametrize("name", PRESETS)
def test_options_go_over_a_preset(name) -> None:
    assert recipe_of(name) == PRESETS[name]
    changed = recipe_of(name, units=99, epochs=None)
    assert changed.units == 99
    assert changed.epochs == PRESETS[name].epochs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.5}, r"in \[0, 1\]"),
        ({"units": 0}, ">= 1"),
        ({"vocabulary": 7}, ">= 8"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"minutes": 0.0}, "minutes"),
    ],
)
def test_options_out_of_range(options, message) -> None:
    with pytest.raises(InputError, match=message):
        recipe_of("base", **options)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="'small'"):
        recipe_of("smal")
    with pytest.raises(UnknownNameError, match="'dropout'"):
        recipe_of("base", dropuot=0.1)


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(learning_rate=1.0)
    rates = np.asarray(recipe.rate(jnp.linspace(0, 1, 101)))
    assert rates.argmax() == 5
    np.testing.assert_allclose(rates[[0, 5, 100]], [0.05, 1, 0.01], atol=1e-6)
    assert (np.diff(rates[:6]) > 0).all()
    assert (np.diff(rates[5:]) < 0).all()


def test_optimizers_with_a_clock_and_without_agree_at_first() -> None:
    """The first steps, before a clock has set anything."""
    weights, slopes = {"w": jnp.ones(3)}, {"w": jnp.array([1.0, -2.0, 0.5])}

    def stepped(recipe: Recipe) -> jax.Array:
        optimizer = recipe.optimizer(100)
        return optimizer.update(slopes, optimizer.init(weights), weights)[0]["w"]

    assert_close(stepped(Recipe()), stepped(Recipe(minutes=5.0)), rtol=1e-6)
