"""Placements on one device: the program for many devices runs there, too."""

import jax
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


def test_rematerialized_layers_get_their_masks():
    class Net(lamina.Model):
        def __init__(self):
            super().__init__()
            self.embed = layers.Embedding(20, 8, mask_zero=True)
            self.block = layers.TransformerEncoderBlock(16, 2)
            self.pool = layers.GlobalAveragePooling1D()

        def call(self, ids):
            return self.pool(self.block(self.embed(ids)))

    ids = np.array([[3, 4, 0, 0], [5, 6, 7, 8]], "int32")
    found = []
    for patterns in ([], ["block"]):
        lamina.set_seed(0)
        net = Net()
        net.build(lamina.Spec((None, 4), "int32"), placement=Placement.auto(remat=patterns))

        def loss(values, net=net):
            return (net.apply(values, ids, training=True)[0] ** 2).sum()

        program = jax.jit(jax.value_and_grad(loss))
        assert ("remat" in str(program.trace(net.values()).jaxpr)) is bool(patterns)
        found.append(program(net.values()))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *found)
