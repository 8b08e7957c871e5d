"""Placements on one device: the program for many devices runs there, too."""

import numpy as np
import pytest
from jax.sharding import NamedSharding

import lamina
from lamina import layers
from lamina.distribute import Placement


@pytest.mark.parametrize("make", [Placement.data_parallel, Placement.fully_sharded, Placement.auto])
def test_assigned_values_stay_on_the_mesh(make):
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    placed, alone = layers.Dense(2), layers.Dense(2)
    placed.build((None, 3), placement=make())
    alone.build((None, 3))
    for layer in (placed, alone):
        layer.set_values(
            {"kernel": np.full((3, 2), 0.5, "float32"), "bias": np.zeros(2, "float32")}
        )
    assert isinstance(placed.kernel.value.sharding, NamedSharding)
    losses = [
        lamina.Trainer(layer, "adam", "mse").step((x, y))["loss"] for layer in (placed, alone)
    ]
    assert losses[0] == losses[1]
