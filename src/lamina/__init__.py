"""Lamina: layers whose weights follow from the shape of the input, on JAX."""

import importlib
from typing import TYPE_CHECKING, Any

from lamina.garbage_collection import paused_collection

with paused_collection():
    from lamina import activations, constraints, errors, initializers, layers, regularizers
    from lamina.core.base.lock import set_build_wait
    from lamina.core.building.plan import Plan
    from lamina.core.building.seeds import set_seed
    from lamina.core.calling.jit import jit
    from lamina.core.running.added_losses import added_losses
    from lamina.core.running.keys import set_default_rng
    from lamina.core.running.precision import dtype_policy, set_dtype_policy
    from lamina.core.specs.input_spec import InputSpec
    from lamina.core.specs.spec import Spec
    from lamina.core.tree.variable import Variable
    from lamina.layer import Layer
    from lamina.layers.rematerialization import checkpoint, remat
    from lamina.models import Input, Model, Sequential

if TYPE_CHECKING:
    from lamina import distribute, files, losses, metrics
    from lamina.generation import generate
    from lamina.models.doctor import doctor
    from lamina.plots import plot_attention, plot_model
    from lamina.saving import deserialize, load, load_exported, serialize
    from lamina.training import Trainer

__all__ = [
    "Input",
    "InputSpec",
    "Layer",
    "Model",
    "Plan",
    "Sequential",
    "Spec",
    "Trainer",
    "Variable",
    "activations",
    "added_losses",
    "checkpoint",
    "constraints",
    "deserialize",
    "distribute",
    "doctor",
    "dtype_policy",
    "errors",
    "files",
    "generate",
    "initializers",
    "jit",
    "layers",
    "load",
    "load_exported",
    "losses",
    "metrics",
    "plot_attention",
    "plot_model",
    "regularizers",
    "remat",
    "serialize",
    "set_build_wait",
    "set_default_rng",
    "set_dtype_policy",
    "set_seed",
]

# Imported at their first use, so that `import lamina` is fast.
_MODULES = ("distribute", "files", "losses", "metrics", "reports", "saving", "training")
_NAMES = {
    "Trainer": "training",
    "deserialize": "saving",
    "doctor": "models.doctor",
    "generate": "generation",
    "load": "saving",
    "load_exported": "saving",
    "plot_attention": "plots",
    "plot_model": "plots",
    "serialize": "saving",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lamina.{name}")
    if name not in _NAMES:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}", name=name)
    value = globals()[name] = getattr(importlib.import_module(f"lamina.{_NAMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
