"""What all tests share: Keras, the oracle of numbers, runs on JAX; programs compile fast."""

import ctypes
import functools
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jax
import jax.numpy as jnp
import pytest

from tests import programs

AS_USERS_RUN = "as_users_run"
KEPT_PROGRAMS = 2000
"""The largest number of compiled programs that a process keeps: each takes 1 to 2 MB."""
_compiled = 0


def as_users_run(config: pytest.Config) -> bool:
    """Whether this run is `pytest -m as_users_run`."""
    return config.option.markexpr == AS_USERS_RUN


def pytest_configure(config: pytest.Config) -> None:
    """Compile with few optimizations, and equal programs once, but not for `as_users_run`."""
    jax.monitoring.register_event_duration_secs_listener(_count)
    programs.share_contexts()
    if not as_users_run(config):
        _compile_fast()


def _compile_fast() -> None:
    programs.compile_once()
    if programs.TESTED_XLA:
        flags = [
            os.environ.get("XLA_FLAGS", ""),
            "--xla_cpu_use_fusion_emitters=false",  # a third less compile time, slower programs
            "--xla_cpu_parallel_codegen_split_count=1",  # tiny programs gain nothing from parts
        ]
        os.environ["XLA_FLAGS"] = " ".join(flags).strip()
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # for the processes that tests start
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    jax.config.update("jax_disable_most_optimizations", True)
    # Programs without source lines take a tenth less time to lower and compile.
    jax.config.update("jax_traceback_in_locations_limit", 0)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import only the files that name the marker in a run of `as_users_run`."""
    if as_users_run(config) and collection_path.suffix == ".py":
        return AS_USERS_RUN not in collection_path.read_text("utf-8") or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep the garbage collector away from the thousands of tests: none of them is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # traces make many objects, and few are garbage
        gc.enable()


def pytest_unconfigure() -> None:
    """Keep the collector away at the end too, where pytest and Python look through all objects."""
    gc.freeze()


def _count(event: str, duration: float, **_: Any) -> None:
    global _compiled
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled += 1


def pytest_runtest_teardown() -> None:
    """Free the compiled programs when there are many: JAX itself keeps all of them."""
    global _compiled
    if _compiled > KEPT_PROGRAMS:
        _compiled = 0
        programs.free()
        jax.clear_caches()
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed


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


@pytest.fixture(autouse=True)
def default_rng(request: pytest.FixtureRequest) -> None:
    """Let calls without a key draw in tests of `lamina.compat.keras` only, which sets it."""
    keras: Any = sys.modules.get("lamina.compat.keras")
    if keras is not None:
        own = request.path.name.startswith("test_keras")
        sys.modules["lamina"].set_default_rng(keras.next_key if own else None)
