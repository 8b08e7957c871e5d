"""The configs of Keras in the form that Lamina's own configs have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["canonical"]

_CLASSES = {
    "GroupQueryAttention": "GroupedQueryAttention",
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "STFTInitializer": "STFT",
}
"""Classes that Lamina has by another name of Keras."""

_OF_KERAS = ("keras", "tf_keras", "tensorflow")


def canonical(described: Any) -> Any:
    """Return a config of Keras 3 as Lamina reads it.

    Args:
        described: JSON: the config of a layer or another object, or a value inside of one.

    Returns:
        New JSON.
    """
    if isinstance(described, list):
        return [canonical(item) for item in cast("list[Any]", described)]
    if not isinstance(described, Mapping):
        return described
    fields = {
        name: canonical(value) for name, value in cast("Mapping[str, Any]", described).items()
    }
    kind = fields.get("class_name")
    if not isinstance(kind, str) or "config" not in fields:
        return fields
    if is_of_keras(fields):
        fields["class_name"] = kind = _CLASSES.get(kind, kind)
        inner = fields["config"]
        if kind == "QuantizedDTypePolicy" and isinstance(inner, dict):
            policy = cast("dict[str, Any]", inner).get("source_name") or "float32"
            return {"class_name": "DTypePolicy", "config": {"name": policy}}
        if kind == "DTypePolicyMap" and isinstance(inner, dict):
            return cast("dict[str, Any]", inner).get("default_policy") or "float32"
        if isinstance(inner, dict):
            inner.pop("quantization_config", None)
    return fields


def is_of_keras(fields: Mapping[str, Any]) -> bool:
    """Whether the class of an object is one of Keras's own."""
    module = fields.get("module")
    return module is None or str(module).partition(".")[0] in _OF_KERAS
