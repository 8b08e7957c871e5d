"""Placements on one device: the program for many devices runs there, too."""

import numpy as np
import pytest
from jax.sharding import NamedSharding

import lamina
from lamina import layers
from lamina.distribute import Placement
from lamina.errors import InputError


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


def test_no_placement_is_the_default_device():
    model = layers.Dense(4)
    model.build((None, 3), placement=None)
    assert model.built and model._lamina.placement is None
    with pytest.raises(InputError, match="placement"):
        layers.Dense(4).build((None, 3), placement="data")


def test_a_compiled_model_goes_on_under_a_placement(tmp_path):
    x, y = np.ones((16, 3), "float32"), np.ones((16, 4), "float32")
    model = lamina.Sequential([layers.Dense(4)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.lamina")
    again = lamina.load(tmp_path / "model.lamina", placement=Placement.fully_sharded())
    expected = model.fit(x, y, verbose=0).history
    np.testing.assert_allclose(again.fit(x, y, verbose=0).history["loss"], expected["loss"])
