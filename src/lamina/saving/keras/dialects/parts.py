"""Initializers, regularizers, constraints, activations and dtypes in configs of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.saving.allowed_names import CONFIGURED
from lamina.saving.keras.dialects.context import Context, Fields

__all__ = ["activation", "constraint", "initializer", "policy", "regularizer", "unwrapped"]

_INITIALIZERS = {
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "identity": "identity",
    "normal": "random_normal",
    "one": "ones",
    "uniform": "random_uniform",
    "zero": "zeros",
}
_INITIALIZER_OPTIONS = frozenset(
    ["seed", "mean", "stddev", "minval", "maxval", "scale", "mode", "distribution", "gain", "value"]
)
_DISTRIBUTIONS = {"normal": "truncated_normal"}
_ACTIVATIONS = {"softmax_v2": "softmax", "hard_sigmoid": "hard_sigmoid_keras2"}
_CONSTRAINTS = {
    "MaxNorm": {"m": "max_value"},
    "MinMaxNorm": {"low": "min_value", "high": "max_value"},
}
_FLOATS = frozenset({"bfloat16", "float16", "float32", "float64"})
_POLICIES = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"})


def unwrapped(value: Any) -> Any:
    """Return the value of an array or number that older versions wrap in its type.

    >>> unwrapped({"type": "ndarray", "value": 0.3}), unwrapped({"a": 1})
    (0.3, {'a': 1})
    """
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return cast(Any, fields["value"] if set(fields) == {"type", "value"} else value)


def initializer(described: Any, context: Context) -> Any:
    """Convert an initializer; None for one that Lamina does not have.

    The weights come from the file, so an unknown initializer is no reason to refuse it.
    """
    if isinstance(described, str):
        return _INITIALIZERS.get(described, described)
    if not isinstance(described, Mapping):
        return None
    fields = cast("Mapping[str, Any]", described)
    kind = str(fields.get("class_name"))
    if kind in context.custom or str(fields.get("registered_name")) in context.custom:
        return dict(fields)
    kind = _INITIALIZERS.get(kind, kind)
    inner = fields.get("config")
    if f"lamina.initializers:{kind}" not in CONFIGURED:
        return None
    given = cast("Fields", inner) if isinstance(inner, dict) else {}
    options = {n: unwrapped(v) for n, v in given.items() if n in _INITIALIZER_OPTIONS}
    if "distribution" in options:
        options["distribution"] = _DISTRIBUTIONS.get(
            str(options["distribution"]), options["distribution"]
        )
    return {"module": "keras.initializers", "class_name": kind, "config": options}


def regularizer(described: Any) -> Any:
    """Convert a regularizer; those of Keras 1 have a name and no class."""
    if not isinstance(described, Mapping):
        return described
    fields = dict(cast("Mapping[str, Any]", described))
    if "class_name" not in fields and "name" in fields:
        sizes = {n: unwrapped(fields[n]) for n in ("l1", "l2") if n in fields}
        return {"module": "keras.regularizers", "class_name": "L1L2", "config": sizes}
    inner = fields.get("config")
    if isinstance(inner, dict):
        given = cast("Fields", inner)
        fields["config"] = {n: unwrapped(v) for n, v in given.items() if v is not None}
    return fields


def constraint(described: Any) -> Any:
    """Convert a constraint; those of Keras 1 have a name and no class."""
    if not isinstance(described, Mapping):
        return described
    fields = dict(cast("Mapping[str, Any]", described))
    if "class_name" in fields or "name" not in fields:
        return fields
    kind = str(fields.pop("name"))
    new = _CONSTRAINTS.get(kind, {})
    options = {new.get(name, name): unwrapped(value) for name, value in fields.items()}
    return {"module": "keras.constraints", "class_name": kind, "config": options}


def activation(described: Any, context: Context) -> Any:
    """Convert the name of an activation: before Keras 3, hard_sigmoid was another function."""
    if isinstance(described, Mapping):
        fields = dict(cast("Mapping[str, Any]", described))
        if fields.get("class_name") == "function":
            fields["config"] = activation(fields.get("config"), context)
        return fields
    if not isinstance(described, str) or context.version >= (3, 0) or described in context.custom:
        return described
    return _ACTIVATIONS.get(described, described)


def policy(described: Any) -> Any:
    """Return the name of a dtype or of a dtype policy; None if it says nothing about a layer.

    >>> policy({"class_name": "Policy", "config": {"name": "mixed_float16"}}), policy("int32")
    ('mixed_float16', None)
    """
    if isinstance(described, Mapping):
        fields = cast("Mapping[str, Any]", described)
        inner = fields.get("config")
        if fields.get("class_name") not in _POLICIES or not isinstance(inner, Mapping):
            return dict(fields)  # a policy of Keras 3, which the reader knows
        described = cast("Mapping[str, Any]", inner).get("name")
    name = str(described)
    return name if name in _FLOATS or name.startswith("mixed_") else None
