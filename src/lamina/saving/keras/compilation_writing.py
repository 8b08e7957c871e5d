"""The arguments of `compile` as Keras 3 stores them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError, explain
from lamina.names import snake
from lamina.saving.config import serialize
from lamina.saving.keras.optimizer_writing import NotOfKerasError, keras_optimizer
from lamina.saving.models import TrainingArrays

__all__ = ["KerasCompilation", "compile_config"]

_LOSSES = frozenset(
    {
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
        "CTC",
        "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy",
        "CategoricalGeneralizedCrossEntropy",
        "CategoricalHinge",
        "Circle",
        "CosineSimilarity",
        "Dice",
        "Hinge",
        "Huber",
        "KLDivergence",
        "LogCosh",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "Poisson",
        "SparseCategoricalCrossentropy",
        "SquaredHinge",
        "Tversky",
    }
)
"""The classes of losses that Keras has."""

_METRICS = frozenset(
    {
        "AUC",
        "Accuracy",
        "BinaryAccuracy",
        "BinaryCrossentropy",
        "BinaryIoU",
        "CategoricalAccuracy",
        "CategoricalCrossentropy",
        "CategoricalHinge",
        "ConcordanceCorrelation",
        "CosineSimilarity",
        "F1Score",
        "FBetaScore",
        "FalseNegatives",
        "FalsePositives",
        "Hinge",
        "IoU",
        "KLDivergence",
        "LogCoshError",
        "Mean",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanIoU",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "OneHotIoU",
        "OneHotMeanIoU",
        "PearsonCorrelation",
        "Poisson",
        "Precision",
        "PrecisionAtRecall",
        "R2Score",
        "Recall",
        "RecallAtPrecision",
        "RootMeanSquaredError",
        "SensitivityAtSpecificity",
        "SparseCategoricalAccuracy",
        "SparseCategoricalCrossentropy",
        "SparseTopKCategoricalAccuracy",
        "SpecificityAtSensitivity",
        "SquaredHinge",
        "Sum",
        "TopKCategoricalAccuracy",
        "TrueNegatives",
        "TruePositives",
    }
)
"""The classes of metrics that Keras has."""

_ALIASES = frozenset({"bce", "kld", "mae", "mape", "mse", "msle"})
_AUTOMATIC = frozenset({"acc", "accuracy", "ce", "crossentropy"})
_KNOWN = {"losses": _LOSSES, "metrics": _METRICS}
_WRAPPERS = {"FunctionMetric": "MeanMetricWrapper"}


class KerasCompilation(NamedTuple):
    """How a model is compiled, in Keras.

    Attributes:
        config: the `compile_config`.
        variables: the variables of the optimizer in Keras's order.
    """

    config: dict[str, Any]
    variables: list[np.ndarray]


def compile_config(
    model: Tracked, arguments: Mapping[str, Any], state: TrainingArrays | None
) -> KerasCompilation | None:
    """Convert the arguments of `compile`, with the state of the optimizer, to those of Keras.

    Args:
        model: the model, built.
        arguments: the arguments of `compile` by name.
        state: the state of training; None before the first step.

    Returns:
        The config and the variables of the optimizer; None, with a warning, if Keras has no such
        optimizer, loss or metric.
    """
    try:
        optimizer = keras_optimizer(model, arguments, state)
        config: dict[str, Any] = {"optimizer": optimizer.config}
        for name, room in (
            ("loss", "losses"),
            ("metrics", "metrics"),
            ("weighted_metrics", "metrics"),
        ):
            config[name] = _described(arguments.get(name), room)
        config["loss_weights"] = _plain(arguments.get("loss_weights"))
    except LaminaError as error:
        warnings.warn(
            explain(
                f"The file of {type(model).__name__} leaves out how the model was compiled.",
                where=f"made at {model._lamina.made_at}",
                expected="an optimizer, a loss and metrics that Keras has",
                received=str(error).partition("\n")[0],
                remedy="Call compile on the loaded model.",
            ),
            UserWarning,
            stacklevel=3,
        )
        return None
    steps = arguments.get("steps_per_execution")
    config |= {
        "run_eagerly": False,
        "steps_per_execution": steps if isinstance(steps, int) else 1,
        "jit_compile": "auto",
    }
    return KerasCompilation(config, optimizer.variables)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[Any]", value)]
    return None if value is None else float(value)


def _described(value: Any, room: str) -> Any:
    """A loss or metrics as Keras describes them."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _described(one, room) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_described(one, room) for one in cast("list[Any]", value)]
    if isinstance(value, str):
        return _name(value, room)
    if isinstance(value, type):
        value = cast("type[Any]", value)()
    if inspect.isfunction(value):
        return _function(value)
    return _object(value, room)


def _name(name: str, room: str) -> str:
    known = _KNOWN[room] | {snake(one) for one in _KNOWN[room]}
    if name in known or name.lower() in _ALIASES or (room == "metrics" and name in _AUTOMATIC):
        return name
    raise NotOfKerasError(f"{name!r} is not one of the {room} of Keras")


def _function(function: Any) -> dict[str, Any]:
    name = str(function.__name__)
    if not name.isidentifier():
        raise NotOfKerasError("a lambda has no name that a file could have")
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def _object(thing: Any, room: str) -> Any:
    fields = serialize(thing)
    if not isinstance(fields, dict) or "class_name" not in fields:
        raise NotOfKerasError(f"{type(thing).__name__} has no config")
    described = cast("dict[str, Any]", fields)
    kind, module = str(described["class_name"]), str(described["module"])
    config: dict[str, Any] = dict(described.get("config") or {})
    if not module.startswith("lamina."):
        return {**described, "config": config, "registered_name": kind}
    if kind in ("AutoAccuracy", "AutoCrossentropy") and config.get("name") in _AUTOMATIC:
        return config["name"]
    if kind == "FunctionLoss" and set(config) <= {"name", "reduction", "dtype", "function"}:
        return _function(thing.function)
    if kind == "FunctionMetric":
        config["fn"] = _function(getattr(thing.function, "func", thing.function))
    kind = _WRAPPERS.get(kind, kind)
    if kind not in _KNOWN[room] | set(_WRAPPERS.values()):
        raise NotOfKerasError(f"{kind} is not one of the {room} of Keras")
    config = {name: value for name, value in config.items() if name != "dtype" or value is not None}
    return {
        "module": f"keras.{room}",
        "class_name": kind,
        "config": config,
        "registered_name": None,
    }
