"""`keras.applications.mobilenet_v3`: as in Keras, without the models, which stand one level up."""

from __future__ import annotations

from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import unscaled as preprocess_input

__all__ = ["decode_predictions", "preprocess_input"]
