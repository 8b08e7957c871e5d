"""The names of Keras 3 for programs that were written for it, on Lamina.

Replace ``import keras`` by ``from lamina.compat import keras``, and ``from keras import layers`` by
``from lamina.compat.keras import layers``. A name that Lamina does not have is an error that says
what serves instead.

>>> from lamina.compat import keras
>>> inputs = keras.Input((4,))
>>> model = keras.Model(inputs, keras.ops.softmax(keras.layers.Dense(2)(inputs)))
>>> model.count_params()
10
"""

from __future__ import annotations

import importlib
from typing import Any

from lamina.compat.keras.missing import missing

_MODULES = (
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distillation",
    "distribution",
    "dtype_policies",
    "export",
    "initializers",
    "layers",
    "legacy",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "quantizers",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "visualization",
    "wrappers",
)
_NAMES = {
    "DTypePolicy": "lamina.compat.keras.dtype_policies",
    "FloatDTypePolicy": "lamina.compat.keras.dtype_policies",
    "Initializer": "lamina.initializers",
    "Input": "lamina",
    "InputSpec": "lamina",
    "KerasTensor": "lamina.compat.keras.scopes",
    "Layer": "lamina.compat.keras.layers",
    "Loss": "lamina.losses",
    "Metric": "lamina.compat.keras.metrics",
    "Model": "lamina.compat.keras.models",
    "Optimizer": "lamina.compat.keras.optimizers.base",
    "Regularizer": "lamina.regularizers",
    "Sequential": "lamina",
    "Variable": "lamina.compat.keras.scopes",
    "device": "lamina.compat.keras.scopes",
    "name_scope": "lamina.compat.keras.scopes",
    "remat": "lamina.compat.keras.scopes",
    "version": "lamina.compat.keras.scopes",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        return importlib.import_module("lamina.compat.keras.scopes").version()
    if name not in _NAMES:
        raise missing("keras", name, {*_MODULES, *_NAMES})
    value = globals()[name] = getattr(importlib.import_module(_NAMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_NAMES})
