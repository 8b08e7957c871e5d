"""Uses of JAX beyond its public API; they are tested with each supported version of JAX.

Three properties of the running trace are needed: its identity (state must not cross from one trace
to another), whether it is staged (weights read there become constants of a program), and whether it
is the body of a loop (a random key drawn there is the same in each step).
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import jax
from jax._src import clusters as _clusters  # which cluster JAX finds has no public name
from jax._src import core as _core  # the running trace has no public name
from jax._src import shard_map as _shard_map  # neither have the specs of the running body
from jax._src.interpreters.batching import BatchTracer  # nor has what `vmap` maps
from jax.core import Tracer

__all__ = [
    "evaluate_abstractly",
    "in_cluster",
    "in_fresh_context",
    "in_loop",
    "intercepted",
    "is_mapped",
    "is_running",
    "is_staged",
    "is_traced",
    "is_within",
    "outside_interception",
    "outside_traces",
    "record_program",
    "split_axes",
    "trace_state",
]

_take_state: Callable[[], Any] = cast(Any, _core).get_opaque_trace_state
_LOOPS = frozenset({"scan", "while_body", "while_cond", "fori_loop"})
_fresh = itertools.count()


def trace_state() -> Any:
    """Return a token of the running trace; two tokens are equal if they are of the same trace."""
    return _take_state()


def _running() -> list[Any]:
    """Return the running traces, innermost first."""
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
    """Return whether the running trace records a program, as in `jit` or `scan`."""
    return any(_traced_for(trace) is not None for trace in _running())


def in_loop(since: Any) -> bool:
    """Return whether the body of a loop is running that was entered after the trace `since`."""
    for trace in _running():
        if _same(trace, since):
            return False
        if _traced_for(trace) in _LOOPS:
            return True
    return False


def _same(trace: Any, state: Any) -> bool:
    return getattr(state, "_trace_ref", None) == getattr(trace, "_weakref", object())


def is_running(state: Any) -> bool:
    """Return whether `state` is the token of the innermost running trace."""
    return _same(_core.trace_ctx.trace, state)


def is_within(state: Any) -> bool:
    """Return whether the trace `state` is the running one, or contains it."""
    return any(_same(trace, state) for trace in _running())


def is_traced(value: Any) -> bool:
    """Return whether a value is a tracer."""
    return isinstance(value, Tracer)


def is_mapped(value: Any) -> bool:
    """Return whether a value differs between the examples of the innermost `vmap`."""
    return isinstance(value, BatchTracer)


def split_axes(array: Any) -> tuple[int, ...]:
    """Return the axes of an array that the running `shard_map` may have split.

    The arguments of the body have known splits. Another array counts as split along an axis if an
    argument of the same rank is split along it and has the same size there. An array that does not
    vary over the mesh is not split.
    """
    found: set[int] = set()
    for shape, split, names in _body_arguments():
        if len(shape) == array.ndim and _varies(array, names):
            found |= {axis for axis in split if array.shape[axis] == shape[axis]}
    return tuple(sorted(found))


def _body_arguments() -> Iterator[tuple[tuple[int, ...], tuple[int, ...], frozenset[str]]]:
    """Return each argument of the innermost `shard_map`: its shape, split axes and mesh axes."""
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


def evaluate_abstractly(function: Callable[..., Any], arrays: Sequence[Any]) -> None:
    """Run a function on abstract arrays, in a new trace context.

    An exception of the function does not pass through JAX, which would filter its traceback: that
    takes longer than the trace of a small program.
    """

    def run(*given: Any) -> tuple[()]:
        function(*given)
        return ()

    _in_new_trace(cast(Any, jax.eval_shape), run, arrays)


def record_program(function: Callable[..., Sequence[Any]], arrays: Sequence[Any]) -> Any:
    """Run a function on abstract arrays, as :func:`evaluate_abstractly`.

    Returns:
        The program from the arrays to those that the function returns, a ``ClosedJaxpr``.
    """

    def make(run: Callable[..., Any], *given: Any) -> Any:
        return jax.make_jaxpr(run)(*given)

    return _in_new_trace(make, function, arrays)


def _in_new_trace(
    trace: Callable[..., Any], function: Callable[..., Any], arrays: Sequence[Any]
) -> Any:
    failures: list[Exception] = []

    def run(*given: Any) -> Any:
        try:
            return function(*given)
        except Exception as error:
            failures.append(error)
            return ()

    def in_context(*given: Any) -> Any:
        return in_fresh_context(lambda: run(*given))

    found = trace(in_context, *arrays)
    if failures:
        raise failures.pop()
    return found


def in_fresh_context(function: Callable[[], Any]) -> Any:
    """Call a function so that JAX uses no cached trace from another context.

    A named axis with a new name and size 1 is added to the context. Nothing is mapped over it, but
    JAX caches traces by the named axes of their context.
    """
    axis = f"lamina_{next(_fresh)}"
    with _core.extend_axis_env_nd([(axis, 1)]):
        return function()


def outside_traces(work: Callable[[], Any]) -> Any:
    """Call a function outside of any running trace, so that its arrays are concrete.

    It runs in another thread, because traces belong to a thread, with the caller's setting of x64
    and default device.
    """
    if isinstance(_running()[0], _core.EvalTrace):
        return work()
    settings: Any = jax.config
    x64, device = settings.jax_enable_x64, settings.jax_default_device

    def in_thread() -> Any:
        with jax.enable_x64(x64), jax.default_device(device):
            return work()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(in_thread).result()


def in_cluster() -> bool:
    """Return whether `jax.distributed.initialize` finds the other processes by itself.

    >>> in_cluster()
    False
    """
    kinds: Any = cast(Any, _clusters).ClusterEnv._cluster_types
    return any(kind.is_env_present() for kind in kinds if not kind.opt_in_only_method)


Process = Callable[[Callable[[Sequence[Any]], Any], Sequence[Any]], Any]


class _Intercepting(_core.Trace):  # pyright: ignore[reportUnknownMemberType, reportUntypedBaseClass]
    """A trace that hands each operation on arrays to a function."""

    def __init__(self, parent: Any, process: Process) -> None:
        super().__init__()
        self.parent_trace = parent
        self._process = process

    def stage_value(self, val: Any) -> Any:
        return val if isinstance(val, jax.Array) else self.parent_trace.stage_value(val)

    def process_primitive(self, primitive: Any, tracers: Any, params: Any, /) -> Any:
        return self._handed(primitive, tracers, params)

    def process_custom_jvp_call(
        self, primitive: Any, fun: Any, jvp: Any, tracers: Any, /, **params: Any
    ) -> Any:
        return self._handed(primitive, tracers, {"subfuns": (fun, jvp), **params})

    def process_custom_vjp_call(
        self, primitive: Any, fun: Any, fwd: Any, bwd: Any, tracers: Any, /, **params: Any
    ) -> Any:
        return self._handed(primitive, tracers, {"subfuns": (fun, fwd, bwd), **params})

    def _handed(self, primitive: Any, arrays: Any, params: Any) -> Any:
        def run(operands: Sequence[Any]) -> Any:
            return primitive.bind(*operands, **params)

        with cast(Any, _core).set_current_trace(self.parent_trace):
            return self._process(run, arrays)


@contextmanager
def intercepted(process: Process) -> Generator[None]:
    """In a `with` block, hand each operation on arrays to a function, which returns its results.

    Args:
        process: called as ``process(run, arrays)``; ``run(arrays)`` makes the operation in the
            trace around the block. Its results are an array, or a list of them.
    """
    context: Any = _core.trace_ctx
    with cast(Any, _core).set_current_trace(_Intercepting(context.trace, process)):
        yield


@contextmanager
def outside_interception() -> Generator[None]:
    """In a `with` block within :func:`intercepted`, make operations in the trace around that."""
    context: Any = _core.trace_ctx
    trace: Any = context.trace
    around = trace.parent_trace if isinstance(trace, _Intercepting) else trace
    with cast(Any, _core).set_current_trace(around):
        yield
