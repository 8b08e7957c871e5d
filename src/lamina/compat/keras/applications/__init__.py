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

from lamina.compat.keras.applications import (
    convnext,
    densenet,
    efficientnet,
    efficientnet_v2,
    imagenet_utils,
    inception_resnet_v2,
    inception_v3,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    resnet,
    resnet50,
    resnet_v2,
    vgg16,
    vgg19,
    xception,
)
from lamina.compat.keras.applications.convnext import (
    ConvNeXtBase,
    ConvNeXtLarge,
    ConvNeXtSmall,
    ConvNeXtTiny,
    ConvNeXtXLarge,
)
from lamina.compat.keras.applications.densenet import DenseNet121, DenseNet169, DenseNet201
from lamina.compat.keras.applications.efficientnet import (
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
)
from lamina.compat.keras.applications.efficientnet_v2 import (
    EfficientNetV2B0,
    EfficientNetV2B1,
    EfficientNetV2B2,
    EfficientNetV2B3,
    EfficientNetV2L,
    EfficientNetV2M,
    EfficientNetV2S,
)
from lamina.compat.keras.applications.inception_resnet_v2 import InceptionResNetV2
from lamina.compat.keras.applications.inception_v3 import InceptionV3
from lamina.compat.keras.applications.mobilenet import MobileNet
from lamina.compat.keras.applications.mobilenet_v2 import MobileNetV2
from lamina.compat.keras.applications.mobilenet_v3_models import MobileNetV3Large, MobileNetV3Small
from lamina.compat.keras.applications.nasnet import NASNetLarge, NASNetMobile
from lamina.compat.keras.applications.resnet import ResNet50, ResNet101, ResNet152
from lamina.compat.keras.applications.resnet_v2 import ResNet50V2, ResNet101V2, ResNet152V2
from lamina.compat.keras.applications.vgg16 import VGG16
from lamina.compat.keras.applications.vgg19 import VGG19
from lamina.compat.keras.applications.xception import Xception

__all__ = [
    "VGG16",
    "VGG19",
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "Xception",
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
]
