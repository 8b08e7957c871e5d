"""Operations of Keras on arrays, as a layer and as a table of functions."""

from lamina.models.array_functions.array_function import ArrayFunction
from lamina.models.array_functions.keras_nodes import keras_arguments, keras_node
from lamina.models.array_functions.table import FUNCTIONS, MODULES

__all__ = ["FUNCTIONS", "MODULES", "ArrayFunction", "keras_arguments", "keras_node"]
