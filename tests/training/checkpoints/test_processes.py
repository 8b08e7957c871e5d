"""Checkpoints that two processes write together, and that one process reads."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import Trainer, layers, losses

pytest.importorskip("orbax.checkpoint", reason="needs pip install 'lamina[distributed]'")

PROGRAM = """
    import json, pathlib, sys, warnings
    import numpy as np
    import lamina
    from lamina import Trainer, layers, losses
    from lamina.distribute import Placement, initialize, is_main_process

    initialize()
    from jax.experimental.multihost_utils import sync_global_devices
    from lamina.training.checkpoints.folders import FolderLock

    directory, data = pathlib.Path(sys.argv[1]), np.load(sys.argv[2])
    batches = list(zip(data["x"], data["y"]))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)

    def network():
        lamina.set_seed(1)
        return lamina.Sequential([layers.Dense(16, activation="relu"), layers.Dense(8)])

    def steps(trainer, batches):
        return [float(trainer.step(batch)["loss"]) for batch in batches]

    found = {}
    with Placement.fully_sharded():
        trainer = Trainer(network(), "adam", loss)
        steps(trainer, batches[:2])
        trainer.save(directory)
        steps(trainer, batches[2:3])
        newest = trainer.save(directory)
        found["after three"] = steps(trainer, batches[3:])
        lock = FolderLock(directory) if is_main_process() else None
        try:
            trainer.save(directory)
        except Exception as error:
            found["locked"] = str(error)
        if lock is not None:
            lock.close()
            path = sorted(newest.glob("arrays/ocdbt.process_1/d/*"))[0]
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        sync_global_devices("damaged")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again = Trainer.restore(directory, network(), "adam", loss)
        found["warned"] = [str(one.message) for one in caught]
        found["steps"] = again.wait()
        found["after two"] = steps(again, batches[2:])
    print(json.dumps(found))
"""


def test_two_processes_write_one_checkpoint(tmp_path: Path) -> None:
    directory, data = tmp_path / "run", tmp_path / "data.npz"
    numbers = np.random.default_rng(0)
    x, y = numbers.normal(size=(5, 16, 8)).astype("float32"), numbers.integers(0, 8, (5, 16))
    np.savez(data, x=x, y=y)
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port = one.getsockname()[1]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROGRAM)]
    command += [str(directory), str(data)]
    processes = [
        subprocess.Popen(
            command,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ
            | {
                "XLA_FLAGS": flags,
                "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(number),
            },
        )
        for number in range(2)
    ]
    try:
        told = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()  # one waits for ever if the other has failed
    assert [process.returncode for process in processes] == [0, 0], told
    found = [json.loads(printed.splitlines()[-1]) for printed, _ in told]
    assert sorted(os.listdir(directory)) == ["checkpoint-000001", "checkpoint-000002"]
    for one in found:
        assert "is in use by another run" in one["locked"]
        assert len(one["warned"]) == 1 and "checkpoint-000002 is damaged" in one["warned"][0]
        assert one["steps"] == 2
        assert one["after two"][1:] == one["after three"]
    lamina.set_seed(2)
    model = lamina.Sequential([layers.Dense(16, activation="relu"), layers.Dense(8)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.warns(UserWarning, match="checkpoint-000002 is damaged"):
        trainer = Trainer.restore(directory, model, "adam", loss)
    after = [float(trainer.step(batch)["loss"]) for batch in zip(x[2:], y[2:], strict=True)]
    np.testing.assert_allclose(after, found[0]["after two"], atol=1e-5)
