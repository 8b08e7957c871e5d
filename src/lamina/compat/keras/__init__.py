"""The names of Keras 3 for programs that were written for it, on Lamina.

Replace ``import keras`` by ``from lamina.compat import keras``, and ``from keras import layers`` by
``from lamina.compat.keras import layers``. A name that Lamina does not have is an error that says
what serves instead. Importing the package sets :func:`lamina.set_default_rng`: as in Keras, calls
of layers without a random key draw from the global generator.

>>> from lamina.compat import keras
>>> inputs = keras.Input((4,))
>>> model = keras.Model(inputs, keras.ops.softmax(keras.layers.Dense(2)(inputs)))
>>> model.count_params()
10
"""

from __future__ import annotations

import importlib
from typing import Any

import lamina
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
    "Function": "lamina.compat.keras.graphs",
    "Initializer": "lamina.initializers",
    "Input": "lamina",
    "InputSpec": "lamina",
    "KerasTensor": "lamina.compat.keras.graphs",
    "Layer": "lamina.compat.keras.layers",
    "Loss": "lamina.losses",
    "Metric": "lamina.compat.keras.metrics",
    "Model": "lamina.compat.keras.models",
    "Operation": "lamina.compat.keras.graphs",
    "Quantizer": "lamina.quantizers",
    "Optimizer": "lamina.compat.keras.optimizers.base",
    "Regularizer": "lamina.regularizers",
    "RematScope": "lamina.compat.keras.scopes",
    "Sequential": "lamina",
    "StatelessScope": "lamina.compat.keras.scopes",
    "SymbolicScope": "lamina.compat.keras.scopes",
    "Variable": "lamina.compat.keras.scopes",
    "device": "lamina.compat.keras.scopes",
    "name_scope": "lamina.compat.keras.scopes",
    "remat": "lamina.compat.keras.scopes",
    "version": "lamina.compat.keras.scopes",
}


def next_key() -> Any:
    """The next random key of the global generator."""
    return importlib.import_module(f"{__name__}.random").next_key()


lamina.set_default_rng(next_key)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__all__":  # for `from lamina.compat.keras import *`
        return __dir__()
    if name == "__version__":
        return importlib.import_module("lamina.compat.keras.scopes").version()
    if name not in _NAMES:
        raise missing("keras", name, {*_MODULES, *_NAMES})
    value = globals()[name] = getattr(importlib.import_module(_NAMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_NAMES})
