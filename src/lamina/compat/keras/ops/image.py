"""`keras.ops.image`: transformations of images."""

from __future__ import annotations

from typing import Any

from lamina.compat.keras.missing import missing
from lamina.compat.keras.ops import elastic
from lamina.compat.keras.ops.namespaces import functions_of
from lamina.compat.keras.ops.symbols import on_symbols

_FUNCTIONS = {**functions_of("image"), "elastic_transform": on_symbols(elastic.elastic_transform)}


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise missing("keras.ops.image", name, _FUNCTIONS)
    return _FUNCTIONS[name]


def __dir__() -> list[str]:
    return sorted(_FUNCTIONS)
