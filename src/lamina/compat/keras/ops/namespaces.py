"""The functions of `keras.ops.numpy`, `nn`, `linalg` and `image`."""

from __future__ import annotations

from typing import Any

from lamina.compat.keras.ops.control_flow import CONTROL_FLOW
from lamina.compat.keras.ops.creation import CREATION
from lamina.compat.keras.ops.table import OPERATIONS, module_of
from lamina.compat.keras.ops.values import VALUES

__all__ = ["functions_of"]

_OTHERS = {
    "image": "extract_patches_3d",
    "linalg": "jvp",
    "nn": "ctc_decode",
    "numpy": """arange bartlett bincount blackman empty eye full geomspace hamming hanning identity
    kaiser linspace logspace nonzero ones tri unique vectorize where zeros""",
}


def functions_of(namespace: str) -> dict[str, Any]:
    """The functions of a namespace of `keras.ops` by their names.

    Args:
        namespace: ``"numpy"``, ``"nn"``, ``"linalg"`` or ``"image"``.

    >>> sorted(functions_of("linalg"))[:3]
    ['cholesky', 'cholesky_inverse', 'det']
    """
    others = {**CREATION, **CONTROL_FLOW, **VALUES}
    found = {name: one for name, one in OPERATIONS.items() if module_of(name) == namespace}
    found |= {name: others[name] for name in _OTHERS[namespace].split()}
    return found
