"""Gradient clipping before the update of an optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.errors import InputError, explain
from lamina.lazy import lazily

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Clipping", "clipped"]

_KINDS = ("clipnorm", "clipvalue", "global_clipnorm")


class Clipping(TypedDict, total=False):
    """The ways of clipping gradients, of which one may be chosen.

    Args:
        clipnorm: the largest L2 norm of the gradient of each weight.
        clipvalue: the largest absolute value of each element of a gradient.
        global_clipnorm: the largest L2 norm of all gradients together.
        name: ignored; Keras has it.
    """

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    name: str | None


def clipped(optimizer: Any, options: Mapping[str, Any]) -> optax.GradientTransformation:
    """Return the optimizer with its gradients clipped as the options say.

    Args:
        optimizer: an optax transformation.
        options: of :class:`Clipping`; None values are ignored.

    Raises:
        InputError: there is more than one way of clipping, or a limit is not positive and finite.
    """
    limits = {kind: options[kind] for kind in _KINDS if options.get(kind) is not None}
    if not limits:
        return optimizer
    if len(limits) > 1:
        raise InputError(
            explain(
                "Gradients can be clipped in one way only.",
                expected="one of clipnorm, clipvalue and global_clipnorm",
                received=", ".join(f"{kind}={limit}" for kind, limit in limits.items()),
                remedy="Keep global_clipnorm, which preserves the direction of the update.",
            )
        )
    ((kind, limit),) = limits.items()
    if not limit > 0 or not math.isfinite(limit):
        raise InputError(
            explain(
                f"{kind} is not a positive finite number.",
                received=repr(limit),
                remedy=f"Pass {kind}=1.0, for example.",
            )
        )
    return optax.chain(_clip(kind, limit), optimizer)


def _clip(kind: str, limit: float) -> optax.GradientTransformation:
    if kind == "clipvalue":
        return optax.clip(limit)
    if kind == "global_clipnorm":
        return optax.clip_by_global_norm(limit)
    return optax.stateless(
        lambda gradients, _: map_tree(lambda gradient: _clip_norm(gradient, limit), gradients)
    )


def _clip_norm(gradient: Any, limit: float) -> Any:
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    return gradient * (limit / jnp.maximum(norm, limit))
