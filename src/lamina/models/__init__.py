"""Models: layers that can be trained, as a class, a stack of layers, or a graph of layers."""

from lamina.models.clone import clone_model
from lamina.models.input_layer import Input, InputLayer
from lamina.models.model import Functional, Model
from lamina.models.model_json import model_from_json
from lamina.models.sequential import Sequential

__all__ = [
    "Functional",
    "Input",
    "InputLayer",
    "Model",
    "Sequential",
    "clone_model",
    "model_from_json",
]
