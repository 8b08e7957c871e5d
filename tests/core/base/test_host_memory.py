"""Arrays on their way to the device, and where there is another device than the host's."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Trainer, layers
from lamina.core.base import host_memory
from lamina.core.base.host_memory import copied, is_on_host


def test_examples_in_docstrings():
    assert doctest.testmod(host_memory).attempted
    assert not doctest.testmod(host_memory).failed


def test_the_hosts_arrays_are_at_hand():
    assert is_on_host(jnp.ones(2))
    assert not is_on_host(np.ones(2))
    assert not is_on_host(jax.device_put(jnp.ones(2), jax.devices()[0]))  # committed
    assert not is_on_host(jax.random.key(0))


@pytest.fixture
def accelerated(monkeypatch):
    """As where JAX is told to use an accelerator alone: it refuses to speak of a CPU."""

    def refuse(*_, backend=None, **__):
        raise RuntimeError(f"Unknown backend {backend}. Available backends are ['cuda']")

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_devices", refuse)


def test_an_accelerator_need_have_no_cpu_beside_it(accelerated):
    assert not is_on_host(jnp.ones(2))
    assert copied(jnp.ones(2)).tolist() == [1, 1]


def test_a_model_is_built_and_trained_where_there_is_no_cpu(accelerated):
    model = layers.Dense(2)
    trainer = Trainer(model, "adam", "mean_squared_error")
    x = np.ones((3, 4), "float32")
    losses = [float(trainer.step((x, x[:, :2]))["loss"]) for _ in range(2)]
    assert losses[1] < losses[0]
