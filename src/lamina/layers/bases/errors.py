"""The error of a layer that cannot take what it got in a call or a build."""

from __future__ import annotations

from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import _name, _where

__all__ = ["refusal"]


def refusal(
    layer: Tracked, symptom: str, *, expected: str, received: str, remedy: str
) -> InputError:
    """An error that names the layer, where it was made and where it is called.

    >>> from lamina import layers
    >>> str(refusal(layers.Flatten(), "got no input", expected="", received="", remedy=""))[:21]
    'Flatten got no input.'
    """
    return InputError(
        explain(
            f"{_name(layer)} {symptom}.",
            where=_where(layer),
            expected=expected,
            received=received,
            remedy=remedy,
        )
    )
