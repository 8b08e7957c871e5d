"""What all tests share: Keras, the oracle of numbers, runs on JAX; programs compile fast."""

import functools
import os
from importlib.metadata import version

os.environ.setdefault("KERAS_BACKEND", "jax")
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # later ones do not know the flag
    faster = "--xla_cpu_use_fusion_emitters=false"  # by a third to compile, and slower to run
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {faster}".strip()

import jax
import jax.numpy as jnp
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Compile with few optimizations, and keep what was compiled from run to run.

    Most programs of tests are tiny and run once: what they cost is compiling them, and many are
    the same as others. Each worker has a folder of its own, since JAX writes files in place.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    cache = getattr(config, "cache", None)
    if cache is not None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
        jax.config.update("jax_compilation_cache_dir", str(cache.mkdir(f"jax-{worker}")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@functools.cache
def has_float16() -> bool:
    """Whether XLA can compile conversions of float16 for this processor."""
    try:
        jax.jit(lambda x: x.astype("float32"))(jnp.zeros(3, "float16")).block_until_ready()
    except jax.errors.JaxRuntimeError:
        return False
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Skip what needs float16 where XLA has none: held to SSE4.2, it lacks the conversions."""
    try:
        return (yield)
    except jax.errors.JaxRuntimeError as error:
        if "materialize symbols" in str(error) and not has_float16():
            pytest.skip("XLA cannot compile float16 for this processor")
        raise
