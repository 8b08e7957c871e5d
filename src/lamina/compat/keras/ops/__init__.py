"""`keras.ops`: Keras's functions of arrays, variables and symbols.

They have the arguments, defaults and dtypes of Keras, and compute with `jax.numpy`, `jax.nn` and
`jax.lax`. On symbols, each is a node of the graph.

>>> from lamina.compat import keras
>>> keras.ops.mean([[1, 2], [3, 5]], axis=1).tolist()
[1.5, 4.0]
>>> keras.ops.relu(keras.Input((3,)))
<Symbol of shape (None, 3), float32>
"""

from __future__ import annotations

import importlib
from typing import Any

from lamina.compat.keras.missing import missing
from lamina.compat.keras.ops.control_flow import CONTROL_FLOW
from lamina.compat.keras.ops.creation import CREATION
from lamina.compat.keras.ops.table import OPERATIONS, module_of
from lamina.compat.keras.ops.values import VALUES

_TABLE = {name: one for name, one in OPERATIONS.items() if module_of(name) != "image"}
_FUNCTIONS = {**_TABLE, **CREATION, **CONTROL_FLOW, **VALUES}
del _FUNCTIONS["extract_patches_3d"]  # in keras.ops.image
_MODULES = ("image", "linalg", "nn", "numpy")


def __getattr__(name: str) -> Any:
    if name == "__all__":  # for `from lamina.compat.keras.ops import *`
        return __dir__()
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _FUNCTIONS:
        raise missing("keras.ops", name, _FUNCTIONS)
    value = globals()[name] = _FUNCTIONS[name]
    return value


def __dir__() -> list[str]:
    return sorted({*_FUNCTIONS, *_MODULES})
