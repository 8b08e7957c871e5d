"""Models: layers that know how to be trained, in a row or in a graph."""

from lamina.models.clone import clone_model
from lamina.models.functional import Functional
from lamina.models.model import Model
from lamina.models.sequential import Sequential
from lamina.models.symbol import Input

__all__ = ["Functional", "Input", "Model", "Sequential", "clone_model"]
