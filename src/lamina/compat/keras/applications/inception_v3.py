"""`keras.applications.inception_v3`: Szegedy et al., arXiv 1512.00567."""

from __future__ import annotations

from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import DOWNLOADS, Ends, constructor, head
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.inception import HALVED, branch, mixed, stem
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

_TO_17 = (((384, 3, 2),), ((64, 1), (96, 3), (96, 3, 2)), HALVED)
_TO_8 = (
    ((192, 1), (320, 3, 2)),
    ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
    HALVED,
)


def _at_35(pooled: int) -> Any:
    """The branches at 35x35; `pooled` filters follow the pooling."""
    return (
        ((64, 1),),
        ((48, 1), (64, 5)),
        ((64, 1), (96, 3), (96, 3)),
        ("avg", (pooled, 1)),
    )


def _at_17(c: int) -> Any:
    """The branches at 17x17, with convolutions of size 7 along one axis at a time."""
    return (
        ((192, 1),),
        ((c, 1), (c, (1, 7)), (192, (7, 1))),
        ((c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (192, (1, 7))),
        ("avg", (192, 1)),
    )


def _split(x: Any, name: str | None) -> Any:
    """Convolutions of size 3 along each axis, side by side."""
    return mixed(x, (((384, (1, 3)),), ((384, (3, 1)),)), name)


def _at_8(x: Any, number: int) -> Any:
    """The branches at 8x8, two of which split."""
    parts = [
        branch(x, ((320, 1),)),
        _split(branch(x, ((384, 1),)), f"mixed9_{number}"),
        _split(branch(x, ((448, 1), (384, 3))), None),
        branch(x, ("avg", (192, 1))),
    ]
    return layers.Concatenate(name=f"mixed{9 + number}")(parts)


def _body(x: Any, ends: Ends) -> Any:
    x = stem(x)
    stages = (*map(_at_35, (32, 64, 64)), _TO_17, *map(_at_17, (128, 160, 160, 192)), _TO_8)
    for number, branches in enumerate(stages):
        x = mixed(x, branches, f"mixed{number}")
    return head(_at_8(_at_8(x, 0), 1), ends)


_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels{notop}.h5"
InceptionV3 = constructor("inception_v3", _body, f"{DOWNLOADS}/inception_v3/{_FILE}", 299, 75)
