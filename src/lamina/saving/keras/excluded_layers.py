"""The layers that Muon leaves out: parts of paths of weights, which are Keras's or Lamina's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import LaminaError
from lamina.saving.keras.optimizer_state import trained_weights

__all__ = ["of_keras", "of_lamina"]

_PLAIN = re.compile(r"[\w./-]+")  # what a search takes for itself, but for the dot
_EMBEDDING = "embedding"


def of_lamina(model: Tracked, described: Any) -> Any:
    """Convert the excluded layers in the config of an optimizer of Keras.

    Args:
        model: the model, built.
        described: the config with its class; other optimizers than Muon stay as they are.

    Raises:
        LaminaError: a text is a pattern, or no parts of paths select the same weights here.
    """

    def convert(parts: list[Any], embeddings: bool) -> list[str]:
        if not all(isinstance(part, str) and _PLAIN.fullmatch(part) for part in parts):
            raise LaminaError("exclude_layers of Muon holds a pattern.")
        paths = _paths(model)
        wanted = {p for p, (there, _) in paths.items() if _selects(parts, embeddings, there)}
        found = sorted(wanted)
        if {path for path in paths if _selects(found, embeddings, path)} != wanted:
            raise LaminaError("exclude_layers of Muon selects weights that have no path in common.")
        return found

    return _converted(described, convert)


def of_keras(model: Tracked, described: Any) -> Any:
    """Convert the excluded layers in the config of an optimizer to those of Keras.

    Args:
        model: the model, built.
        described: the config with its class; other optimizers than Muon stay as they are.

    Raises:
        LaminaError: no names of layers select the same weights.
    """

    def convert(parts: list[Any], embeddings: bool) -> list[str]:
        paths = _paths(model)
        wanted = {path for path in paths if _selects(parts, embeddings, path)}
        found = sorted({f"{paths[path][1]}/" for path in wanted})
        if {p for p, (there, _) in paths.items() if _selects(found, embeddings, there)} != wanted:
            raise LaminaError("exclude_layers of Muon selects only some weights of a layer.")
        return found

    return _converted(described, convert)


def _converted(described: Any, convert: Callable[[list[Any], bool], list[str]]) -> Any:
    if not isinstance(described, Mapping):
        return described
    fields = dict(cast("Mapping[str, Any]", described))
    options = fields.get("config")
    if not isinstance(options, Mapping):
        return fields
    changed = dict(cast("Mapping[str, Any]", options))
    if isinstance(changed.get("inner_optimizer"), Mapping):
        changed["inner_optimizer"] = _converted(changed["inner_optimizer"], convert)
    parts = changed.get("exclude_layers")
    if fields.get("class_name") == "Muon" and isinstance(parts, list) and parts:
        embeddings = changed.get("exclude_embeddings") is not False
        changed["exclude_layers"] = convert(cast("list[Any]", parts), embeddings)
    return fields | {"config": changed}


def _selects(parts: list[Any], embeddings: bool, path: str) -> bool:
    return any(part in path for part in parts) or (embeddings and _EMBEDDING in path.lower())


def _paths(model: Tracked) -> dict[str, tuple[str, str]]:
    """The path in Keras of each trained matrix, and the name of its layer, by the path here."""
    layers = {path: layer for path, layer in walk(model).layers.values() if layer is not model}
    found: dict[str, tuple[str, str]] = {}
    for path, weight in trained_weights(model).items():
        if len(weight.shape) != 2:
            continue  # no matrix: left out in any case
        steps = path.split(".")
        above = [".".join(steps[:count]) for count in range(1, len(steps))]
        names = [name_of(layers[one]) for one in above if one in layers]
        found[path] = ("/".join([*names, steps[-1]]), names[-1] if names else "")
    return found
