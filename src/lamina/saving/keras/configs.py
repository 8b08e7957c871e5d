"""The configs of Keras in the form that Lamina's own configs have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from lamina.errors import FileFormatError, explain
from lamina.saving.allowed_names import FUNCTIONS
from lamina.saving.config_names import class_named, function_named
from lamina.saving.lookup import Names

__all__ = ["canonical", "is_of_keras", "unavailable"]

_CLASSES = {
    "GroupQueryAttention": "GroupedQueryAttention",
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "STFTInitializer": "STFT",
}
"""Classes that Lamina has by another name of Keras."""

_OPERATION = "lamina.models:ArrayFunction"
_OF_KERAS = ("keras", "tf_keras", "tensorflow")

_PLAIN = frozenset({"DTypePolicy", "InputLayer"})
"""Objects that are read as data."""


def canonical(described: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a config of Keras 3 as Lamina reads it.

    Args:
        described: JSON: the config of a layer or another object, or a value inside of one.
        custom_objects: classes and functions by name, with functions for `Lambda` layers by the
            names of the layers; None (default) for none.

    Returns:
        New JSON, in which such functions stand as they are.
    """
    if isinstance(described, list):
        return [canonical(item, custom_objects) for item in cast("list[Any]", described)]
    if not isinstance(described, Mapping):
        return described
    given = cast("Mapping[str, Any]", described)
    fields = {name: canonical(value, custom_objects) for name, value in given.items()}
    kind = fields.get("class_name")
    if not isinstance(kind, str) or "config" not in fields or not is_of_keras(fields):
        return fields
    fields["class_name"] = kind = _CLASSES.get(kind, kind)
    inner = fields["config"]
    if not isinstance(inner, dict):
        return fields
    config = cast("dict[str, Any]", inner)
    if kind in ("QuantizedDTypePolicy", "Int4DTypePolicy"):
        mode = str(config.get("mode"))
        if re.fullmatch(r"int8|int4(/(-1|[1-9]\d{0,8}))?", mode) is None:
            raise FileFormatError(
                explain(
                    f"A layer of the file is quantized as {str(config.get('mode'))[:40]!r}.",
                    expected="kernels of floating numbers, or of integers of 8 or 4 bits",
                    received="another kind of kernels",
                    remedy="Save the model in Keras before it is quantized.",
                )
            )
        policy = f"{mode}_from_{config.get('source_name') or 'float32'}"
        return {"class_name": "DTypePolicy", "config": {"name": policy}}
    if kind == "DTypePolicyMap":
        return config.get("default_policy") or "float32"
    for option in ("lora_alpha", "lora_rank"):  # of kernels stored whole
        config.pop(option, None)
    if kind == "Lambda" and custom_objects and _is_code(config.get("function")):
        function = custom_objects.get(str(config.get("name")))
        if function is not None:
            config["function"] = function
    return (_operation(config, custom_objects or {}) or fields) if kind == "Lambda" else fields


def _operation(config: dict[str, Any], custom: Mapping[str, Any]) -> dict[str, Any] | None:
    """The config of an operation, if the function of a `Lambda` is one of `keras.ops`."""
    function = config.get("function")
    name: Any = function
    if isinstance(function, Mapping):
        described = cast("Mapping[str, Any]", function)
        module = described.get("module")
        if described.get("class_name") != "function" or module not in (None, "builtins"):
            return None
        name = described.get("config")
    known = Names().listed(_OPERATION).by_name
    if (
        not isinstance(name, str)
        or name not in known
        or name in custom
        or f"lamina.activations:{name}" in FUNCTIONS
    ):
        return None
    inner: dict[str, Any] = {"function": known[name], "options": config.get("arguments") or {}}
    return {"module": "lamina.models", "class_name": "ArrayFunction", "config": inner}


def is_of_keras(fields: Mapping[str, Any]) -> bool:
    """Whether the class of an object may be one of Keras's own."""
    module = fields.get("module")
    return module is None or str(module).partition(".")[0] in _OF_KERAS


def _is_code(function: Any) -> bool:
    """Whether the function of a `Lambda` is stored as code of Python."""
    if isinstance(function, Mapping):
        return cast("Mapping[str, Any]", function).get("class_name") == "__lambda__"
    return isinstance(function, list)


def unavailable(described: Any, path: str, names: Names) -> FileFormatError | None:
    """Return an error that lists all classes and functions that are not available; None if none.

    Args:
        described: the result of :func:`canonical`.
        path: the path of the file, for the error.
        names: the lookup of classes and functions.
    """
    lines: dict[str, str] = {}
    pending: list[tuple[Any, str]] = [(described, "the model")]
    while pending:
        value, place = pending.pop()
        if isinstance(value, list):
            pending += [(item, place) for item in reversed(cast("list[Any]", value))]
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            kind = fields.get("class_name")
            if isinstance(kind, str) and "config" in fields:
                place = _place(fields, place)
                problem = _problem(fields, kind, names)
                if problem is not None:
                    lines.setdefault(problem[0], f"  {problem[1]}, in {place}"[:300])
                    if not problem[0].startswith("function"):
                        continue
            pending += [(item, place) for item in reversed(list(fields.values()))]
    if not lines:
        return None
    first = next(iter(lines)).partition(" ")[2]
    return FileFormatError(
        explain(
            "\n".join([f"{path!r} names what is not available:", *lines.values()]),
            expected="layers and functions of Keras that Lamina has, or those of custom_objects",
            received=f"{len(lines)} others; nothing was imported or run",
            remedy=f"Pass custom_objects={{{first!r}: ...}} with a class or function of your own.",
        )
    )


def _place(fields: dict[str, Any], outer: str) -> str:
    config = fields["config"]
    name = cast("dict[str, Any]", config).get("name") if isinstance(config, dict) else None
    if not isinstance(name, str) or name == "":
        return outer
    return f"{fields['class_name']} {name!r}"[:120]


def _problem(fields: dict[str, Any], kind: str, names: Names) -> tuple[str, str] | None:
    """A key and a text for what an object names and is not available; None if it is."""
    module = str(fields.get("module"))[:60]
    inner: Any = fields["config"]
    if kind == "Lambda" and isinstance(inner, dict):
        config = cast("dict[str, Any]", inner)
        if _is_code(config.get("function")):
            name = str(config.get("name"))[:100]
            return f"code {name}", f"the code of the Lambda {name!r}, which is never run"
    if kind == "__lambda__":
        return "code function", "the code of a lambda, which is never run"
    if kind.startswith("__") or kind in _PLAIN or module.startswith(("keras.ops", "keras.src.ops")):
        return None
    try:
        if kind == "function":
            function_named(fields, names)
        else:
            class_named(fields, names)
    except FileFormatError:
        name = str(cast("object", inner))[:100] if kind == "function" else kind[:100]
        what = "function" if kind == "function" else "class"
        return f"{what} {name}", f"the {what} {name!r} of {module!r}"
    return None
