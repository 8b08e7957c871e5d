"""Two processes with four devices each, over JAX's runtime on this machine."""

import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import lamina
from lamina.distribute import initialize
from lamina.errors import InputError

PROGRAM = """
    import sys
    import numpy as np

    import lamina
    from lamina import layers

    lamina.distribute.initialize()
    import jax
    from lamina.distribute import Placement

    folder = sys.argv[1]
    data = np.random.default_rng(0)
    x, y = data.normal(size=(320, 8)).astype("float32"), data.normal(size=(320, 16))

    def trained(placement):
        lamina.set_seed(1)
        model = lamina.Sequential([
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.1),
            layers.BatchNormalization(),
            layers.Dense(16),
        ])
        model.build((None, 8), placement=placement)
        first = model.get_weights()
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=32, epochs=2, verbose=2).history
        batches = lambda: ((x[at : at + 40], y[at : at + 40]) for at in range(0, 320, 40))
        more = model.fit(batches, epochs=1, verbose=0).history
        numbers = [*history["loss"], *history["mae"], *more["loss"]]
        numbers += model.evaluate(x[:100], y[:100], verbose=0)
        return model, first, np.array([*numbers, *model.predict(x[:9], verbose=0).ravel()])

    mesh = jax.make_mesh((2, 4), ("data", "model"))
    placement = Placement.fully_sharded(mesh, [("layers.0.kernel", (None, "model"))])
    model, first, numbers = trained(placement)
    model.save_weights(f"{folder}/{jax.process_count()}.safetensors")
    if jax.process_index() == 0:
        np.savez(f"{folder}/{jax.process_count()}.npz", numbers, *first)

    import copy, pickle
    copied = copy.deepcopy(model)
    model.save(f"{folder}/whole{jax.process_count()}.lamina")
    unpickled = pickle.loads(pickle.dumps(model))
    kernels = [one.layers[0].kernel.numpy() for one in (model, copied, unpickled)]
    assert (kernels[0] == kernels[1]).all() and (kernels[0] == kernels[2]).all()
    assert copied.trainer.wait() == model.trainer.wait()

    def told(function):
        try:
            function()
        except lamina.errors.LaminaError as error:
            print(str(error).partition("\\n")[0])

    tokens = lamina.Sequential([layers.Embedding(8, 16), layers.Lambda(lambda v: v.mean(1))])
    tokens.compile("adam", "mse")
    with Placement.fully_sharded():
        told(lambda: tokens.fit(np.full((16, 4), 8), y[:16], verbose=0))
    if jax.process_index():
        layers.Dense(1).build((None, 1))
    told(lambda: layers.Dense(16).build((None, 8), placement=Placement.fully_sharded()))
    print(jax.process_count(), len(jax.devices()), len(jax.local_devices()))
"""


def start(folder, count, number, devices, port):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags}
    if count > 1:
        environment |= {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(number),
        }
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROGRAM), str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The folder of the files, and what a lone process and the first and second of two print."""
    folder, port = tmp_path_factory.mktemp("processes"), free_port()
    found = []
    for group in (
        [start(folder, 1, 0, 8, port)],
        [start(folder, 2, number, 4, port) for number in range(2)],
    ):
        for process in group:
            output, error = process.communicate(timeout=300)
            assert process.returncode == 0, error
            found.append(output)
    return folder, found


def test_two_processes_give_the_numbers_of_one(printed):

    folder, outputs = printed
    assert [text.splitlines()[-1] for text in outputs] == ["1 8 8", "2 8 4", "2 8 4"]
    with np.load(folder / "1.npz") as one, np.load(folder / "2.npz") as two:
        numbers, *weights = one.values()
        found, *drawn = two.values()
    np.testing.assert_allclose(found, numbers, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(drawn, weights, strict=True):  # equal to the bit
        np.testing.assert_array_equal(ours, theirs)
    assert (folder / "2.safetensors").stat().st_size == (folder / "1.safetensors").stat().st_size


def test_the_first_process_alone_prints_and_writes(printed):
    _, (one, first, second) = printed
    assert "epoch 2/2" in one and "epoch 2/2" in first
    assert "epoch 2/2" not in second


def test_what_is_wrong_is_told_in_each_process(printed):
    _, (one, *both) = printed
    outside = "(Embedding): the id 8, at [0, 0], is not in [0, 8)."
    differ = "The processes would draw different weights for Dense."
    assert outside in one and differ not in one
    for text in both:
        assert outside in text and differ in text


def test_a_saved_model_is_that_of_one_process(printed):
    folder, _ = printed
    one, two = (lamina.load(folder / f"whole{count}.lamina") for count in (1, 2))
    assert one.trainer.wait() == two.trainer.wait() == 28
    for path, value in one.values().items():
        np.testing.assert_allclose(two.values()[path], value, rtol=1e-4, atol=1e-6)


def test_a_lone_process_needs_no_arguments(monkeypatch):
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        monkeypatch.delenv(name, raising=False)
    initialize()
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    with pytest.raises(InputError, match="JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES"):
        initialize()
