"""Generation of token sequences by decoder-only models."""

from lamina.generation.generation import generate

__all__ = ["generate"]
