"""`keras.applications.inception_resnet_v2`: Szegedy et al., arXiv 1602.07261."""

from __future__ import annotations

from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import DOWNLOADS, Ends, constructor, head
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.inception import HALVED, convolved, mixed, stem
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

_BRANCHES: dict[str, Any] = {
    "mixed_5b": (
        ((96, 1),),
        ((48, 1), (64, 5)),
        ((64, 1), (96, 3), (96, 3)),
        ("avg", (64, 1)),
    ),
    "block35": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    "mixed_6a": (((384, 3, 2),), ((256, 1), (256, 3), (384, 3, 2)), HALVED),
    "block17": (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    "mixed_7a": (
        ((256, 1), (384, 3, 2)),
        ((256, 1), (288, 3, 2)),
        ((256, 1), (288, 3), (320, 3, 2)),
        HALVED,
    ),
    "block8": (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),
}
_STAGES = (
    ("mixed_5b", "block35", 10, 0.17),
    ("mixed_6a", "block17", 20, 0.1),
    ("mixed_7a", "block8", 10, 0.2),
)
"""The change of size, the blocks after it, their number, and the scale of their residuals."""


def _block(x: Any, kind: str, number: int, scale: float, *, last: bool) -> Any:
    """The features, and a scaled residual from branches; the very last block is linear."""
    name = f"{kind}_{number}"
    new = mixed(x, _BRANCHES[kind], f"{name}_mixed")
    new = layers.Conv2D(x.shape[-1], 1, padding="same", name=f"{name}_conv")(new)
    if last:
        return x + new
    return layers.Activation("relu", name=f"{name}_ac")(x + new * scale)


def _body(x: Any, ends: Ends) -> Any:
    x = stem(x)
    for change, kind, count, scale in _STAGES:
        x = mixed(x, _BRANCHES[change], change)
        for number in range(1, count + 1):
            x = _block(x, kind, number, scale, last=kind == "block8" and number == count)
    return head(convolved(x, (1536, 1), "conv_7b"), ends)


_NAME = "inception_resnet_v2"
_FILE = f"{_NAME}_weights_tf_dim_ordering_tf_kernels{{notop}}.h5"
InceptionResNetV2 = constructor(_NAME, _body, f"{DOWNLOADS}/{_NAME}/{_FILE}", 299, 75)
