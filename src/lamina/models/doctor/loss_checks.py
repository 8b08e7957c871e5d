"""Checks of a compiled model: whether its outputs suit its loss."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from lamina.core.base.pytrees import leaves_of
from lamina.losses import FunctionLoss, Loss
from lamina.models.doctor.patient import Passes, Patient, SeenCall, activation_of
from lamina.models.model import Model
from lamina.models.model_state import state_of
from lamina.reports.diagnosis import Finding

__all__ = ["loss_findings"]


class _Entropy(NamedTuple):
    """A cross-entropy: of two classes or several, of logits or of probabilities."""

    name: str
    binary: bool
    from_logits: bool


def loss_findings(patient: Patient) -> Iterator[Finding]:
    """Find outputs that do not suit the loss of `compile`."""
    model = patient.model
    if not isinstance(model, Model):
        return
    state = state_of(model)
    arguments = state.arguments_of_compile or (state.pending and state.pending.arguments)
    if not arguments:
        return
    weights = [variable for variable in patient.plan.variables if variable.is_weight]
    if weights and not any(variable.trainable for variable in weights):
        yield patient.finding(
            "nothing-trains",
            "warning",
            "",
            f"The model is compiled, but all of its {len(weights)} weights are frozen: fit changes "
            "nothing.",
            "Set trainable = True on the layers to train.",
        )
    if patient.passes is None or patient.has_own_loss:
        return
    for loss, array, maker in _pairs(arguments["loss"], patient.passes):
        entropy = _entropy(loss)
        if entropy is not None:
            yield from _suits(patient, entropy, array, maker)


def _pairs(loss: Any, passes: Passes) -> list[tuple[Any, Any, SeenCall | None]]:
    """Losses with the outputs that they take."""
    outputs = passes.of_root()
    if isinstance(loss, dict):
        given = list(cast("dict[Any, Any]", loss).values())
        if len(given) != 1 or len(outputs) != 1:
            return []
        loss = given[0]
    if isinstance(loss, list | tuple):
        flat = leaves_of(cast("list[Any]", loss))
        if len(flat) != len(outputs):
            return []
        return [(one, *output) for one, output in zip(flat, outputs, strict=True)]
    return [(loss, *output) for output in outputs] if loss is not None else []


def _entropy(loss: Any) -> _Entropy | None:
    """Describe a cross-entropy of Lamina; None for another loss."""
    options: dict[str, Any] = {}
    if isinstance(loss, FunctionLoss):
        loss = loss.function
    if isinstance(loss, functools.partial):
        options, loss = loss.keywords, cast("functools.partial[Any]", loss).func
    if isinstance(loss, str):
        name, own = loss, False
    elif isinstance(loss, Loss):
        name, own = type(loss).__name__, getattr(loss, "from_logits", False)
    else:
        if not str(getattr(loss, "__module__", "")).startswith("lamina.losses"):
            return None
        name, own = getattr(loss, "__name__", ""), False
    plain = name.lower().replace("_", "")
    if plain != "bce" and not plain.endswith("crossentropy"):
        return None
    binary = plain.startswith("b")
    return _Entropy(name, binary, bool(options.get("from_logits", own)))


def _suits(
    patient: Patient, entropy: _Entropy, array: Any, maker: SeenCall | None
) -> Iterator[Finding]:
    values = np.asarray(array, "float32")
    if not np.isfinite(values).all() or values.size == 0 or values.ndim == 0:
        return
    path = "" if maker is None else maker.path
    activation = None if maker is None else activation_of(maker.layer)
    shares = bool((values >= 0).all()) and bool(np.allclose(values.sum(-1), 1, atol=1e-2))
    classes = values.shape[-1]
    if not entropy.binary and classes == 1:
        yield patient.finding(
            "one-class",
            "warning",
            path,
            f"{entropy.name} gets outputs of 1 class, {values.shape}: the loss is 0 whatever the "
            "weights.",
            "Use as many outputs as there are classes, or BinaryCrossentropy for one output.",
        )
        return
    if entropy.from_logits:
        twice = activation == "sigmoid" if entropy.binary else activation == "softmax" or shares
        if twice:
            yield patient.finding(
                "probabilities-as-logits",
                "warning",
                path,
                f"{entropy.name}(from_logits=True) gets probabilities: "
                f"{'sigmoid' if entropy.binary else 'softmax'} is applied twice, and no class can "
                "get a probability near 1.",
                "Remove the last activation, or pass from_logits=False.",
            )
        elif activation == "relu":
            yield patient.finding(
                "relu-as-logits",
                "warning",
                path,
                f"{entropy.name}(from_logits=True) gets outputs of a relu: logits cannot be "
                "negative, and a unit at 0 gets no gradient.",
                "Remove the activation of the last layer.",
            )
        return
    low, high = float(values.min()), float(values.max())
    if low < -1e-6 or high > 1 + 1e-3 or not (entropy.binary or shares):
        span = f"numbers from {low:.3g} to {high:.3g}"
        sums = "" if entropy.binary else f", with sums up to {values.sum(-1).max():.3g}"
        yield patient.finding(
            "logits-as-probabilities",
            "warning",
            path,
            f"{entropy.name} takes probabilities (from_logits=False) and gets {span}{sums}.",
            "Pass from_logits=True to the loss (faster and more accurate), or end with "
            f"{'a sigmoid' if entropy.binary else 'a softmax'}.",
        )
