"""Lamina: layers whose weights follow from the shape of the input, on JAX."""

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
from lamina.core.adding import added_losses
from lamina.core.call import checkpoint, remat
from lamina.core.compiled import jit
from lamina.core.lock import set_build_wait
from lamina.core.plan import Plan
from lamina.core.precision import dtype_policy, set_dtype_policy
from lamina.core.seeds import set_seed
from lamina.core.specs import Spec
from lamina.core.variable import Variable
from lamina.layer import Layer
from lamina.models import Input, Model, Sequential
from lamina.saving import load, load_exported
from lamina.training import Trainer

__all__ = [
    "Input",
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
    "dtype_policy",
    "errors",
    "initializers",
    "jit",
    "layers",
    "load",
    "load_exported",
    "losses",
    "metrics",
    "regularizers",
    "remat",
    "set_build_wait",
    "set_dtype_policy",
    "set_seed",
]
