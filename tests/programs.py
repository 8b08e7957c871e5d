"""Compiling many tiny programs in less time, for the processes of tests.

Most programs of tests are tiny and run once, so that compiling them dominates.
"""

import functools
import hashlib
import io
import threading
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
from jax._src import compiler  # neither it nor the contexts of mlir have a public name
from jax._src.interpreters import mlir

__all__ = ["TESTED_XLA", "compile_once", "free", "share_contexts"]

OFTEN = 2
"""A program that was asked for so many times is kept: it is one of the tiny ones of all tests."""
TESTED_XLA = tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)
"""Whether this is a version with the private names and flags that make compiling fast."""
_executables: dict[bytes, Any] = {}
_uses: Counter[bytes] = Counter()
_contexts = threading.local()


def share_contexts() -> None:
    """Lower the programs of a thread in one MLIR context."""
    if TESTED_XLA:
        mlir.make_ir_context = functools.partial(_context, mlir.make_ir_context)


def compile_once() -> None:
    """Compile equal programs once."""
    if TESTED_XLA:
        compiler.compile_or_get_cached = functools.partial(
            _compiled_once, compiler.compile_or_get_cached
        )


def free() -> None:
    """Free the compiled programs that were asked for once."""
    for key in [key for key in _executables if _uses[key] < OFTEN]:
        del _executables[key]
    vars(_contexts).clear()  # a context keeps the types and places of all its programs


def _compiled_once(
    compile: Callable[..., Any],
    backend: Any,
    computation: Any,
    devices: Any,
    options: Any,
    host_callbacks: Any,
    executable_devices: Any,
    *rest: Any,
) -> Any:
    """Compile a program, or return the one that was compiled from the same text before.

    JAX's own cache is on disk: a tenth of the time of all tests went into writing it.
    """
    if host_callbacks or jax.config.jax_compilation_cache_dir:
        given = (options, host_callbacks, executable_devices, *rest)
        return compile(backend, computation, devices, *given)
    text = io.BytesIO()
    computation.operation.write_bytecode(text)
    numbers = repr([device.id for device in devices.flat]).encode()
    parts = (text.getvalue(), options.SerializeAsString(), numbers)
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    _uses[key] += 1
    if key not in _executables:
        # Not by `compile`, which makes a key of its own, even where there is no cache on disk.
        _executables[key] = compiler.backend_compile_and_load(
            backend, computation, executable_devices, options, host_callbacks
        )
    return _executables[key]


def _context(make: Callable[[], Any]) -> Any:
    """The MLIR context of a thread: making one takes longer than lowering a tiny program in it.

    Threads do not share a context: XLA reads a module in it without the interpreter's lock.
    """
    if not hasattr(_contexts, "made"):
        _contexts.made = make()
    return _contexts.made
