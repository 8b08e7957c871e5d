"""`keras.applications`: no architecture is there yet; each name is an error."""

from __future__ import annotations

from lamina.compat.keras.forwarding import add_empty_modules, forwarded

_MODULES = add_empty_modules(
    __name__,
    "convnext densenet efficientnet efficientnet_v2 imagenet_utils inception_resnet_v2 inception_v3"
    " mobilenet mobilenet_v2 mobilenet_v3 nasnet resnet resnet50 resnet_v2 vgg16 vgg19 xception",
)

__getattr__, __dir__ = forwarded("keras.applications", {}, _MODULES)
