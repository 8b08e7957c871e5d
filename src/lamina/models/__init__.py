"""Models: layers that know how to be trained, and layers in a row."""

from lamina.models.model import Model
from lamina.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
