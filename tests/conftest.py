"""What all tests share: Keras, the oracle of numbers, runs on JAX; programs compile fast."""

import ctypes
import functools
import gc
import hashlib
import io
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jax
import jax.numpy as jnp
import pytest
from jax._src import compiler  # neither it nor the contexts of mlir have a public name
from jax._src.interpreters import mlir

AS_USERS_RUN = "as_users_run"
KEPT_PROGRAMS = 2000
"""The largest number of compiled programs that a process keeps: each takes 1 to 2 MB."""
OFTEN = 2
"""A program that was asked for so many times is kept: it is one of the tiny ones of all tests."""
TESTED_XLA = tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)
"""Whether this is a version with the private names and flags that make compiling fast."""
_compiled = 0
_executables: dict[bytes, Any] = {}
_uses: Counter[bytes] = Counter()
_contexts = threading.local()


def as_users_run(config: pytest.Config) -> bool:
    """Whether this run is `pytest -m as_users_run`."""
    return config.option.markexpr == AS_USERS_RUN


def pytest_configure(config: pytest.Config) -> None:
    """Compile with few optimizations, and equal programs once, but not for `as_users_run`."""
    jax.monitoring.register_event_duration_secs_listener(_count)
    if TESTED_XLA:
        mlir.make_ir_context = functools.partial(_context, mlir.make_ir_context)
    if not as_users_run(config):
        _compile_fast()


def _compile_fast() -> None:
    """Most programs of tests are tiny and run once, so that compiling them dominates."""
    if TESTED_XLA:
        compiler.compile_or_get_cached = functools.partial(
            _compiled_once, compiler.compile_or_get_cached
        )
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


def _compiled_once(
    compile: Callable[..., Any],
    backend: Any,
    computation: Any,
    devices: Any,
    options: Any,
    host_callbacks: Any,
    *rest: Any,
) -> Any:
    """Compile a program, or return the one that was compiled from the same text before.

    JAX's own cache is on disk: a tenth of the time of all tests went into writing it.
    """
    if host_callbacks:
        return compile(backend, computation, devices, options, host_callbacks, *rest)
    text = io.BytesIO()
    computation.operation.write_bytecode(text)
    numbers = repr([device.id for device in devices.flat]).encode()
    parts = (text.getvalue(), options.SerializeAsString(), numbers)
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    _uses[key] += 1
    if key not in _executables:
        made = compile(backend, computation, devices, options, host_callbacks, *rest)
        _executables[key] = made
    return _executables[key]


def _context(make: Callable[[], Any]) -> Any:
    """The MLIR context of a thread: making one takes longer than lowering a tiny program in it.

    Threads do not share a context: XLA reads a module in it without the interpreter's lock.
    """
    if not hasattr(_contexts, "made"):
        _contexts.made = make()
    return _contexts.made


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


def _count(event: str, duration: float, **_: Any) -> None:
    global _compiled
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled += 1


def pytest_runtest_teardown() -> None:
    """Free the compiled programs when there are many: JAX itself keeps all of them."""
    global _compiled
    if _compiled > KEPT_PROGRAMS:
        _compiled = 0
        for key in [key for key in _executables if _uses[key] < OFTEN]:
            del _executables[key]
        vars(_contexts).clear()  # a context keeps the types and places of all its programs
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
