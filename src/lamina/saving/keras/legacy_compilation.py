"""The arguments of `compile` in the older HDF5 format of Keras, as Keras 3 describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["legacy_compile_config", "modern_optimizer"]

_OLD_OPTIONS = frozenset(
    {"decay", "dynamic", "is_legacy_optimizer", "jit_compile", "schedule_decay"}
)
"""Options of optimizers that Keras 3 has no more."""


def legacy_compile_config(training: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the `training_config` of an older file to a `compile_config` of Keras 3.

    Args:
        training: the `training_config`.

    Returns:
        New JSON.
    """
    config: dict[str, Any] = {
        "optimizer": training.get("optimizer_config"),
        "loss": _modern(training.get("loss")),
        "loss_weights": training.get("loss_weights"),
        "steps_per_execution": training.get("steps_per_execution"),
    }
    for name in ("metrics", "weighted_metrics"):
        config[name] = _modern(_of_one_output(training.get(name)))
    return config


def modern_optimizer(described: Mapping[str, Any]) -> dict[str, Any]:
    """Give the config of an optimizer the options of Keras 3; a decay becomes a schedule.

    Args:
        described: the class and config of an optimizer of any version.

    Returns:
        New JSON.
    """
    given = dict(cast("Mapping[str, Any]", described.get("config") or {}))
    if "lr" in given:
        given["learning_rate"] = given.pop("lr")
    if given.get("decay"):  # learning_rate / (1 + decay iterations)
        given["learning_rate"] = {
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": given["learning_rate"],
                "decay_steps": 1,
                "decay_rate": given["decay"],
            },
        }
    if not given.get("use_ema"):
        given.pop("ema_overwrite_frequency", None)  # Keras 2.11 has a number in any case
    if isinstance(given.get("inner_optimizer"), Mapping):
        given["inner_optimizer"] = modern_optimizer(given["inner_optimizer"])
    if given.get("epsilon", 0.0) is None:
        del given["epsilon"]  # the default of Keras 2
    options = {name: value for name, value in given.items() if name not in _OLD_OPTIONS}
    kind = str(described.get("class_name")).rpartition(">")[2]
    module = described.get("module") or "keras.optimizers"
    return {"module": module, "class_name": kind, "config": options}


def _of_one_output(metrics: Any) -> Any:
    """The metrics of the only output, which TensorFlow 2 has in a list of lists."""
    if not isinstance(metrics, list):
        return metrics
    first: Any = cast("list[Any]", metrics)[0] if len(cast("list[Any]", metrics)) == 1 else None
    return cast("list[Any]", first) if isinstance(first, list) else cast("list[Any]", metrics)


def _modern(described: Any) -> Any:
    """A loss or metrics without what only older versions have."""
    if isinstance(described, list):
        return [_modern(item) for item in cast("list[Any]", described)]
    if not isinstance(described, Mapping):
        return described
    fields = dict(cast("Mapping[str, Any]", described))
    inner = fields.get("config")
    if "class_name" not in fields:
        return {name: _modern(value) for name, value in fields.items()}
    if isinstance(inner, Mapping):
        options = dict(cast("Mapping[str, Any]", inner))
        if options.get("reduction") in ("auto", "AUTO"):
            options["reduction"] = "sum_over_batch_size"
        if fields["class_name"] not in ("MeanMetricWrapper", "LossFunctionWrapper"):
            options.pop("fn", None)  # the function of a class of Keras
        fields["config"] = options
    return fields
