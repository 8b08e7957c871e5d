"""Lamina: layers whose weights follow from the shape of the input, on JAX."""

from lamina import errors
from lamina.core.build import set_seed
from lamina.core.call import Compiled as jit
from lamina.core.call import checkpoint
from lamina.core.plan import Plan
from lamina.core.specs import Spec
from lamina.core.variable import Variable
from lamina.layer import Layer

__all__ = ["Layer", "Plan", "Spec", "Variable", "checkpoint", "errors", "jit", "set_seed"]
