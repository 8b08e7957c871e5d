"""Where a model begins and ends, as a graph of layers."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling.views import View
from lamina.core.specs.spec import Spec

__all__ = ["ENDS", "Ended", "as_declared"]

ENDS = ("input", "inputs", "output", "outputs")
"""What a layer in a graph may be called all the same."""


_NUMBERS = (jnp.number, jnp.bool_)


class Ended:
    """A model with symbolic inputs and outputs: what is called on them goes on with its graph."""

    def _ends(self) -> tuple[Any, Any]:
        """The symbolic inputs and outputs."""
        raise NotImplementedError

    input = View(lambda model: model._ends()[0])
    """The symbolic inputs, as they were given."""
    output = View(lambda model: model._ends()[1])
    """The symbolic outputs, as they were given."""
    inputs = View(lambda model: leaves_of(model._ends()[0]))
    outputs = View(lambda model: leaves_of(model._ends()[1]))


def as_declared(array: Any, spec: Any) -> Any:
    """An array in the dtype of its Input, where that holds all that its own does.

    >>> import numpy as np
    >>> as_declared(np.uint8([200]), Spec((1,), "float32")).dtype
    dtype('float32')
    """
    kind = getattr(array, "dtype", None)
    if kind is None or not isinstance(spec, Spec) or kind == spec.dtype:
        return array
    numbers = all(any(jnp.issubdtype(one, k) for k in _NUMBERS) for one in (kind, spec.dtype))
    holds = numbers and jnp.promote_types(kind, spec.dtype) == spec.dtype
    return array.astype(spec.dtype) if holds else array
