"""Options of Adam, the same for all libraries.

Keras adds epsilon before the bias correction, the other libraries after it. A tiny epsilon makes
the difference negligible.
"""

__all__ = ["EPSILON", "LEARNING_RATE"]

LEARNING_RATE = 1e-3
EPSILON = 1e-12
