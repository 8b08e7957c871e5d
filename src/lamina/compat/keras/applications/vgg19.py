"""`keras.applications.vgg19`: Simonyan, Zisserman, arXiv 1409.1556, table 1, E."""

from __future__ import annotations

from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import scale_for_caffe as preprocess_input
from lamina.compat.keras.applications.vgg import vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

VGG19 = vgg("vgg19", (2, 2, 4, 4, 4))
