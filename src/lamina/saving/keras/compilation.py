"""The arguments of `compile` in a file of Keras 3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from lamina.core.tree.node import Tracked
from lamina.errors import LaminaError, explain
from lamina.saving.config_reader import Reader, reading_config
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.assignment import names_by_group
from lamina.saving.keras.configs import canonical
from lamina.saving.keras.excluded_layers import of_lamina
from lamina.saving.keras.legacy_compilation import modern_optimizer
from lamina.saving.keras.optimizer_state import read_state, with_loss_scale
from lamina.saving.keras.optimizer_writing import named_optimizer

if TYPE_CHECKING:
    from lamina.saving.models import Compilable

__all__ = ["compile_arguments", "compile_as_saved", "optimizer_variables"]

_WRAPPERS = {"LossFunctionWrapper": "FunctionLoss", "MeanMetricWrapper": "FunctionMetric"}
"""Classes of Keras that wrap a function, with those of Lamina."""

_INVALID = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Errors of Lamina, and of values of a wrong type."""

_ROOMS = {"loss": "losses", "metrics": "metrics", "weighted_metrics": "metrics"}


def compile_as_saved(
    root: Tracked,
    config: Any,
    stored: Sequence[StoredArray],
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Compile a model as a file describes it, and continue from the state of its optimizer.

    If a part of the description is unknown, the model stays uncompiled, with a warning.

    Args:
        root: the model, built.
        config: the `compile_config` of the file.
        stored: the variables of the optimizer; see :func:`optimizer_variables`.
        path: the path of the file, for warnings.
        custom_objects: classes and functions by name; None (default) for none.
        names: the names of these variables in the older format; None (default) for Keras 3.
    """
    if not config or not isinstance(config, Mapping) or not hasattr(root, "_compile_from_file"):
        return
    try:
        given = dict(cast("Mapping[str, Any]", config))
        given["optimizer"] = of_lamina(root, given.get("optimizer"))
        arguments = compile_arguments(given, custom_objects)
        optimizer = with_loss_scale(
            arguments["optimizer"], root, arguments.get("auto_scale_loss", True)
        )
        state = read_state(root, optimizer, stored, path, names)
        cast("Compilable", root)._compile_from_file(arguments, state)
    except _INVALID as error:
        warnings.warn(
            explain(
                f"The model of {path!r} is not compiled.",
                where=f"made at {root._lamina.made_at}",
                expected="an optimizer, a loss and metrics of Lamina, or of custom_objects",
                received=str(error).partition("\n")[0],
                remedy="Call compile on the model; or pass what is missing in custom_objects.",
            ),
            UserWarning,
            stacklevel=5,
        )


def optimizer_variables(arrays: Mapping[str, StoredArray]) -> list[StoredArray]:
    """Return the variables of the optimizer among the arrays of a file of Keras 3, in order.

    Args:
        arrays: the arrays of the file by path.
    """
    prefix = "optimizer/vars"
    within = {name: array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
    return [within[name] for name in names_by_group(within).get(prefix, [])]


def compile_arguments(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Convert the `compile_config` of Keras to the arguments of `compile`.

    `run_eagerly` and `jit_compile` are left out: they say how the program that wrote the file ran.

    Args:
        config: the `compile_config`.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The arguments by name.

    Raises:
        LaminaError: a part is unknown; the error names it.
    """
    given = dict(custom_objects or {})
    arguments: dict[str, Any] = {}
    with reading_config(custom_objects) as reader:
        arguments["optimizer"] = _optimizer(config.get("optimizer"), reader)
        for name, room in _ROOMS.items():
            if config.get(name) is not None:
                described = canonical(_completed(config[name], room, given))
                arguments[name] = reader.value(described)
    if config.get("loss_weights") is not None:
        arguments["loss_weights"] = config["loss_weights"]
    if isinstance(config.get("auto_scale_loss"), bool):
        arguments["auto_scale_loss"] = config["auto_scale_loss"]
    steps = config.get("steps_per_execution")
    if isinstance(steps, int) and steps > 1:
        arguments["steps_per_execution"] = steps
    return arguments


def _optimizer(described: Any, reader: Reader) -> Any:
    if isinstance(described, str):
        return named_optimizer(described)
    if isinstance(described, Mapping):
        return reader.value(canonical(modern_optimizer(cast("Mapping[str, Any]", described))))
    raise LaminaError(f"The optimizer {described!r:.100} is unknown.")


def _completed(described: Any, room: str, given: Mapping[str, Any]) -> Any:
    """Name the modules of Keras's own functions and classes where a config leaves them out."""
    if isinstance(described, list):
        return [_completed(item, room, given) for item in cast("list[Any]", described)]
    if isinstance(described, str):
        custom = _given_name(described, given)
        return described if custom is None else given[custom]
    if not isinstance(described, Mapping):
        return described
    fields = dict(cast("Mapping[str, Any]", described))
    kind, inner = fields.get("class_name"), fields.get("config")
    if not isinstance(kind, str) or "config" not in fields:
        return {name: _completed(value, room, given) for name, value in fields.items()}
    if kind == "function":
        return _function(fields, given)
    if isinstance(inner, Mapping):
        options = dict(cast("Mapping[str, Any]", inner))
        if isinstance(options.get("fn"), str | Mapping):
            options["fn"] = _function(options["fn"], given)
        if kind == "LossFunctionWrapper" and "fn" in options:
            options["function"] = options.pop("fn")
        if room == "metrics" and str(options.get("dtype")).lstrip("u").startswith(("bool", "int")):
            del options["dtype"]  # Keras counts in it, and returns floating numbers
        fields["config"] = options
    package, separator, _ = str(fields.get("registered_name")).partition(">")
    if kind in _WRAPPERS:
        return {**fields, "module": f"keras.{room}", "class_name": _WRAPPERS[kind]}
    if fields.get("module") is None:  # of the program that wrote the file, or an older Keras
        fields["module"] = package if separator else f"keras.{room}"
    return fields


def _function(described: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """A function by name: one of the caller, or Keras's own."""
    is_named = isinstance(described, Mapping)
    name = str(cast("Mapping[str, Any]", described).get("config") if is_named else described)
    custom = _given_name(name, given)
    module = "builtins" if custom is not None or ">" in name else None
    return {"class_name": "function", "module": module, "config": custom or name}


def _given_name(name: str, given: Mapping[str, Any]) -> str | None:
    """The name under which the caller passes what a file names, with or without its package."""
    return next((one for one in (name, name.rpartition(">")[2]) if one in given), None)
