"""Adam's options, the same for all.

Keras adds epsilon before the moments are corrected for their start at 0, the others after it. That
moves the first steps apart by as much as epsilon counts, so here it does not count.
"""

__all__ = ["EPSILON", "LEARNING_RATE"]

LEARNING_RATE = 1e-3
EPSILON = 1e-12
