"""The search for the first array of a step that is not finite: the step is run again, watched."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.walk import walk
from lamina.errors import InputError, LaminaError, explain
from lamina.training.nonfinite.derivatives import (
    WatchedCall,
    as_floats,
    has_nonfinite,
    layer_with_nonfinite_derivative,
)
from lamina.training.nonfinite.id_ranges import ids_outside, labels_outside
from lamina.training.step.model_call import ModelCall, current_layer_call
from lamina.training.step.objective import BatchLoss, Objective

__all__ = ["NotFiniteError", "OnNonfinite", "check_mode", "find_nonfinite"]

OnNonfinite: TypeAlias = Literal["raise", "stop", "ignore"]
"""What `fit` does when a loss or a gradient is not finite."""


class NotFiniteError(LaminaError, ArithmeticError, RuntimeError):
    """A loss or a gradient was infinite or NaN; the weights are those before that step.

    Attributes:
        step: the number of the step, counted from 1 over all steps of the trainer.
        batch: the index of its batch in the epoch, counted from 0.
        path: of the layer in which the first such number occurred; None if it was in no layer.
    """

    step: int = 0
    batch: int = 0
    path: str | None = None


class _Finding(NamedTuple):
    """The cause: in words, the remedy, the layer's path, and whether the loss or a gradient."""

    cause: str
    remedy: str
    path: str | None = None
    subject: str = "loss"


def check_mode(mode: str) -> OnNonfinite:
    """Check the argument `on_nonfinite`.

    Raises:
        InputError: it is not `"raise"`, `"stop"` or `"ignore"`.
    """
    if mode not in ("raise", "stop", "ignore"):
        raise InputError(
            explain(
                "on_nonfinite has an unknown value.",
                expected="'raise', 'stop' or 'ignore'",
                received=repr(mode),
                remedy="Omit it to get an error that names the first layer that is not finite.",
            )
        )
    return mode


def find_nonfinite(
    model: Tracked, objective: Objective, batch: Any, key: jax.Array, step: int, index: int
) -> NotFiniteError:
    """Run a step again and return the error that names the first array that is not finite.

    Args:
        model: with the weights from before the step.
        objective: the loss and metrics.
        batch: of the step.
        key: the random key of the step.
        step: the number of steps before it.
        index: of the batch in its epoch.
    """
    found = _find(model, objective, batch, key)
    error = NotFiniteError(
        explain(
            f"The {found.subject} is not finite at step {step + 1}, on batch {index} of its "
            f"epoch: {found.cause}.",
            where=f"{type(model).__name__}, made at {model._lamina.made_at}",
            expected="finite numbers; batches are counted from 0",
            received="inf or nan; the weights are those before this step",
            remedy=found.remedy,
        )
    )
    error.step, error.batch, error.path = step + 1, index, found.path
    return error


_CLIP = "Lower the learning rate, or clip gradients: compile(..., global_clipnorm=1.0)."
_INSPECT_STEP = "Inspect the values in train_step; run_eagerly=True in compile helps."
_INSPECT = "Inspect the inputs and the weights of this layer."
_SMOOTH = (
    "Keep the inputs away from where the derivative is infinite: jnp.sqrt(x + 1e-6), or jnp.where "
    "around the argument as well as around the result."
)


def _find(model: Tracked, objective: Objective, batch: Any, key: jax.Array) -> _Finding:
    if has_nonfinite(batch):
        return _Finding(
            f"the batch itself contains {_place(batch)}", "Clean the data before training."
        )
    for path, variable in walk(model).variables.values():
        if has_nonfinite(variable.stored()):
            cause = (
                f"the weight {path!r} is not finite, because of the gradients of the step before, "
                "of which only a part is checked"
            )
            return _Finding(cause, _CLIP, path.rpartition(".")[0])
    if objective.own_steps is not None:
        cause = "train_step reports a loss that is not finite, and weights and inputs are finite"
        return _Finding(cause, _INSPECT_STEP)
    call = ModelCall(model, objective, batch, True, key)
    found, calls, outputs = _in_outputs(call)
    if found is not None:
        return found
    return _in_loss(objective, call, batch, outputs) or _in_gradients(model, call, calls)


def _in_outputs(call: ModelCall) -> tuple[_Finding | None, list[WatchedCall], Any]:
    """Return the first layer output that is not finite, the calls, and the model's outputs."""
    calls: list[WatchedCall] = []
    findings: list[_Finding] = []
    outputs_of: dict[str, Any] = {}

    def watch(path: str, class_name: str, inputs: Any, outputs: Any) -> None:
        layer_call, outputs_of[path] = current_layer_call(), outputs
        calls.append(WatchedCall(path, class_name, layer_call, inputs))
        if not findings and has_nonfinite(outputs):
            ids = "" if has_nonfinite(inputs) else ids_outside(layer_call.layer, inputs)
            cause = f"the first output that is not finite is that of {calls[-1].label}"
            cause += f": {ids}" if ids else ""
            remedy = "Correct the token ids, or raise input_dim." if ids else _INSPECT
            findings.append(_Finding(cause, remedy, path))

    call.watch(watch)
    return (findings[0] if findings else None), calls, outputs_of.get("")


def _in_loss(objective: Objective, call: ModelCall, batch: Any, outputs: Any) -> _Finding | None:
    """Return why the loss is not finite though all outputs are; None if the loss is finite."""
    value: BatchLoss = call.run()
    if not has_nonfinite(value.loss):
        return None
    labels = labels_outside(objective, batch, outputs)
    if labels:
        return _Finding(f"every layer's output is finite, but {labels}", "Correct the labels.")
    return _Finding(
        "every layer's output is finite, so it is the loss itself",
        "Check that labels are in the range that the loss expects, and use losses from logits.",
    )


def _in_gradients(model: Tracked, call: ModelCall, calls: list[WatchedCall]) -> _Finding:
    tree = walk(model)
    origin = layer_with_nonfinite_derivative(tree, calls)
    if origin is not None:
        cause = f"the loss is finite, but not the derivative of {origin.label} at its inputs"
        return _Finding(cause, _SMOOTH, origin.path, "gradient")
    frozen = frozen_variables(tree)
    trainable = {key: (p, v) for key, (p, v) in tree.variables.items() if key not in frozen}
    values = {key: v.stored() for key, (_, v) in tree.variables.items()}

    def loss(weights: dict[int, Any]) -> Any:
        return call.apply(values | weights)[0].loss

    weights = {key: variable.stored() for key, (_, variable) in trainable.items()}
    gradients = cast(Any, jax.grad(loss)(weights))
    paths = [path for key, (path, _) in trainable.items() if has_nonfinite(gradients[key])]
    subject = f"the gradient of the weight {paths[-1]!r} is not" if paths else "a gradient is not"
    path = paths[-1].rpartition(".")[0] if paths else None
    return _Finding(f"the loss is finite, but {subject}", _CLIP, path, "gradient")


def _place(batch: Any) -> str:
    """Describe the first position in a batch that is not finite."""
    for index, leaf in enumerate(leaves_of(batch)):
        if not hasattr(leaf, "dtype") or is_traced(leaf) or not has_nonfinite(leaf):
            continue
        place = np.argwhere(~np.isfinite(as_floats(leaf)))[0].tolist()
        return f"inf or nan, first at {place} of its array {index}, of shape {jnp.shape(leaf)}"
    return "inf or nan"
