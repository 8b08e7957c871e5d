"""`Model.get_state_tree` and `Model.set_state_tree`: all arrays of a model in nested dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import map_tree
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.compilation import trainer_of
from lamina.models.model_state import state_of

if TYPE_CHECKING:
    from lamina import metrics, saving
    from lamina.training.loop import training_state as loop
    from lamina.training.loop.trainer import Trainer
else:
    metrics = lazily("lamina.metrics")
    saving = lazily("lamina.saving")
    loop = lazily("lamina.training.loop.training_state")

__all__ = ["get_state_tree", "set_state_tree"]

_PARTS = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)
_STATE, _RATE = "optimizer/", "learning_rate"


def get_state_tree(
    model: Layer, value_format: Literal["backend_tensor", "numpy_array"] = "backend_tensor"
) -> dict[str, Any]:
    """Return the weights, and the state of the optimizer and of the metrics, in nested dicts.

    Args:
        value_format: `"backend_tensor"` (default) for JAX arrays, `"numpy_array"` for NumPy arrays.

    Returns:
        A dict of four dicts. `"trainable_variables"` and `"non_trainable_variables"` are nested by
        the parts of the paths of the weights. `"optimizer_variables"` has, under the name of the
        optimizer, the numbers `"iteration"` and `"learning_rate"`, and further arrays after the
        first step. `"metrics_variables"` has the totals and counts of the losses, and the states of
        the metrics, since the epoch began.

    Raises:
        InputError: the model is not compiled, or there is no such format.

    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> model.compile("adam", "mse")
    >>> tree = model.get_state_tree()
    >>> tree["trainable_variables"]["layers"]["0"]["bias"].tolist()
    [0.0, 0.0]
    >>> sorted(tree["optimizer_variables"]["adam"])
    ['iteration', 'learning_rate']
    """
    formats: dict[str, Any] = {"backend_tensor": jnp.asarray, "numpy_array": np.asarray}
    if value_format not in formats:
        raise InputError(
            explain(
                "get_state_tree has no such value_format.",
                expected=" or ".join(map(repr, formats)),
                received=repr(value_format),
                remedy=nearest(str(value_format), formats),
            )
        )
    trainer = trainer_of(model)
    parts = (
        _nested(model.values(trainable=True), "."),
        _nested(model.values(trainable=False), "."),
        {_optimizer_name(model): _optimizer_arrays(trainer)},
        _accumulators(trainer),
    )
    return map_tree(formats[value_format], dict(zip(_PARTS, parts, strict=True)))


def set_state_tree(model: Layer, state_tree: Mapping[str, Any]) -> None:
    """Set the weights and the state of the optimizer from nested dicts.

    Args:
        state_tree: a dict in the form of :meth:`get_state_tree`; parts, weights and arrays may be
            left out, and keep their values. `"metrics_variables"` has no effect, because an epoch
            begins with new ones.

    Raises:
        UnknownNameError: there is no part, weight or array of the optimizer of that name.
        InputError: an array has another shape; or a state of the optimizer is given before the
            first step.

    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(1)])
    >>> model.set_state_tree({"trainable_variables": {"layers": {"0": {"bias": [0.5]}}}})
    >>> model.get_weights()[1].tolist()
    [0.5]
    """
    _check_names("part", state_tree, _PARTS)
    given: dict[str, Any] = {}
    for part in _PARTS[:2]:
        given |= _flat(state_tree.get(part, {}), ".")
    known = model.values()
    _check_names("weight", given, known)
    if given:
        model.set_values(known | given)
    for own in cast("dict[str, Any]", state_tree.get(_PARTS[2], {})).values():
        _set_optimizer(trainer_of(model), _flat(own, "/"))


def _nested(arrays: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Return arrays by path as nested dicts."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *start, last = path.split(separator)
        inner = tree
        for part in start:
            inner = inner.setdefault(part, {})
        inner[last] = array
    return tree


def _flat(tree: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Return the entries of nested dicts by path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            inner = _flat(cast("Mapping[str, Any]", value), separator)
            found |= {f"{key}{separator}{path}": one for path, one in inner.items()}
        else:
            found[key] = value
    return found


def _optimizer_name(model: Layer) -> str:
    given: Any = (state_of(model).arguments_of_compile or {}).get("optimizer")
    options = cast("dict[str, Any]", getattr(given, "options", {}))
    return given.lower() if isinstance(given, str) else str(options.get("name", "optimizer"))


def _optimizer_arrays(trainer: Trainer) -> dict[str, Any]:
    """Return the step number, the learning rate if it is known, and the arrays of the state."""
    known = loop.training_state(trainer)
    arrays = {} if known is None else known.arrays
    state = {
        name.removeprefix(_STATE): array
        for name, array in arrays.items()
        if name.startswith(_STATE) and not name.endswith(_RATE)
    }
    try:
        rate = {_RATE: float(trainer.learning_rate)}
    except InputError:  # an optax transformation without one
        rate = {}
    return {"iteration": trainer.wait(), **rate, **_nested(state, "/")}


def _set_optimizer(trainer: Trainer, given: dict[str, Any]) -> None:
    """Set the step number, the learning rate and arrays of the optimizer's state."""
    rate = given.pop(_RATE, None)
    trainer.recall()
    known = loop.training_state(trainer)
    arrays = {} if known is None else dict(known.arrays)
    named = {"steps" if name == "iteration" else _STATE + name: one for name, one in given.items()}
    if known is None or "steps" not in arrays:
        if any(name != "steps" or int(one) for name, one in named.items()):
            raise InputError(
                explain(
                    "The optimizer has no state before the first step.",
                    expected="iteration 0, and a learning rate",
                    received=", ".join(given),
                    remedy="Call train_on_batch once, or set the weights and learning rate alone.",
                )
            )
    else:
        _check_names("array of the optimizer", named, arrays)
        for name, one in named.items():
            arrays[name] = np.asarray(one, arrays[name].dtype).reshape(arrays[name].shape)
        loop.resume_from(trainer, saving.TrainingArrays(arrays, known.seed, known.epochs))
    if rate is not None:
        trainer.learning_rate = float(rate)


def _accumulators(trainer: Trainer) -> dict[str, Any]:
    """Return the totals and counts of the losses, and the states of the metrics, by log."""
    objective, started = trainer.objective, trainer._loan.started
    if started is None:
        names = ["loss", *objective.log_names]
        return {name: {"total": 0.0, "count": 0.0} for name in names}
    accumulators = started[1].accumulators
    sums = [accumulators.loss, *accumulators.logs]
    found: dict[str, Any] = {
        name: {"total": total, "count": count}
        for name, (total, count) in zip(["loss", *objective.log_names], sums, strict=True)
    }
    for bound, state in zip(objective.bound_metrics, accumulators.metrics, strict=True):
        is_mean = isinstance(bound.metric, metrics.Mean)
        names = ("total", "count") if is_mean else tuple(map(str, range(len(state))))
        found[bound.name] = dict(zip(names, state, strict=True))
    return found


def _check_names(what: str, given: Mapping[str, Any], known: Any) -> None:
    """Check that names are known.

    Raises:
        UnknownNameError: one is not.
    """
    for name in given:
        if name not in known:
            raise UnknownNameError(
                explain(
                    f"There is no {what} of that name.",
                    received=repr(name),
                    remedy=nearest(name, list(known)),
                )
            )
