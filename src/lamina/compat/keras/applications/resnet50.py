"""`keras.applications.resnet50`: ResNet-50 of `resnet`."""

from __future__ import annotations

from lamina.compat.keras.applications.resnet import (
    ResNet50,
    decode_predictions,
    preprocess_input,
)

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
