"""`to_json` and `model_from_json`: the class and config of a model as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from lamina.errors import FileFormatError, explain
from lamina.json_text import read_json
from lamina.layer import Layer
from lamina.lazy import lazily

if TYPE_CHECKING:
    from lamina import saving
    from lamina.saving.keras import loading as keras_files
else:
    saving = lazily("lamina.saving")
    keras_files = lazily("lamina.saving.keras.loading")

__all__ = ["model_from_json", "to_json"]


def to_json(model: Layer, **options: Any) -> str:
    """Return the class and the config of the model as JSON, without weights.

    Args:
        options: those of `json.dumps`, such as ``indent=2``.

    Returns:
        JSON that :func:`lamina.models.model_from_json` reads.

    Raises:
        LaminaError: an argument of a layer cannot be stored; the error names it.

    >>> from lamina import Input, Sequential, layers
    >>> from lamina.models import model_from_json
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> model_from_json(model.to_json()).count_params()
    8
    """
    return json.dumps(saving.serialize(model), **options)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model from the JSON of `to_json`, with new initial values.

    Nothing in the text is imported, called by its name or unpickled; names are looked up as in
    :func:`lamina.load`.

    Args:
        json_string: the result of :meth:`lamina.Model.to_json`, or of Keras's, versions 1 to 3.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The model, not compiled.

    Raises:
        FileFormatError: the text is not the JSON of a model, or names a class or function that is
            not available.
    """
    described = read_json(json_string, "The JSON of the model")
    if _is_of_keras(described):
        made = keras_files.model_of(described, custom_objects)
    else:
        made = saving.deserialize(described, custom_objects)
    if isinstance(made, Layer):
        return made
    raise FileFormatError(
        explain(
            "The JSON does not describe a model.",
            expected="the result of model.to_json()",
            received=f"a {type(made).__name__}",
            remedy="Pass the result of to_json.",
        )
    )


def _is_of_keras(described: Any) -> bool:
    """Whether JSON is that of a model in Keras: Lamina always names a module."""
    if not isinstance(described, dict):
        return False
    fields = cast("dict[str, Any]", described)
    module = str(fields.get("module", "keras"))
    return "class_name" in fields and module.partition(".")[0] in ("keras", "tf_keras")
