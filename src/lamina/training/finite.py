"""Where numbers stopped being finite: the step is run again, and every layer is looked at."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.core.node import Tracked
from lamina.core.root import Root
from lamina.core.tracing import is_traced
from lamina.core.tracking import walk
from lamina.core.trees import leaves_of
from lamina.errors import InputError, LaminaError, explain
from lamina.training.objective import Objective

__all__ = ["NotFiniteError", "checked_mode", "error"]


class NotFiniteError(LaminaError, ArithmeticError):
    """A loss was infinite or not a number; the weights are those before that step."""


def checked_mode(given: str) -> str:
    """What is to come of a loss that is not finite."""
    if given not in ("raise", "stop", "ignore"):
        raise InputError(
            explain(
                "on_nonfinite says something unknown.",
                expected="'raise', 'stop' or 'ignore'",
                received=repr(given),
                remedy="Leave it out for an error that says where the numbers went wrong.",
            )
        )
    return given


def error(model: Tracked, objective: Objective, batch: Any, key: Any, count: int) -> NotFiniteError:
    """The error that names the first thing in the step that was not finite."""
    place, remedy = _first(model, objective, batch, key)
    return NotFiniteError(
        explain(
            f"The loss is not finite at step {count + 1}: {place}.",
            where=f"{type(model).__name__}, made at {model._lamina.made_at}",
            expected="finite numbers",
            received="inf or nan; the weights are those before this step",
            remedy=remedy,
        )
    )


def _concrete(leaf: Any) -> bool:
    """Within a scan values are not there to look at; the layer around it is."""
    return hasattr(leaf, "dtype") and not is_traced(leaf)


def _bad(tree: Any) -> bool:
    leaves = [leaf for leaf in leaves_of(tree) if _concrete(leaf)]
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return any(not bool(jnp.all(jnp.isfinite(leaf))) for leaf in floats)


def _first(model: Tracked, objective: Objective, batch: Any, key: Any) -> tuple[str, str]:
    if _bad(batch):
        return "the batch itself holds inf or nan", "Clean the data before training."
    for path, variable in walk(model).variables.values():
        if _bad(variable.stored()):
            return (
                f"the weight {path!r} is not finite, from the gradients of the step before",
                "Lower the learning rate, or clip gradients: optax.clip_by_global_norm(1.0).",
            )
    found: list[str] = []

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        if not found and _bad(outputs):
            reason = _ids(inputs) if not _bad(inputs) else ""
            found.append(f"the first output that is not finite is that of {path} ({kind}){reason}")

    options = {"training": True, "rng": key}
    Root(model, objective, (batch,), options).watched(watch)
    if found:
        return found[0], ("Look at what this layer is given; token ids must lie in [0, input_dim).")
    return "every layer's output is finite, so it is the loss itself", (
        "See that labels lie in the range the loss expects, and use losses from logits."
    )


def _ids(inputs: Any) -> str:
    """The range of whole-number inputs, which is what an out-of-range id shows in."""
    leaves = [leaf for leaf in leaves_of(inputs) if _concrete(leaf)]
    whole = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.size]
    if not whole:
        return ""
    return f", given ids from {int(whole[0].min())} to {int(whole[0].max())}"
