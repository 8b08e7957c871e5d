"""Random keys of calls, and the keys that layers derive from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import in_loop, is_staged, outside_traces, trace_state
from lamina.core.base.pytrees import as_array
from lamina.core.base.sites import site
from lamina.core.running.interpreter import Interpreter
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, LaminaError, TraceError, explain

__all__ = [
    "Key",
    "NoKeyError",
    "as_key",
    "default_key",
    "has_default",
    "new_default",
    "no_call",
    "set_default_rng",
    "split_for",
]


class NoKeyError(LaminaError):
    """A layer draws random numbers in a call without a random key."""


class Key:
    """The random key of a call, with the number of keys that each layer has drawn from it.

    The counts belong to the key. Two calls of a layer with the same `Key` draw different random
    numbers; a call to which the same JAX key is passed again starts at 0.

    Args:
        value: the JAX key, or a function that makes it at the first draw.
        drawn: the number of draws, by the layer's path; None (default) for no draws.
        state: the JAX trace in which the key was passed; None (default) for the running one.
    """

    __slots__ = ("_value", "drawn", "state")

    def __init__(self, value: Any, drawn: dict[str, int] | None = None, state: Any = None) -> None:
        self._value = value
        self.state = trace_state() if state is None else state
        self.drawn: dict[str, int] = {} if drawn is None else drawn

    @property
    def value(self) -> Any:
        """The JAX key."""
        if callable(self._value):
            self._value = outside_traces(self._value)
        return self._value

    @property
    def is_outside_loop(self) -> bool:
        """Whether the body of a loop is running that began after the key was passed."""
        return in_loop(self.state)


class _Default:
    source: Any = None


def set_default_rng(source: Callable[[], Any] | None) -> None:
    """Set where calls of layers without the argument ``rng`` get their random keys.

    Without it, drawing in such a call is an error. It has no effect on `apply`, on compiled calls
    and within ``jax.jit``, where a key from outside would be the same in all runs of the program.

    Args:
        source: a function without arguments that returns another JAX key each time. It is called
            when a layer draws. None, as initially, for no keys.

    >>> import itertools
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> set_default_rng(map(jax.random.key, itertools.count()).__next__)
    >>> layers.Dropout(0.5)(jnp.ones((2, 3)), training=True).shape
    (2, 3)
    >>> set_default_rng(None)
    """
    _Default.source = source


def has_default() -> bool:
    """Return whether calls without `rng` have a key."""
    return _Default.source is not None


def new_default() -> Any:
    """Return a new default key."""
    return _Default.source()


def default_key() -> Key | None:
    """Return the key of a call without `rng`; None if it may not draw."""
    return None if _Default.source is None or is_staged() else Key(_Default.source)


def as_key(rng: Any) -> Any:
    """Convert the argument `rng`, a key or an integer seed, to a key.

    Raises:
        InputError: `rng` is neither.
    """
    key: Any = rng if isinstance(rng, int) else as_array(rng)
    if isinstance(key, int) or (key is not None and _is_seed(key)):
        return jax.random.key(key)
    raw = key is not None and key.dtype == jnp.uint32 and key.ndim == 1
    if raw or (key is not None and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        return key
    raise InputError(
        explain(
            "rng is not a random key.",
            where=f"called at {site()}",
            expected="a key, such as jax.random.key(0), or an integer seed",
            received=repr(rng),
            remedy="Create a key with jax.random.key(seed).",
        )
    )


def _is_seed(array: Any) -> bool:
    return array.ndim == 0 and jnp.issubdtype(array.dtype, jnp.integer)


def no_call(layer: Tracked) -> LaminaError:
    """Return the error of a layer that requests a random key outside of calls."""
    return LaminaError(
        explain(
            f"{type(layer).__name__}.rng() was called outside of a call.",
            remedy="Use self.rng() inside call(), and jax.random.key elsewhere.",
        )
    )


def split_for(call: Interpreter, layer: Tracked, key: Key | None) -> Any:
    """Derive a key from the call's key, the layer's path and the number of its earlier draws.

    Args:
        call: the running call.
        layer: the layer that draws.
        key: the key of the call; None for no key.

    Raises:
        NoKeyError: the call has no key.
        TraceError: the key was passed outside of a loop whose body is running.
    """
    call.drawing(layer)
    path = call.path_of(layer)
    name = type(layer).__name__
    label = f"{path} ({name})" if path else name
    where = f"made at {layer._lamina.made_at}"
    if key is None:
        raise NoKeyError(
            explain(
                f"{label} draws random numbers, but the call has no random key.",
                where=where,
                expected="a call with the argument rng",
                received="a call without it",
                remedy="Pass a key: layer(x, training=True, rng=jax.random.key(0)).",
            )
        )
    if key.is_outside_loop:
        raise TraceError(
            explain(
                f"{label} draws random numbers in the body of a loop from a key that is the same "
                "in all steps.",
                where=where,
                expected="a different key in each step",
                received="the key of the call that contains the loop",
                remedy="Split the key outside of the loop, and pass one key to each step: "
                "layer(x, rng=step_key).",
            )
        )
    count = key.drawn.get(path, 0)
    key.drawn[path] = count + 1
    own = jax.random.fold_in(key.value, call.path_code(layer))
    return jax.random.fold_in(own, count)
