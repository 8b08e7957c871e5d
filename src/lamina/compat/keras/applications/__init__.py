"""`keras.applications`: image classifiers, with the names and the weights of Keras.

Each function makes a functional model. ``weights="imagenet"``, the default, reads the file of Keras
from Keras's cache; where it is not there, the error says what to download. A path reads any file of
weights of Keras or Lamina, and None draws new weights.

>>> from lamina.compat.keras import applications
>>> model = applications.MobileNetV2((32, 32, 3), weights=None, classes=10)
>>> model.name, model.output_shape, model.get_layer("block_1_expand").filters
('mobilenetv2_1.00_32', (None, 10), 96)
"""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.applications",
    {
        "lamina.compat.keras.applications.convnext": (
            "ConvNeXtBase",
            "ConvNeXtLarge",
            "ConvNeXtSmall",
            "ConvNeXtTiny",
            "ConvNeXtXLarge",
        ),
        "lamina.compat.keras.applications.densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
        "lamina.compat.keras.applications.efficientnet": (
            "EfficientNetB0",
            "EfficientNetB1",
            "EfficientNetB2",
            "EfficientNetB3",
            "EfficientNetB4",
            "EfficientNetB5",
            "EfficientNetB6",
            "EfficientNetB7",
        ),
        "lamina.compat.keras.applications.efficientnet_v2": (
            "EfficientNetV2B0",
            "EfficientNetV2B1",
            "EfficientNetV2B2",
            "EfficientNetV2B3",
            "EfficientNetV2L",
            "EfficientNetV2M",
            "EfficientNetV2S",
        ),
        "lamina.compat.keras.applications.inception_resnet_v2": ("InceptionResNetV2",),
        "lamina.compat.keras.applications.inception_v3": ("InceptionV3",),
        "lamina.compat.keras.applications.mobilenet": ("MobileNet",),
        "lamina.compat.keras.applications.mobilenet_v2": ("MobileNetV2",),
        "lamina.compat.keras.applications.mobilenet_v3_models": (
            "MobileNetV3Large",
            "MobileNetV3Small",
        ),
        "lamina.compat.keras.applications.nasnet": ("NASNetLarge", "NASNetMobile"),
        "lamina.compat.keras.applications.resnet": ("ResNet50", "ResNet101", "ResNet152"),
        "lamina.compat.keras.applications.resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
        "lamina.compat.keras.applications.vgg16": ("VGG16",),
        "lamina.compat.keras.applications.vgg19": ("VGG19",),
        "lamina.compat.keras.applications.xception": ("Xception",),
    },
    (
        "convnext",
        "densenet",
        "efficientnet",
        "efficientnet_v2",
        "imagenet_utils",
        "inception_resnet_v2",
        "inception_v3",
        "mobilenet",
        "mobilenet_v2",
        "mobilenet_v3",
        "nasnet",
        "resnet",
        "resnet50",
        "resnet_v2",
        "vgg16",
        "vgg19",
        "xception",
    ),
)
