"""Losses that layers add to the training loss: by `add_loss`, and penalties of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_traced, trace_state
from lamina.core.base.pytrees import leaves_of
from lamina.core.running.scope import current
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.errors import InputError, LaminaError, TraceError, explain

__all__ = [
    "COLLECTED",
    "add_activity_penalty",
    "add_loss",
    "added_losses",
    "collect",
    "losses_of",
    "losses_so_far",
    "penalties",
]


class _Collected(NamedTuple):
    """The losses that a `with` block collects, and the call that contains the block."""

    losses: list[jax.Array]
    call: Any


COLLECTED: ContextVar[_Collected | None] = ContextVar("lamina_losses", default=None)


def _running() -> Any:
    scope = current()
    return None if scope is None else scope.call


@contextlib.contextmanager
def added_losses() -> Generator[list[jax.Array]]:
    """Collect the losses that calls in a ``with`` block add.

    They are the losses of ``add_loss``, the penalties of ``activity_regularizer``, and the
    penalties of trainable weights with a regularizer. Calls by ``layer(x)``, ``layer.apply`` and
    :func:`lamina.jit` are collected. ``fit`` and ``Trainer`` add these losses to the training loss
    themselves.

    Returns:
        A context manager that returns a list of scalar arrays; it is filled by the calls.

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
    """Add the losses of a root's call to the list of :func:`added_losses`, if that is active.

    Losses of `apply` within another call are collected only by a block in the same call.

    Args:
        layer: the root.
        losses: the losses that its call added.
        values: the values of its variables, by identity; None (default) for the stored ones.
    """
    found = COLLECTED.get()
    if found is not None and found.call is _running():
        found.losses.extend(losses)
        found.losses.extend(
            penalties(layer, lambda v: v.value if values is None else values[id(v)])
        )


def losses_so_far() -> list[Any]:
    """Return the losses that the running call has added so far."""
    scope = current()
    return [] if scope is None else scope.call.losses


def penalties(
    layer: Tracked, read: Callable[[Variable], Any] = lambda variable: variable.value
) -> list[jax.Array]:
    """Return the penalties of the trainable weights of a tree.

    Args:
        layer: the root of the tree.
        read: returns the value of a variable.
    """
    tree = walk(layer)
    penalised = {
        key: variable
        for key, (_, variable) in tree.variables.items()
        if variable.regularizer is not None
    }
    frozen = frozen_variables(tree) if penalised else set[int]()
    kept = [v for key, v in penalised.items() if key not in frozen]
    return [jnp.sum(v.over_copies(cast(Any, v.regularizer), read(v))) for v in kept]


def add_activity_penalty(layer: Tracked, penalty: Callable[[Any], Any], outputs: Any) -> None:
    """Add a penalty of each output array to the loss, divided by the batch size."""
    for output in leaves_of(outputs):
        if isinstance(output, jax.Array):
            size = output.shape[0] if output.ndim else 1
            add_loss(layer, penalty(output) / max(size, 1))


def add_loss(layer: Tracked, loss: Any) -> None:
    """Add a scalar, or the scalars of a pytree, to the losses of the running call.

    Raises:
        LaminaError: no call is running.
        InputError: a loss is not a scalar.
        TraceError: an inner JAX transform is running, whose tracers end with it.
    """
    scope = current()
    if scope is None:
        raise LaminaError(
            explain(
                f"{type(layer).__name__}.add_loss() was called outside of a call.",
                remedy="Use add_loss() inside call(); for a penalty of a weight, pass a "
                "regularizer to add_weight().",
            )
        )
    path = scope.call.path_of(layer)
    label = f"{path} ({type(layer).__name__})" if path else type(layer).__name__
    where = f"made at {layer._lamina.made_at}"
    if trace_state() != scope.call.state:
        raise TraceError(
            explain(
                f"{label} adds a loss inside a JAX transform within the call (a scan, while or "
                "cond body, vmap, jax.checkpoint).",
                where=where,
                expected="add_loss() outside of inner transforms",
                received="add_loss() in an inner trace, whose values do not exist outside of it",
                remedy="Return the loss from the transform and add it outside; for rematerialized "
                "layers use lamina.checkpoint(layer), which supports losses.",
            )
        )
    for one in leaves_of(loss):
        number = jnp.asarray(one)
        if number.shape != ():
            raise InputError(
                explain(
                    f"{label} adds a loss that is not a scalar.",
                    where=where,
                    expected="a scalar",
                    received=f"an array of shape {number.shape}",
                    remedy="Reduce it to a scalar, such as self.add_loss(loss.mean()).",
                )
            )
        scope.call.losses.append(number)
        if not is_traced(number):
            _keep(layer, scope.call.number, number)


def _keep(layer: Tracked, call: int, loss: jax.Array) -> None:
    """Keep a loss of a call outside of traces, for `Layer.losses`."""
    node: Any = layer._lamina
    before: tuple[int, list[jax.Array]] = getattr(node, "added_losses", (-1, []))
    earlier = before[1] if before[0] == call else []
    node.added_losses = (call, [*earlier, loss])


def losses_of(layer: Tracked) -> list[jax.Array]:
    """The losses that the layer and those below added in their last call, and the penalties.

    Calls within a trace, such as those of `fit`, are not kept; within such a call of the layer
    itself, they are the losses so far.
    """
    scope = current()
    if scope is not None and scope.call.root is layer:
        return [*losses_so_far(), *penalties(layer)]
    nodes: list[Any] = [one._lamina for _, one in walk(layer).layers.values()]
    kept = [node.added_losses for node in nodes if getattr(node, "added_losses", None)]
    last = max((call for call, _ in kept), default=0)
    return [loss for call, losses in kept if call == last for loss in losses] + penalties(layer)
