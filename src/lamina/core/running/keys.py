"""Random keys of calls, and the keys that layers draw from them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import in_loop, trace_state
from lamina.core.base.pytrees import as_array
from lamina.core.base.sites import site
from lamina.core.running.interpreter import Interpreter
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, LaminaError, TraceError, explain

__all__ = ["Key", "as_key", "no_call", "split_for"]


class Key:
    """The random key of a call, and how many keys each layer has drawn from it.

    The count belongs to the key: the same key given again begins at 0 again, and calls that share
    one key, such as two of one layer, draw different numbers.

    Args:
        value: the key as an array.
        drawn: the number of draws by the layer's path; None (default) for none so far.
        state: the JAX trace in which the key was given; None (default) for the running one.
    """

    __slots__ = ("drawn", "state", "value")

    def __init__(self, value: Any, drawn: dict[str, int] | None = None, state: Any = None) -> None:
        self.value = value
        self.state = trace_state() if state is None else state
        self.drawn: dict[str, int] = {} if drawn is None else drawn

    @property
    def is_outside_loop(self) -> bool:
        """Whether the body of a loop is running that was entered after the key was given."""
        return in_loop(self.state)


def as_key(rng: Any) -> Any:
    """A key from the argument `rng`: a key, or a seed.

    Raises:
        InputError: it is neither.
    """
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
            expected="rng=jax.random.key(0), or an integer",
            received=repr(rng),
            remedy="Make a key with jax.random.key(seed).",
        )
    )


def _is_seed(array: Any) -> bool:
    return array.ndim == 0 and jnp.issubdtype(array.dtype, jnp.integer)


def no_call(layer: Tracked) -> LaminaError:
    """The error of a layer that asks for a key while no call is running."""
    return LaminaError(
        explain(
            f"{type(layer).__name__}.rng() was called outside of any call.",
            remedy="Draw keys inside call(); outside use jax.random.key.",
        )
    )


def split_for(call: Interpreter, layer: Tracked, key: Key | None) -> Any:
    """A key that depends on the call's key, the layer's path and the layer's draws before.

    Args:
        call: the call that is running.
        layer: the layer that draws.
        key: the key of the call.

    Raises:
        LaminaError: the call has no key.
        TraceError: the key was given outside of a loop whose body is running.
    """
    call.drawing(layer)
    path = call.path_of(layer)
    name = type(layer).__name__
    label = f"{path} ({name})" if path else name
    where = f"made at {layer._lamina.made_at}"
    if key is None:
        raise LaminaError(
            explain(
                f"{label} draws random numbers, but the call has no random key.",
                where=where,
                expected="a call with rng=",
                received="a call without it",
                remedy="Pass a key to the call: layer(x, training=True, rng=jax.random.key(0)).",
            )
        )
    if key.is_outside_loop:
        raise TraceError(
            explain(
                f"{label} draws from one key in the body of a loop: every step would get the "
                "same random numbers.",
                where=where,
                expected="a different key in each step",
                received="the key of the call around the loop",
                remedy="Split a key over the steps and pass each step's: layer(x, rng=step_key).",
            )
        )
    count = key.drawn.get(path, 0)
    key.drawn[path] = count + 1
    own = jax.random.fold_in(key.value, call.path_code(layer))
    return jax.random.fold_in(own, count)
