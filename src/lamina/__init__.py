"""Lamina: layers whose weights follow from the shape of the input, on JAX."""

from typing import TYPE_CHECKING, Any

from lamina import (
    activations,
    constraints,
    errors,
    initializers,
    layers,
    losses,
    metrics,
    regularizers,
)
from lamina.core.base.lock import set_build_wait
from lamina.core.building.plan import Plan
from lamina.core.building.seeds import set_seed
from lamina.core.calling.jit import jit
from lamina.core.running.added_losses import added_losses
from lamina.core.running.precision import dtype_policy, set_dtype_policy
from lamina.core.specs.input_spec import InputSpec
from lamina.core.specs.spec import Spec
from lamina.core.tree.variable import Variable
from lamina.layer import Layer
from lamina.layers.rematerialization import checkpoint, remat
from lamina.lazy import lazily
from lamina.models import Input, Model, Sequential
from lamina.saving import deserialize, load, load_exported, serialize
from lamina.training import Trainer

if TYPE_CHECKING:
    from lamina.generation import generate

_generation = lazily("lamina.generation")

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
    "dtype_policy",
    "errors",
    "generate",
    "initializers",
    "jit",
    "layers",
    "load",
    "load_exported",
    "losses",
    "metrics",
    "regularizers",
    "remat",
    "serialize",
    "set_build_wait",
    "set_dtype_policy",
    "set_seed",
]


def __getattr__(name: str) -> Any:
    if name == "generate":
        return _generation.generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
