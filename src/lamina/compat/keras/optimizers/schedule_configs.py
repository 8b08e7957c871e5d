"""`keras.optimizers.schedules.serialize` and `deserialize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lamina
from lamina.compat.keras.saving import deserialize_keras_object
from lamina.compat.tf.keras import schedules

__all__ = ["deserialize", "serialize"]


def serialize(learning_rate_schedule: Any) -> dict[str, Any]:
    """Describe a schedule as plain data.

    Args:
        learning_rate_schedule: the schedule.

    >>> serialize(schedules.CosineDecay(0.1, 10))["class_name"]
    'CosineDecay'
    """
    return lamina.serialize(learning_rate_schedule)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the schedule that :func:`serialize` described.

    Args:
        config: a dict with ``class_name`` and ``config``.
        custom_objects: classes by name; None (default) for none.
    """
    name = config["class_name"]
    if name in schedules.__all__ and name not in (custom_objects or {}):
        return getattr(schedules, name).from_config(config["config"])
    return deserialize_keras_object(config, custom_objects)
