"""The operations of Keras that a graph may contain, by their class names."""

from __future__ import annotations

from lamina.models.array_functions.activations import ACTIVATIONS
from lamina.models.array_functions.core import CORE
from lamina.models.array_functions.elementwise import ELEMENTWISE
from lamina.models.array_functions.image import IMAGE
from lamina.models.array_functions.mathematics import LINALG, MATH
from lamina.models.array_functions.nn import NN
from lamina.models.array_functions.reductions import REDUCTIONS
from lamina.models.array_functions.shaping import SHAPING
from lamina.models.array_functions.values import Function
from lamina.models.array_functions.windows import WINDOWS

__all__ = ["FUNCTIONS", "MODULES"]

_BY_MODULE = {
    "keras.src.ops.core": CORE,
    "keras.src.ops.image": IMAGE,
    "keras.src.ops.linalg": LINALG,
    "keras.src.ops.math": MATH,
    "keras.src.ops.nn": {**ACTIVATIONS, **NN, **WINDOWS},
    "keras.src.ops.numpy": {**ELEMENTWISE, **REDUCTIONS, **SHAPING},
}

FUNCTIONS: dict[str, Function] = {
    name: function for functions in _BY_MODULE.values() for name, function in functions.items()
}
"""The functions. Each takes the arrays first, and the options of Keras's constructor by name."""

MODULES = {name: module for module, functions in _BY_MODULE.items() for name in functions}
"""The modules that define the classes in Keras."""
