"""Plans on devices that this machine does not have."""

import json
import subprocess
import sys
import textwrap

import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

import lamina
from lamina import layers
from lamina.distribute import Placement
from lamina.errors import InputError

MESH = AbstractMesh((2, 4), ("data", "model"))


def net():
    return lamina.Sequential([layers.Dense(256), layers.Dense(64), layers.Dense(10)])


def placed(placement, model=None, spec=(None, 64)):
    plan = (model or net()).plan(spec)
    return {one.path: one for one in plan.place(placement).variables}


def partitions(placement, model=None, spec=(None, 64)):
    return {path: one.partition for path, one in placed(placement, model, spec).items()}


def test_rules_come_first_and_the_rest_is_replicated():
    rules = [("**.1.kernel", P("model", None)), ("**.kernel", P(None, "data"))]
    assert partitions(Placement(MESH, rules)) == {
        "layers.0.kernel": P(None, "data"),
        "layers.0.bias": P(),
        "layers.1.kernel": P("model", None),
        "layers.1.bias": P(),
        "layers.2.kernel": P(None, "data"),
        "layers.2.bias": P(),
    }
    found = partitions(Placement.fully_sharded(AbstractMesh((8,), ("data",)), [("**.bias", P())]))
    assert found["layers.0.bias"] == P() and found["layers.0.kernel"] == P(None, "data")


def test_the_largest_axis_that_fits_is_split():
    found = placed(Placement.fully_sharded(AbstractMesh((8,), ("data",))))
    assert [one.shard for one in found.values()] == [
        (64, 32),
        (32,),
        (32, 64),
        (8,),
        (8, 10),
        (10,),
    ]
    last = found["layers.2.bias"]
    assert last.is_replicated and last.reason == "no axis of (10,) can be divided by 8"


def test_without_an_axis_for_batches_nothing_is_split_along_the_largest_axis():
    mesh = AbstractMesh((8,), ("model",))
    found = placed(Placement.fully_sharded(mesh, batch=None))
    assert all(one.is_replicated for one in found.values())
    assert {one.reason for one in found.values()} == {"no axis of the mesh divides batches"}
    assert placed(Placement.auto(mesh, batch=None))["layers.0.kernel"].shard == (64, 32)


def test_products_alternate_and_attention_is_split_along_its_heads():
    found = partitions(Placement.tensor_parallel(MESH))
    assert found["layers.0.kernel"] == P(None, "model") and found["layers.0.bias"] == P("model")
    assert found["layers.1.kernel"] == P("model") and found["layers.1.bias"] == P()
    block = layers.TransformerEncoderBlock(128, 4)
    found = partitions(Placement.tensor_parallel(MESH), block, (None, 16, 64))
    for name in ("query", "key", "value"):
        assert found[f"self_attention.{name}.kernel"] == P(None, "model")
        assert found[f"self_attention.{name}.bias"] == P("model")
    assert found["self_attention.attention_output.kernel"] == P("model")
    assert found["self_attention.attention_output.bias"] == P()
    stack = layers.Stack(lambda: layers.Dense(64), 3)
    found = partitions(Placement.tensor_parallel(MESH), stack, (None, 64))
    assert found["block.kernel"] == P(None, None, "model")
    table = partitions(
        Placement.tensor_parallel(MESH), layers.Embedding(100, 8), lamina.Spec((None, 3), "int32")
    )
    assert table == {"embeddings": P("model")}
    image = partitions(Placement.tensor_parallel(MESH), layers.Conv2D(8, 3), (None, 8, 8, 3))
    assert image == {"kernel": P(None, None, None, "model"), "bias": P("model")}


def test_automatic_placements_split_large_weights_twice_and_replicate_small_ones():
    model = lamina.Sequential([layers.Dense(512), layers.Dense(256), layers.Dense(10)])
    assert partitions(Placement.auto(MESH), model, (None, 256)) == {
        "layers.0.kernel": P("data", "model"),
        "layers.0.bias": P("model"),
        "layers.1.kernel": P("model", "data"),
        "layers.1.bias": P(),
        "layers.2.kernel": P(),
        "layers.2.bias": P(),
    }
    found = partitions(Placement.auto(AbstractMesh((8,), ("devices",))), model, (None, 256))
    assert found["layers.0.kernel"] == P(None, "devices")


def test_a_subclass_is_placed_as_its_base_and_a_renamed_layer_as_before():
    class Up(layers.Dense):
        pass

    class Net(lamina.Layer):
        def __init__(self):
            super().__init__()
            self.anything = Up(128)

        def call(self, x):
            return self.anything(x)

    found = partitions(Placement.tensor_parallel(MESH), Net())
    assert found == {"anything.kernel": P(None, "model"), "anything.bias": P("model")}


def test_bytes_and_traffic():
    model = layers.Dense(64, use_bias=False)
    plan = model.plan((None, 64))
    whole = 64 * 64 * 4
    one = plan.place(Placement.data_parallel(AbstractMesh((8,), ("data",))))
    assert (one.devices, one.nbytes, one.nbytes_per_device) == (8, whole, whole)
    assert one.training_bytes_per_device == 4 * whole
    assert one.traffic == 2 * whole * 7 // 8  # a sum of gradients in two passes
    split = plan.place(Placement.fully_sharded(AbstractMesh((8,), ("data",))))
    assert split.nbytes_per_device == whole // 8 and split.traffic == 3 * whole * 7 // 8
    inputs = plan.place(Placement(MESH, [("kernel", P("model"))]))
    assert inputs.traffic == 2 * (whole // 4) // 2
    assert inputs.activation_traffic == 2 * 2 * 64 * 4 * 3 // 4  # forward and backward
    stack = layers.Stack(lambda: layers.Dense(64, use_bias=False), 5).plan((None, 64))
    placed = stack.place(Placement(MESH, [("**", P(None, "model"))]))
    assert placed.activation_traffic == 5 * inputs.activation_traffic
    model.trainable = False
    assert model.plan((None, 64)).place(Placement.fully_sharded(MESH)).traffic == 0


def test_what_does_not_divide_is_shown_and_is_an_error_of_the_build():
    placement = Placement(MESH, [("**.kernel", P("model", "data")), ("**.bias", P("model"))])
    found = net().plan((None, 64)).place(placement)
    assert [one.path for one in found.problems] == ["layers.2.bias"]
    assert "cannot be divided: layers.2.bias: axis 0 of (10,) cannot be divided by 4" in str(found)
    with pytest.raises(InputError, match=r"received: layers.2.bias: axis 0 of \(10,\)"):
        found.check()


def test_a_mesh_without_devices_serves_plans_only():
    model = net()
    with pytest.raises(InputError, match="has no devices"):
        model.build((None, 64), placement=Placement.fully_sharded(AbstractMesh((2,), ("data",))))
    assert not model.built


def test_the_table_shows_each_weight():
    text = str(net().plan((None, 64)).place(Placement.tensor_parallel(MESH)))
    first, header, row, *rest = text.splitlines()
    assert first == "6 weights, 131.8 KiB, on 8 devices (data=2, model=4), batch divided by data"
    assert " ".join(header.split()) == "weight shape partition on each device bytes why"
    assert " ".join(row.split()) == (
        "layers.0.kernel (64, 256) P(None, 'model') (64, 64) 16.0 KiB split along its outputs"
    )
    assert any(line.startswith("replicated: 2 weights") for line in rest)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of memory so")
def test_seventy_billion_parameters_are_planned_with_little_memory():
    """As users run: in a process of its own, whose peak of memory is measured."""
    code = """
        import json
        from pathlib import Path
        from jax.sharding import AbstractMesh
        import lamina
        from lamina import layers
        from lamina.distribute import Placement

        class Block(lamina.Layer):
            def __init__(self, features, heads, groups, hidden):
                super().__init__()
                self.norm_1, self.norm_2 = layers.RMSNormalization(), layers.RMSNormalization()
                self.attention = layers.GroupedQueryAttention(features // heads, heads, groups,
                                                              use_bias=False)
                self.gate = layers.Dense(hidden, activation="silu", use_bias=False)
                self.up = layers.Dense(hidden, use_bias=False)
                self.down = layers.Dense(features, use_bias=False)

            def call(self, x):
                y = self.norm_1(x)
                x = x + self.attention(y, y, use_causal_mask=True)
                y = self.norm_2(x)
                return x + self.down(self.gate(y) * self.up(y))

        class Decoder(lamina.Model):
            def __init__(self, vocabulary=128_256, features=8192, blocks=80):
                super().__init__()
                self.embed = layers.Embedding(vocabulary, features)
                self.blocks = [Block(features, 64, 8, 28_672) for _ in range(blocks)]
                self.norm = layers.RMSNormalization()
                self.out = layers.Dense(vocabulary, use_bias=False)

            def call(self, ids):
                x = self.embed(ids)
                for block in self.blocks:
                    x = block(x)
                return self.out(self.norm(x))

        plan = Decoder().plan(lamina.Spec((None, None), "int32"))
        placed = plan.place(Placement.auto(AbstractMesh((8, 8), ("data", "model"))))
        str(placed)
        # Not of getrusage: that of a child counts the memory of the process that started it.
        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
        print(json.dumps([plan.count_params(), placed.nbytes_per_device, placed.nbytes, peak]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    parameters, per_device, whole, peak = json.loads(done.stdout)
    assert parameters > 70e9
    assert whole / 64 <= per_device < 1.01 * whole / 64
    assert peak < 1e9, peak
