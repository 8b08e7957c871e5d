"""What holds during a call: the values in use, the training mode, the random key.

One frozen :class:`Scope` stands in one context variable. It points to the :class:`Frame` of the
root call, which keeps what changes: what was read, what was assigned, how many keys were drawn.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.jax_internals import in_loop, is_traced, trace_state
from lamina.core.pytrees import as_array
from lamina.core.sites import site
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import Reader
from lamina.errors import InputError, LaminaError, TraceError, explain

if TYPE_CHECKING:
    from lamina.core.building.planner import Planner
    from lamina.core.tree.variable import Variable

__all__ = ["SCOPE", "Frame", "Key", "Scope", "current_planner", "fresh_key"]

_numbers = itertools.count(1)


class Frame:
    """One root call: the values that stand for its variables, and what it did with them."""

    def __init__(
        self,
        root: Tracked,
        *,
        values: dict[int, Any] | None = None,
        planner: Planner | None = None,
        path_of: Callable[[Tracked | Variable], str],
        holds: Callable[[Variable], bool] = lambda _: False,
        grow: Callable[[], None] | None = None,
        parent: Frame | None = None,
    ) -> None:
        self.number = next(_numbers)
        self.root = root
        self.values = values
        self.planner = planner
        self.path_of = path_of
        self.holds = holds
        self.grow = grow
        self.parent = parent
        self.watch: Callable[[str, str, Any, Any], None] | None = None
        self.state = trace_state()
        self.reads: dict[int, int] = {}
        self.written: dict[int, Any] = {}
        self.writers: dict[int, Variable] = {}
        self.drawn: dict[Any, int] = {}
        self.losses: list[Any] = []
        self.frozen: set[int] | None = None
        self.masks: dict[int, tuple[Any, Any]] = {}  # of models' outputs, each with its trace
        self.stored = Reader()

    def read(self, variable: Variable) -> Any:
        key = id(variable)
        self.reads[key] = self.reads.get(key, 0) + 1
        if key in self.written:
            return self.written[key]
        if self.planner is not None:
            return self.planner.read(variable)
        if self.values is not None:
            return self._given(variable)
        if not variable.built and self.grow is not None:
            self.grow()
        return self.stored.read(variable)

    def _given(self, variable: Variable) -> Any:
        assert self.values is not None
        if id(variable) in self.values:
            return self.values[id(variable)]
        if self.parent is not None:
            return self.parent.read(variable)
        if self.holds(variable):
            raise InputError(
                explain(
                    f"{self.path_of(variable)} of {type(self.root).__name__} is not among the "
                    "values given: it was built after they were taken.",
                    where=f"declared at {variable.declared_at}",
                    expected="a value for each path of values()",
                    received="values without it",
                    remedy="Take values() again.",
                )
            )
        return variable.stored()  # of a frozen model outside of the tree

    def write(self, variable: Variable, value: Any) -> None:
        if self.planner is not None and self.planner.building:
            raise TraceError(
                explain(
                    f"{self.path_of(variable)} is assigned inside build, before it has a value.",
                    where=f"declared at {variable.declared_at}",
                    expected="a first value from the initializer",
                    received="assign() in build",
                    remedy="Pass add_weight an initializer that gives this value.",
                )
            )
        if trace_state() != self.state:
            raise TraceError(
                explain(
                    f"{self.path_of(variable)} was assigned inside a transform of the call that "
                    "reads it (a scan, while or cond body, jax.checkpoint, vmap).",
                    where=f"declared at {variable.declared_at}",
                    expected="assign() in the trace in which the call began",
                    received="assign() in an inner trace, whose values end with it",
                    remedy="Carry the value out and assign it there; for rematerialised layers "
                    "use lamina.checkpoint(layer), which carries state.",
                )
            )
        self.written[id(variable)] = value
        self.writers[id(variable)] = variable


@dataclass(frozen=True, slots=True)
class Key:
    """A random key and the trace in which it was given."""

    value: Any
    state: Any


class Scope(NamedTuple):
    """The call that is running; `dtype` is that of its arithmetic, if it is mixed."""

    frame: Frame
    layer: Tracked
    training: bool
    key: Key | None
    dtype: Any = None


SCOPE: ContextVar[Scope | None] = ContextVar("lamina_scope", default=None)


def current_planner() -> Planner | None:
    scope = SCOPE.get()
    return None if scope is None else scope.frame.planner


def as_key(rng: Any) -> Any:
    """A key from what a user passes as `rng`: a key, or a seed."""
    given: Any = rng if isinstance(rng, int) else as_array(rng)
    if isinstance(given, int) or (given is not None and _is_seed(given)):
        return jax.random.key(given)
    raw = given is not None and given.dtype == jnp.uint32 and given.ndim == 1
    if raw or (given is not None and jnp.issubdtype(given.dtype, jax.dtypes.prng_key)):
        return given
    raise InputError(
        explain(
            "That is not a random key.",
            where=f"called at {site()}",
            expected="rng=jax.random.key(0), or a whole number",
            received=repr(rng),
            remedy="Make a key with jax.random.key(seed).",
        )
    )


def _is_seed(array: Any) -> bool:
    return array.ndim == 0 and jnp.issubdtype(array.dtype, jnp.integer)


def as_mode(training: Any, otherwise: bool) -> bool:
    """The mode that `training` asks for; None leaves it as it is."""
    if training is None:
        return otherwise
    if training is True or training is False:
        return training
    try:
        known = bool(training in (0, 1))
    except Exception:  # a traced value has no truth
        known = False
    if known:
        return bool(training)
    raise InputError(
        explain(
            "training is neither True nor False.",
            where=f"called at {site()}",
            expected="a bool of Python's: each mode is a program of its own",
            received="a traced value" if is_traced(training) else repr(training),
            remedy="Pass training=True or training=False; in jax.jit make it a static argument.",
        )
    )


def fresh_key(layer: Tracked) -> Any:
    """A key that depends on the call's key, the layer's path and how many it drew before."""
    scope = SCOPE.get()
    name = type(layer).__name__
    if scope is None:
        raise LaminaError(
            explain(
                f"{name}.rng() was asked for a random key outside of any call.",
                remedy="Draw keys inside call(); outside use jax.random.key.",
            )
        )
    frame = scope.frame
    if frame.planner is not None:
        frame.planner.draws(layer)
    path = frame.path_of(layer)
    label = f"{path} ({name})" if path else name
    key = scope.key
    if key is None:
        raise LaminaError(
            explain(
                f"{label} draws random numbers, but no key is in reach.",
                where=f"made at {layer._lamina.made_at}",
                expected="a call with rng=",
                received="a call without it",
                remedy="Pass a key to the call: layer(x, training=True, rng=jax.random.key(0)).",
            )
        )
    if in_loop(key.state):
        raise TraceError(
            explain(
                f"{label} draws from one key in the body of a loop: every step would get the "
                "same random numbers.",
                where=f"made at {layer._lamina.made_at}",
                expected="a key of each step's own",
                received="the key of the call around the loop",
                remedy="Split a key over the steps and pass each step's: layer(x, rng=step_key).",
            )
        )
    place = (path, id(key.value))
    count = frame.drawn[place] = frame.drawn.get(place, -1) + 1
    own = jax.random.fold_in(key.value, zlib.crc32(path.encode()))
    return jax.random.fold_in(own, count)
