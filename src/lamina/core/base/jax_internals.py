"""All that Lamina asks of JAX beyond its public API stands here, and is tested on each JAX.

Three facts about the trace that is running are needed: its identity (state may not cross from
one trace into another), whether it is staged (weights read there freeze into a program), and
whether it is the body of a loop (a key drawn there is the same at every step).

Exported programs need MLIR: the text of a program, and the operations of one that was read.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import jax
from jax._src import core as _core  # the running trace has no public name
from jax._src import shard_map as _shard_map  # nor have the specs of the body that is running
from jax.core import Tracer
from jax.extend import mlir as _extended
from jax.extend.mlir import ir as _ir
from jax.extend.mlir.dialects import stablehlo as _stablehlo
from jax.interpreters.mlir import make_ir_context

__all__ = [
    "evaluate_abstractly",
    "in_fresh_context",
    "in_loop",
    "is_running",
    "is_staged",
    "is_traced",
    "outside_traces",
    "parsed_program",
    "program_text",
    "split_axes",
    "trace_state",
    "with_program",
]

_mlir, _operations = cast(Any, _extended), cast(Any, _ir)
_take_state: Callable[[], Any] = cast(Any, _core).get_opaque_trace_state
_LOOPS = frozenset({"scan", "while_body", "while_cond", "fori_loop"})
_fresh = itertools.count()


def trace_state() -> Any:
    """A token that is equal to another one where both were taken in the same trace."""
    return _take_state()


def _running() -> list[Any]:
    """The running traces, innermost first."""
    chain: list[Any] = []
    context: Any = _core.trace_ctx
    trace = context.trace
    while trace is not None:
        chain.append(trace)
        trace = getattr(trace, "parent_trace", None)
    return chain


def _traced_for(trace: Any) -> str | None:
    info = getattr(getattr(trace, "frame", None), "debug_info", None)
    return getattr(info, "traced_for", None)


def is_staged() -> bool:
    """Whether what is computed now goes into a program (`jit`, `scan`, ...)."""
    return any(_traced_for(trace) is not None for trace in _running())


def in_loop(since: Any) -> bool:
    """Whether a loop's body was entered after the trace that `since` stands for."""
    for trace in _running():
        if _same(trace, since):
            return False
        if _traced_for(trace) in _LOOPS:
            return True
    return False


def _same(trace: Any, state: Any) -> bool:
    return getattr(state, "_trace_ref", None) == getattr(trace, "_weakref", object())


def is_running(state: Any) -> bool:
    """Whether the trace that `state` stands for is the innermost one."""
    return _same(_core.trace_ctx.trace, state)


def is_traced(value: Any) -> bool:
    return isinstance(value, Tracer)


def split_axes(array: Any) -> tuple[int, ...]:
    """The axes of an array of which `shard_map`, whose body is running, may have left a part.

    A body's own arguments are known to be split. What was made of them is taken to be split where
    an argument of the same rank is, to the same size; what does not vary over the mesh is whole.
    """
    found: set[int] = set()
    for shape, split, names in _body_arguments():
        if len(shape) == array.ndim and _varies(array, names):
            found |= {axis for axis in split if array.shape[axis] == shape[axis]}
    return tuple(sorted(found))


def _body_arguments() -> Iterator[tuple[tuple[int, ...], tuple[int, ...], frozenset[str]]]:
    """Of each argument of the innermost `shard_map`: its shape, split axes, and over what."""
    if not jax.sharding.get_abstract_mesh().manual_axes:
        return
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename != _shard_map.__file__:
        frame = frame.f_back
    while frame is not None:
        held = frame.f_locals
        if {"args", "in_specs", "mesh", "check_vma"} <= set(held):
            for array, spec in zip(held["args"], held["in_specs"], strict=True):
                over = [(name,) if isinstance(name, str) else name or () for name in spec]
                parts = [math.prod(held["mesh"].shape[one] for one in names) for names in over]
                parts += [1] * (array.ndim - len(parts))
                shape = tuple(size // part for size, part in zip(array.shape, parts, strict=True))
                split = tuple(axis for axis, part in enumerate(parts) if part > 1)
                every = frozenset(name for names in over for name in names)
                yield shape, split, every if held["check_vma"] else frozenset()
            return
        frame = frame.f_back


def _varies(array: Any, names: frozenset[str]) -> bool:
    varying = getattr(getattr(jax.typeof(array), "mat", None), "varying", None)
    return not names or varying is None or bool(names & set(varying))


def evaluate_abstractly(function: Callable[..., None], arrays: Sequence[Any]) -> None:
    """Run `function` on abstract arrays, in a trace context nothing else has ever had."""

    def run(*given: Any) -> tuple[()]:
        function(*given)
        return ()

    def in_context(*given: Any) -> Any:
        return in_fresh_context(lambda: run(*given))

    jax.eval_shape(in_context, *arrays)


def in_fresh_context(function: Callable[[], Any]) -> Any:
    """Call a function so that JAX takes nothing it traced elsewhere for what is traced here.

    It sees one more named axis, of size 1 and of a fresh name. Nothing is mapped over it, but the
    axes in reach are part of the context that JAX remembers traced functions by.
    """
    axis = f"lamina_{next(_fresh)}"
    with _core.extend_axis_env_nd([(axis, 1)]):
        return function()


def outside_traces(work: Callable[[], Any]) -> Any:
    """Do work whose arrays must be concrete whatever trace is running.

    A thread of its own has no trace under way; x64 and the default device are the caller's.
    """
    if isinstance(_running()[0], _core.EvalTrace):
        return work()
    settings: Any = jax.config
    x64, device = settings.jax_enable_x64, settings.jax_default_device

    def alone() -> Any:
        with jax.enable_x64(x64), jax.default_device(device):
            return work()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(alone).result()


def program_text(exported: Any) -> str:
    """The program of a `jax.export.Exported` as text: StableHLO's versioned operations (VHLO) in
    MLIR's generic form, without source locations."""
    with make_ir_context():
        module = _operations.Module.parse(exported.mlir_module_serialized)
        return module.operation.get_asm(
            print_generic_op_form=True, enable_debug_info=False, use_local_scope=True
        )


def parsed_program(text: str | Any) -> Any:
    """The module of StableHLO that the text of a program, or a `jax.export.Exported`, stands for.

    Raises:
        Exception: the text is no program, or StableHLO's verifier refuses it.
    """
    code = text.encode() if isinstance(text, str) else text.mlir_module_serialized
    with make_ir_context():
        module = _mlir.deserialize_portable_artifact(code)
        module.operation.verify()
        return module


def with_program(exported: Any, module: Any) -> Any:
    """A `jax.export.Exported` with another program in place of its own, and without gradients.

    Args:
        exported: gives the signature: the shapes, dtypes, containers and platforms.
        module: the program, which has that signature.
    """
    code = _mlir.serialize_portable_artifact(module, _stablehlo.get_current_version())
    open_dims = "jax.uses_shape_polymorphism"
    return dataclasses.replace(
        exported,
        mlir_module_serialized=code,
        uses_global_constants=module.operation.attributes[open_dims].value,
        _get_vjp=None,
    )
