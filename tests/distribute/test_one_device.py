"""Placements on one device: the program for many devices runs there, too."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import lamina
from lamina import layers
from lamina.distribute import Placement, initialize
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


class Divided(lamina.Layer):
    def __init__(self, *partition):
        super().__init__()
        self.partition = partition

    def call(self, x):
        return self.constrain(x, *self.partition)


BOTH = jax.make_mesh((1, 1), ("data", "model"))
WRONG = [
    (lambda: built(placement="fs"), "The argument placement is not a placement"),
    (lambda: built(placement=BOTH), "The argument placement is not a placement"),
    (lambda: built(placement=Placement), "received: the class Placement"),
    (lambda: built(placement=Placement.fully_sharded), "such as Placement.fully_sharded()"),
    (lambda: lamina.load("none.lamina", placement="x"), "The argument placement is not"),
    (lambda: layers.Dense(2).plan((None, 3)).place("x"), "The argument placement is not"),
    (lambda: layers.Dense(2).plan((None, 3), placement=Placement.auto()), "plan(spec).place("),
    (lambda: Placement(BOTH, batch=3), "The mesh has no axis 3 for the batch"),
    (lambda: Placement(BOTH, batch=("data", "data")), "no two axes of one name"),
    (lambda: Placement.auto(Mesh(np.array(jax.devices()[0]), ())), "The mesh has no axis 'data'"),
    (lambda: Placement.tensor_parallel(None), "received: NoneType"),
    (lambda: Placement(BOTH, 5), "The rules of a placement are not a list of pairs"),
    (lambda: Placement(BOTH, "**.kernel"), "The rules of a placement are not a list of pairs"),
    (lambda: Placement(BOTH, remat=3), "The patterns of remat"),
    (lambda: Placement(BOTH, remat=[3]), "The patterns of remat"),
    (lambda: rule(P(3)), "The rule '**.kernel' does not fit the mesh"),
    (lambda: rule((1,)), "The rule '**.kernel' does not fit the mesh"),
    (lambda: rule(P(P.UNCONSTRAINED)), "The rule '**.kernel' does not fit the mesh"),
    (lambda: rule(P("data", unreduced={"model"})), "The rule '**.kernel' does not fit the mesh"),
    (lambda: built(Divided(3)), "The partition of an activation does not fit the mesh"),
    (lambda: built(Divided(P("data"))), "The partition of an activation does not fit the mesh"),
    (lambda: Placement.auto().place_batch(np.array(["a"])), "an array of strings"),
    (lambda: within_explicit_axes(), "within a mesh of explicit axes"),
    (lambda: initialize("host:1", "two", 0), "'two' processes, of which this is 0"),
    (lambda: initialize("host:1", 2, 2), "2 processes, of which this is 2"),
]


def built(layer=None, placement=None):
    layer = layer or layers.Dense(2)
    layer.build((None, 3), placement=placement or Placement.auto())
    layer(np.ones((2, 3), "float32"))


def within_explicit_axes():
    with jax.set_mesh(jax.make_mesh((1,), ("data",), axis_types=(AxisType.Explicit,))):
        built()


def rule(partition):
    return Placement(BOTH, [("**.kernel", partition)])


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_arguments_are_told(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


def test_an_input_may_be_named_placement():
    class Placed(lamina.Layer):
        def call(self, placement):
            return placement + 1

    layer = Placed()
    layer.build(placement=(None, 3))
    assert layer.plan(placement=(None, 3)).calls and layer(placement=np.ones((1, 3))).sum() == 6


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
