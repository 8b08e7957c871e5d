"""No process holds a whole weight that is divided, and none reads what it does not store."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jax.sharding import AbstractMesh

import lamina
from lamina import layers
from lamina.core.initial import blocks
from lamina.distribute import Placement
from lamina.distribute.partitions import names_in
from lamina.saving.files import TensorFile
from tests.devices import Run, process_with_devices

PRELUDE = """
    import tempfile
    from pathlib import Path
    import numpy as np
    import jax
    import lamina
    from jax.sharding import PartitionSpec as P
    from lamina import layers
    from lamina.core.building import initial_values
    from lamina.core.initial import blocks
    from lamina.distribute import Placement
    from lamina.saving.files import TensorFile

    blocks._CHUNK = blocks._JOINED = 1 << 12
    ranges = []

    def recorded(function):
        def call(*args, start=0, stop=None, **options):
            made = function(*args, start=start, stop=stop, **options)
            ranges.append(made.size)
            return made
        return call

    initial_values.draw = recorded(initial_values.draw)
    read_part = TensorFile.read_part

    def read(file, entry, start, stop):
        ranges.append(stop - start)
        return read_part(file, entry, start, stop)

    TensorFile.read_part = read

    def net():
        return lamina.Sequential([
            layers.Dense(256),
            layers.Stack(lambda: layers.Dense(256, kernel_initializer="he_normal"), 4),
            layers.Dense(64),
        ])

    mesh = jax.make_mesh((2, 4), ("data", "model"))
    placements = [
        Placement.fully_sharded(),
        Placement.auto(mesh),
        Placement(mesh, [("**.block.kernel", P("model", None, "data")),
                         ("**.kernel", P(None, ("data", "model")))]),
    ]

    def largest():
        found = max(ranges)
        ranges.clear()
        return found
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs programs in one process with eight devices, which records what is made and read."""
    with process_with_devices(8, PRELUDE) as ask:
        yield ask


def test_values_are_made_and_read_in_parts(run: Run) -> None:
    run("""
        with tempfile.TemporaryDirectory() as folder:
            whole = net()
            whole.build((None, 128))
            assert largest() == 256 * 256  # each weight, or layer of a stack, at once
            path = Path(folder) / "net.safetensors"
            whole.save_weights(path)
            for placement in placements:
                model = net()
                model.build((None, 128), placement=placement)
                shards = [value.addressable_data(0).size for value in model.values().values()]
                assert largest() <= max(*shards, blocks._CHUNK) < 256 * 256
                model.load_weights(path)  # of the weights that are there
                assert largest() <= max(*shards, blocks._CHUNK)
                with placement:
                    net().load_weights(path)
                assert largest() <= max(*shards, blocks._CHUNK)
    """)


def test_a_step_holds_the_whole_weights_of_one_layer_at_a_time(run: Run) -> None:
    run("""
        block = lambda: layers.Dense(256, use_bias=False, activation="tanh")
        model = lamina.Sequential([layers.Stack(block, 16)])
        x = np.ones((16, 256), "float32")
        model.build((None, 256), placement=Placement.fully_sharded())
        trainer = lamina.Trainer(model, "adam", "mse")
        program, carry = trainer.prepare(lambda: (x, x))
        step = jax.jit(program._train_batch, donate_argnums=0)
        step = step.lower(carry, program.devices.batch((x, x))).compile()
        whole = 16 * 256 * 256 * 4
        memory = step.memory_analysis()
        assert memory.argument_size_in_bytes < 3.1 * whole / 8
        assert memory.temp_size_in_bytes < whole / 2
        assert "all-to-all" not in step.as_text()
    """)


def test_what_is_not_finite_is_found_at_the_edges_of_each_part(run: Run) -> None:
    run("""
        import jax.numpy as jnp
        from lamina.training.step.gradient_check import gradients_are_finite

        sharding = Placement(mesh).sharding("model", "data")
        check = jax.jit(lambda gradient: gradients_are_finite([gradient], [(4, 2)]))
        finite = np.ones((64, 128), "float32")
        assert check(jax.device_put(finite, sharding))
        for row, column in (0, 3), (48, 100), (5, 0), (63, 64):
            gradient = finite.copy()
            gradient[row, column] = np.nan
            assert not check(jax.device_put(gradient, sharding))
    """)


PROCESS = """
    import sys, json
    from pathlib import Path
    import jax
    import lamina
    from lamina import layers
    from lamina.distribute import Placement

    lamina.distribute.initialize(sys.argv[1], 2, int(sys.argv[2]))

    def memory(kind):
        status = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(kind))

    placement = Placement.fully_sharded()
    layers.Dense(64).build((None, 64), placement=placement)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before = memory("VmRSS")
    layer = layers.Dense(8192, use_bias=False)
    layer.build((None, 4096), placement=placement)
    kernel = layer.kernel.value
    local = sum(shard.data.nbytes for shard in kernel.addressable_shards)
    print(json.dumps([memory("VmHWM") - before, local, kernel.nbytes]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_two_processes_hold_their_halves_of_a_weight() -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROCESS), address, str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"XLA_FLAGS": flags},
        )
        for number in range(2)
    ]
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        peak, local, whole = json.loads(printed.splitlines()[-1])
        assert local == whole // 2
        assert local < peak < 1.25 * local


class Block(lamina.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.up = layers.Dense(32_768, use_bias=False)
        self.down = layers.Dense(8192, use_bias=False)

    def call(self, x):
        return self.down(self.up(x))


def test_of_100_gigabytes_each_device_reads_its_part(tmp_path: Path) -> None:
    plan = layers.Stack(Block, 47).plan((None, 8192))
    mesh = AbstractMesh((128, 8), ("data", "model"))
    placed = plan.place(Placement.auto(mesh))
    assert placed.nbytes > 100e9
    header: dict[str, object] = {}
    end = 0
    for one in placed.variables:
        offsets = [end, end + one.nbytes]
        header[one.path] = {"dtype": "F32", "shape": one.shape, "data_offsets": offsets}
        end += one.nbytes
    text = json.dumps(header).encode()
    path = tmp_path / "sparse.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    try:
        os.truncate(path, 8 + len(text) + end)
    except OSError:
        pytest.skip("the file system has no files of this size")
    if path.stat().st_blocks * 512 > 1e9:
        pytest.skip("the file system has no holes in files")
    at = {"data": 77, "model": 5}  # one device of 1024
    with TensorFile(path) as file:
        entries = file.entries({})
        before = bytes_read()
        for one in placed.variables:
            bounds = bounds_of(one.partition, one.shape, at, mesh.shape)
            [block] = blocks.blocks(
                one.shape,
                np.float32,
                [bounds],
                lambda start, stop, entry=entries[one.path]: file.read_part(entry, start, stop),
            ).values()
            assert block.shape == one.shard
        assert bytes_read() - before == pytest.approx(placed.nbytes_per_device, rel=0.01)


def bounds_of(partition, shape, at, sizes):
    """The indices of the part of an array on the device at a place in a mesh."""
    found = []
    for size, entry in zip(shape, [*partition, *[None] * len(shape)], strict=False):
        part, parts = 0, 1
        for name in names_in(entry):
            part, parts = part * sizes[name] + at[name], parts * sizes[name]
        found.append((size // parts * part, size // parts * (part + 1)))
    return tuple(found)


def bytes_read() -> int:
    """The bytes that this process has asked the system for."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        pytest.skip("the system does not count what is read")
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))
