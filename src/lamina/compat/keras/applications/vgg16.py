"""`keras.applications.vgg16`: Simonyan, Zisserman, arXiv 1409.1556, table 1, D."""

from __future__ import annotations

from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import scale_for_caffe as preprocess_input
from lamina.compat.keras.applications.vgg import vgg

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

VGG16 = vgg("vgg16", (2, 2, 3, 3, 3))
