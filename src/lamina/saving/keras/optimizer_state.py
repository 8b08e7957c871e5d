"""The state of an optimizer in a file of Keras: reading it, so that training continues."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.calling.views import trainable_variables
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import explain
from lamina.saving.config import deserialize
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.legacy_optimizer import in_order
from lamina.saving.keras.optimizer_slots import (
    CLASSES,
    ITERATION,
    PRODUCT,
    RATE,
    SCALE,
    SCALE_STEPS,
    Entry,
    Key,
    Leaf,
    Progress,
    entries_of,
    leaves_of,
)
from lamina.saving.models import TrainingArrays

__all__ = ["Described", "described", "read_state", "trained_weights", "with_loss_scale"]

_MOST_STEPS = 2**31 - 1


class Described(NamedTuple):
    """An optimizer of Keras's classes.

    Attributes:
        kind: the name of the class; that of the inner optimizer of a `LossScaleOptimizer`.
        options: its options by name.
        scale: the options of the `LossScaleOptimizer` around it; None without one.
    """

    kind: str
    options: Mapping[str, Any]
    scale: Mapping[str, Any] | None

    @property
    def schedule(self) -> Any:
        """The schedule of the learning rate; None for a number."""
        rate = self.options["learning_rate"]
        return rate if callable(rate) else None

    @property
    def rate(self) -> float:
        """The learning rate, or that of the first update."""
        return float(self.options["learning_rate"] if self.schedule is None else self.schedule(0))

    @property
    def batches(self) -> int:
        """The number of batches in one update."""
        return int(self.options.get("gradient_accumulation_steps") or 1)

    def progress(self, iteration: int) -> Progress:
        """Return how far the optimizer is after a number of batches."""
        return Progress(iteration, self.batches, float(self.options.get("epsilon") or 0.0))

    def entries(
        self, weights: Mapping[str, Any], known: Mapping[Key, Any], of_tensorflow: bool = False
    ) -> list[Entry]:
        """List the variables that Keras has for this optimizer, in their order."""
        is_scaled, scheduled = self.scale is not None, self.schedule is not None
        return entries_of(self.kind, scheduled, is_scaled, weights, known, of_tensorflow)


def described(optimizer: Any) -> Described | None:
    """Return the class and options of an optimizer; None if Keras has no such optimizer.

    Args:
        optimizer: an optax transformation.
    """
    inner = getattr(optimizer, "inner_optimizer", None)
    scale = None if inner is None else getattr(optimizer, "options", {})
    inner = optimizer if inner is None else inner
    kind, options = type(inner).__name__, getattr(inner, "options", None)
    if not isinstance(options, Mapping) or kind not in CLASSES:
        return None
    return Described(kind, cast("Mapping[str, Any]", options), scale)


def with_loss_scale(optimizer: Any, model: Tracked, auto_scale_loss: bool) -> Any:
    """Return the optimizer with the scale of the loss that `compile` gives to it.

    Args:
        optimizer: an optax transformation.
        model: the model.
        auto_scale_loss: the argument of `compile`.
    """
    is_scaled = hasattr(optimizer, "inner_optimizer")
    if is_scaled or not auto_scale_loss or model._lamina.dtype != "mixed_float16":
        return optimizer
    config = {"inner_optimizer": optimizer}
    kind = {"module": "keras.optimizers", "class_name": "LossScaleOptimizer"}
    return deserialize({**kind, "config": config})


def trained_weights(model: Tracked) -> dict[str, Any]:
    """Return the shapes and dtypes of the trainable weights by path, in Keras's order.

    Args:
        model: the model, built.
    """
    paths = {key: path for key, (path, _) in walk(model).variables.items()}
    return {
        paths[id(one)]: jax.ShapeDtypeStruct(one.shape, one.weight_dtype)
        for one in trainable_variables(model)
    }


def read_state(
    model: Tracked,
    optimizer: Any,
    stored: Sequence[StoredArray],
    path: str,
    names: Sequence[str] | None = None,
) -> TrainingArrays | None:
    """Convert the variables of an optimizer of Keras to the state of Lamina's optimizer.

    Args:
        model: the model, built.
        optimizer: the optimizer that it is compiled with, made from Keras's config.
        stored: the variables in Keras's order.
        path: the path of the file, for the warning.
        names: the names of the variables, of a file in the older format; None (default) for the
            order of Keras 3.

    Returns:
        The state; None, mostly with a warning, if the optimizer starts afresh.
    """
    known = described(optimizer)
    if known is None or not stored:
        return None
    weights = trained_weights(model)
    leaves = leaves_of(optimizer, weights)
    entries, stored, problem = _matched(known, weights, leaves, stored, names)
    if problem is None:
        numbers = _numbers(entries, stored)
        if numbers is not None:
            return _converted(known, leaves, entries, stored, numbers)
        problem = "a number of steps or a learning rate that is not valid"
    elif _is_unused(entries, stored):
        return None
    warnings.warn(
        explain(
            f"The optimizer of {path!r} starts with a new state.",
            expected=f"the {len(entries)} variables of {known.kind} for {len(weights)} weights",
            received=problem,
            remedy="Freeze the layers that were frozen when the model was saved, or train on.",
        ),
        UserWarning,
        stacklevel=6,
    )
    return None


def _matched(
    known: Described,
    weights: Mapping[str, Any],
    leaves: Mapping[Key, list[Leaf]],
    stored: Sequence[StoredArray],
    names: Sequence[str] | None,
) -> tuple[list[Entry], Sequence[StoredArray], str | None]:
    """The variables of the optimizer, the arrays in their order, and what differs."""
    entries = known.entries(weights, leaves)
    if names is not None:
        if len(names) != len(entries):  # Keras 2 does not store the product of the momenta
            entries = [entry for entry in entries if entry.name != PRODUCT]
        stored = in_order(entries, names, stored, known.rate)
        return entries, stored, _mismatch(entries, stored)
    problem = _mismatch(entries, stored)
    if problem is not None:
        older = known.entries(weights, leaves, of_tensorflow=True)
        if _mismatch(older, stored) is None:
            return older, stored, None
    return entries, stored, problem


def _mismatch(entries: Sequence[Entry], stored: Sequence[StoredArray]) -> str | None:
    """What differs between the variables of a file and those of the optimizer."""
    if len(entries) != len(stored):
        return f"{len(stored)} variables"
    for index, (entry, array) in enumerate(zip(entries, stored, strict=True)):
        is_float = jnp.issubdtype(array.dtype, jnp.floating)
        if entry.shape != array.shape or (
            entry.weight is not None and entry.shape and not is_float
        ):
            of = "" if entry.weight is None else f" of {entry.weight}"
            return (
                f"variable {index}, {entry.name}{of}, of shape {array.shape} and dtype "
                f"{array.dtype}"
            )
    return None


def _is_unused(entries: Sequence[Entry], stored: Sequence[StoredArray]) -> bool:
    """Whether a file has the numbers of an optimizer alone, from before the first step."""
    heads = [entry for entry in entries if entry.weight is None and entry.key is None]
    if len(stored) > len(heads) or any(array.shape for array in stored):
        return False
    return all(array.dtype.kind not in "iu" or not array.read() for array in stored)


def _numbers(entries: Sequence[Entry], stored: Sequence[StoredArray]) -> dict[str, float] | None:
    """The numbers of the optimizer by name; None if one is not valid."""
    numbers = {
        entry.name: array.read().item()
        for entry, array in zip(entries, stored, strict=True)
        if entry.weight is None and entry.key is None
    }
    counts = [numbers.get(name, 0) for name in (ITERATION, SCALE_STEPS)]
    is_valid = all(0 <= count <= _MOST_STEPS for count in counts)
    rates = [numbers.get(name, 0.0) for name in (RATE, SCALE)]
    return numbers if is_valid and np.isfinite(rates).all() else None


def _converted(
    known: Described,
    leaves: Mapping[Key, list[Leaf]],
    entries: Sequence[Entry],
    stored: Sequence[StoredArray],
    numbers: Mapping[str, float],
) -> TrainingArrays:
    progress = known.progress(int(numbers[ITERATION]))
    arrays: dict[str, Any] = {"steps": np.asarray(progress.iteration, "int32")}
    for entry, array in zip(entries, stored, strict=True):
        if entry.key is not None:
            leaf = leaves[entry.key][0]
            arrays[leaf.name] = entry.read(array.read(), progress).astype(leaf.dtype)
    for (field, _), found in leaves.items():
        for leaf in found:
            if leaf.name not in arrays:
                value = _number(field, leaf, known, progress, numbers)
                arrays[leaf.name] = np.full(leaf.shape, value, leaf.dtype)
    return TrainingArrays(arrays, None, 0)


def _number(
    field: str, leaf: Leaf, known: Described, progress: Progress, numbers: Mapping[str, float]
) -> float:
    """A number of Lamina's state that is no variable of Keras, from those that are."""
    if field == "steps" and leaf.is_outer:
        return numbers[SCALE_STEPS]
    if field == "scale":
        return numbers[SCALE]
    if field == "learning_rate":
        return numbers[RATE] if RATE in numbers else _scheduled(known, progress)
    if field == "product":
        return _product(progress.updates, float(known.options["beta_1"]))
    values = {
        "columns": 0.0,  # without meaning for a vector
        "count": progress.updates,
        "gradient_step": progress.updates,
        "mini_step": progress.waiting,
        "steps": progress.iteration,
    }
    return values[field]


def _scheduled(known: Described, progress: Progress) -> float:
    """The learning rate of the last update, or of the first one before it."""
    if known.schedule is None:
        return known.rate
    last = max(progress.updates - 1, 0)
    return float(known.schedule(last * progress.batches + progress.batches - 1))


def _product(updates: int, beta_1: float) -> float:
    """The product of the momenta of Nadam."""
    steps = np.arange(1, min(updates, 10_000) + 1)  # it is 0 long before
    return float(np.prod(beta_1 * (1 - 0.5 * 0.96**steps)))
