"""What layers add to the loss of training: numbers from their calls, penalties of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import trace_state
from lamina.core.base.pytrees import leaves_of
from lamina.core.running.scope import current
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import frozen_variables, walk
from lamina.errors import InputError, LaminaError, TraceError, explain

__all__ = ["COLLECTED", "add_loss", "added_losses", "collect", "noted", "penalise", "penalties"]


class _Collected(NamedTuple):
    """The losses collected by a `with` block, and the call that the block is in."""

    losses: list[jax.Array]
    call: Any


COLLECTED: ContextVar[_Collected | None] = ContextVar("lamina_losses", default=None)


def _running() -> Any:
    scope = current()
    return None if scope is None else scope.call


@contextlib.contextmanager
def added_losses() -> Generator[list[jax.Array]]:
    """Collect what the calls made meanwhile add to the loss: a list of numbers to sum.

    They are what layers give to `add_loss`, what `activity_regularizer` makes of outputs, and the
    penalties of all weights that train and have a regularizer. It serves for `layer(x)`, `apply`
    and `lamina.jit` alike. `fit` and `Trainer` add them to the loss by themselves.

    >>> import jax
    >>> from lamina import layers
    >>> layer = layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")
    >>> layer.build((None, 2))
    >>> def loss(values, x):
    ...     with added_losses() as added:
    ...         outputs, _ = layer.apply(values, x)
    ...     return outputs.mean() + sum(added)
    >>> float(loss(layer.values(), jnp.zeros((3, 2))))
    0.019999999552965164
    """
    found: list[jax.Array] = []
    token = COLLECTED.set(_Collected(found, _running()))
    try:
        yield found
    finally:
        COLLECTED.reset(token)


def collect(layer: Tracked, losses: list[Any], values: Mapping[int, Any] | None = None) -> None:
    """Hand over what a root's call added, if a block around it collects that.

    A pure call within another call is not collected outside of that one.

    Args:
        layer: the root.
        losses: what its call added.
        values: of its variables by identity; None (default) for those that they hold.
    """
    found = COLLECTED.get()
    if found is not None and found.call is _running():
        found.losses.extend(losses)
        found.losses.extend(
            penalties(layer, lambda v: v.value if values is None else values[id(v)])
        )


def noted() -> list[Any]:
    """What the call that is running has added so far."""
    scope = current()
    return [] if scope is None else scope.call.losses


def penalties(
    layer: Tracked, read: Callable[[Variable], Any] = lambda variable: variable.value
) -> list[jax.Array]:
    """The penalties of those weights of a tree that train."""
    tree = walk(layer)
    penalised = {
        key: variable
        for key, (_, variable) in tree.variables.items()
        if variable.regularizer is not None
    }
    frozen = frozen_variables(tree) if penalised else set[int]()
    kept = [v for key, v in penalised.items() if key not in frozen]
    return [jnp.sum(v.over_copies(cast(Any, v.regularizer), read(v))) for v in kept]


def penalise(layer: Tracked, penalty: Callable[[Any], Any], outputs: Any) -> None:
    """Add a penalty of each output, divided by the size of its first axis."""
    for output in leaves_of(outputs):
        if isinstance(output, jax.Array):
            size = output.shape[0] if output.ndim else 1
            add_loss(layer, penalty(output) / max(size, 1))


def add_loss(layer: Tracked, loss: Any) -> None:
    """Note a number, or several in a tree, with the call that is running.

    Raises:
        LaminaError: no call is running.
        InputError: it is not a number.
        TraceError: it belongs to a transform within the call, and ends with that.
    """
    scope = current()
    if scope is None:
        raise LaminaError(
            explain(
                f"{type(layer).__name__}.add_loss() was called outside of any call.",
                remedy="Add losses inside call(); a penalty of a weight is its regularizer.",
            )
        )
    path = scope.call.path_of(layer)
    label = f"{path} ({type(layer).__name__})" if path else type(layer).__name__
    where = f"made at {layer._lamina.made_at}"
    if trace_state() != scope.call.state:
        raise TraceError(
            explain(
                f"{label} adds a loss inside a transform of the call (a scan, while or cond "
                "body, vmap, jax.checkpoint).",
                where=where,
                expected="add_loss() in the trace in which the call began",
                received="add_loss() in an inner trace, whose values end with it",
                remedy="Carry the value out and add it there; for rematerialised layers use "
                "lamina.checkpoint(layer), which carries losses.",
            )
        )
    for one in leaves_of(loss):
        number = jnp.asarray(one)
        if number.shape != ():
            raise InputError(
                explain(
                    f"{label} adds a loss that is not one number.",
                    where=where,
                    expected="a scalar",
                    received=f"an array of shape {number.shape}",
                    remedy="Take its mean: self.add_loss(loss.mean()).",
                )
            )
        scope.call.losses.append(number)
