"""The optimizer of a compiled model as Keras describes and stores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from lamina.core.calling.views import values
from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError
from lamina.saving.config import deserialize, serialize
from lamina.saving.keras.excluded_layers import of_keras
from lamina.saving.keras.optimizer_slots import (
    CLASSES,
    ITERATION,
    RATE,
    SCALE,
    SCALE_STEPS,
    Entry,
    Key,
    Progress,
    leaves_of,
)
from lamina.saving.keras.optimizer_state import (
    described,
    trained_weights,
    with_loss_scale,
)
from lamina.saving.models import TrainingArrays

__all__ = ["OPTIMIZERS", "KerasOptimizer", "NotOfKerasError", "keras_optimizer", "named_optimizer"]

OPTIMIZERS = {name.lower(): name for name in sorted(CLASSES)}
"""The classes of optimizers by their names in lower case, which `compile` accepts."""

_INTEGERS = ("ema_overwrite_frequency", "gradient_accumulation_steps", "ns_steps", "warmup_steps")
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_PREFIX = "optimizer/"
_FACTORS = ("rows", "columns")
_SCHEDULES = "lamina.compat.tf.keras.schedules"


class NotOfKerasError(LaminaError):
    """Keras has no such optimizer, loss or metric."""


class KerasOptimizer(NamedTuple):
    """An optimizer of Keras.

    Attributes:
        config: its config, with its class.
        variables: its variables in Keras's order.
    """

    config: dict[str, Any]
    variables: list[np.ndarray]


def named_optimizer(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Make an optimizer by its name in Keras, in any case.

    Args:
        name: the name, such as `"adam"` or `"AdamW"`.
        options: its options; None (default) for the defaults.

    Raises:
        LaminaError: there is no such optimizer, or it has no such option.
    """
    kind = OPTIMIZERS.get(name.lower(), name)
    return deserialize(_object("keras.optimizers", kind, dict(options or {})))


def keras_optimizer(
    model: Tracked, arguments: Mapping[str, Any], state: TrainingArrays | None
) -> KerasOptimizer:
    """Convert the optimizer of a compiled model, with its state, to Keras's.

    Args:
        model: the model, built.
        arguments: the arguments of `compile` by name.
        state: the state of training; None before the first step.

    Returns:
        The config and the variables.

    Raises:
        NotOfKerasError: Keras has no such optimizer.
    """
    given = _with_options(_given(arguments), arguments)
    whole = with_loss_scale(given, model, arguments.get("auto_scale_loss", True))
    weights = trained_weights(model)
    arrays = _arrays(whole, model, weights, state)
    config = _config(whole, float(arrays.rate))
    made = deserialize(config)
    known = described(made)
    if known is None:
        raise NotOfKerasError(f"Keras has no optimizer {config['class_name']!r}")
    progress = known.progress(arrays.iteration(known.batches))
    entries = known.entries(weights, leaves_of(made, weights))
    try:
        variables = [_variable(entry, arrays, progress) for entry in entries]
    except KeyError as error:
        raise NotOfKerasError(f"the state of the optimizer has no {error}") from error
    return KerasOptimizer(of_keras(model, config), variables)


def _given(arguments: Mapping[str, Any]) -> Any:
    """The optimizer that `compile` was given, as an optax transformation."""
    optimizer, rate = arguments.get("optimizer", "adam"), arguments.get("learning_rate")
    if isinstance(optimizer, str):
        optimizer = named_optimizer(optimizer, None if rate is None else {"learning_rate": rate})
    if described(optimizer) is None:
        raise NotOfKerasError(
            f"the optimizer is {type(optimizer).__name__}, an optax transformation"
        )
    return optimizer


def _with_options(optimizer: Any, arguments: Mapping[str, Any]) -> Any:
    """Give an optimizer the options that `compile` adds to it."""
    added = {name: arguments[name] for name in _CLIPPING if arguments.get(name) is not None}
    batches = arguments.get("gradient_accumulation_steps")
    if batches is not None:
        added["gradient_accumulation_steps"] = batches
    if arguments.get("use_ema"):
        added |= {"use_ema": True, "ema_momentum": arguments.get("ema_momentum", 0.99)}
    if not added:
        return optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        return optimizer.make(**{**optimizer.options, "inner_optimizer": _added(inner, added)})
    return _added(optimizer, added)


def _added(optimizer: Any, added: Mapping[str, Any]) -> Any:
    options: dict[str, Any] = dict(optimizer.options)
    twice = [name for name in added if options.get(name) not in (None, False, added[name])]
    clipped = [name for name in _CLIPPING if options.get(name) is not None]
    if "gradient_accumulation_steps" in added and options.get("gradient_accumulation_steps"):
        twice.append("gradient_accumulation_steps")
    if "use_ema" in added:
        twice = [name for name in twice if name != "ema_momentum"]
        if options.get("use_ema"):
            twice.append("use_ema")
    if clipped and any(name in added for name in _CLIPPING):
        twice += clipped
    if twice:
        raise NotOfKerasError(f"the optimizer and compile both have {twice[0]}")
    return optimizer.make(**{**options, **added})


def _config(optimizer: Any, rate: float) -> dict[str, Any]:
    """The config of an optimizer with its class, as Keras writes it."""
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        options: dict[str, Any] = dict(optimizer.options)
        options |= {
            "inner_optimizer": _config(inner, rate),
            "initial_scale": float(options["initial_scale"]),
        }
        return _object("keras.optimizers", "LossScaleOptimizer", options)
    options = dict(optimizer.options)
    config = {name: _option(name, value) for name, value in options.items() if name != RATE}
    if config.get("gradient_accumulation_steps") == 1:  # Keras wants 2 or more
        config["gradient_accumulation_steps"] = None
    schedule = options[RATE] if callable(options[RATE]) else None
    config[RATE] = rate if schedule is None else _schedule(schedule)
    return _object("keras.optimizers", type(optimizer).__name__, config)


def _option(name: str, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and name not in _INTEGERS:
        return float(value)  # Keras checks some of them for it
    return list(cast("Sequence[Any]", value)) if isinstance(value, tuple) else value


def _schedule(schedule: Any) -> dict[str, Any]:
    fields: dict[str, Any] = serialize(schedule) if hasattr(schedule, "get_config") else {}
    if fields.get("module") != _SCHEDULES:
        raise NotOfKerasError("the learning rate follows a schedule that is not one of Keras's")
    return _object("keras.optimizers.schedules", fields["class_name"], fields["config"])


def _object(module: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


class _Arrays(NamedTuple):
    """The arrays of the state of Lamina's optimizer."""

    by_key: Mapping[Key, Any]
    by_name: Mapping[str, Any]

    @property
    def rate(self) -> Any:
        """The learning rate, as it was set last."""
        return self.by_name.get(RATE, self.by_key[RATE, None])

    def iteration(self, batches: int) -> int:
        """The number of batches so far."""
        if ("gradient_step", None) not in self.by_key:
            return int(self.by_key["count", None])
        updates, waiting = (self.by_key[name, None] for name in ("gradient_step", "mini_step"))
        return int(updates) * batches + int(waiting)


def _arrays(
    optimizer: Any, model: Tracked, weights: Mapping[str, Any], state: TrainingArrays | None
) -> _Arrays:
    """The arrays of the state of an optimizer; the initial ones before the first step."""
    by_name: dict[str, Any] = dict(state.arrays) if state is not None else {}
    if not any(name.startswith(_PREFIX) for name in by_name):
        held, tools = values(model), cast(Any, jax.tree_util)
        initial = optimizer.init({path: held[path] for path in weights})
        for keys, leaf in tools.tree_flatten_with_path(initial)[0]:
            by_name[f"{_PREFIX}{tools.keystr(keys, simple=True, separator='/')}"] = leaf
    by_key: dict[Key, Any] = {}
    for name, array in by_name.items():
        if name.startswith(_PREFIX):
            by_key.setdefault(_key(name.split("/"), weights), array)
    return _Arrays(by_key, by_name)


def _key(parts: list[str], weights: Mapping[str, Any]) -> Key:
    """The field and the weight of an array by the parts of its name."""
    for start in range(2, len(parts)):
        path = "/".join(parts[start:])
        if path in weights and not parts[start - 1].startswith("hyperparams"):
            return parts[start - 1], path
    return parts[-1], None


def _variable(entry: Entry, arrays: _Arrays, progress: Progress) -> np.ndarray:
    """The value of a variable of Keras's optimizer."""
    if entry.key is not None:
        return entry.write(np.asarray(arrays.by_key[entry.key]), progress).astype(entry.dtype)
    value: Any = 0
    if entry.name == ITERATION:
        value = progress.iteration
    elif entry.name == RATE:
        value = arrays.rate
    elif entry.name == SCALE:
        value = arrays.by_name["optimizer/scale"]
    elif entry.name == SCALE_STEPS:
        value = arrays.by_name["optimizer/steps"]
    elif entry.shape:
        value = _factors(*(np.asarray(arrays.by_key[key, entry.weight]) for key in _FACTORS))
    return np.asarray(value).astype(entry.dtype)


def _factors(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The second moments of Adafactor, from their means."""
    means = rows.mean(-1, keepdims=True)
    return (rows / np.where(means > 0, means, 1))[..., None] * columns[..., None, :]
