"""Gradients and compiled functions of imperative programs, which read and assign variables.

:class:`GradientTape` records operations as they run. :func:`function` compiles a function that
reads and assigns the variables of layers, optimizers and metrics.
"""

from lamina.imperative.compiled_function import CompiledFunction, function
from lamina.imperative.gradient_tape import GradientTape

__all__ = ["CompiledFunction", "GradientTape", "function"]
