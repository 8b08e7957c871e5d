"""What an optimizer begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import jax
import numpy as np
from jax.extend.core import Literal

from lamina.core.base.host_memory import at_hand, empty, on_device
from lamina.core.base.pytrees import flatten, unflatten

__all__ = ["begun"]


def begun(init: Callable[[Any], Any], weights: dict[str, jax.Array], jit: bool = True) -> Any:
    """An optimizer's state before the first step: constants the host fills, if it is no more.

    That is so for most, and needs no program; else it is one program, rather than one a shape.
    Arrays that are spread over devices go in as they are, so that zeros like them are spread
    alike; so do they for an optimizer that looks at their numbers.

    Args:
        init: the optimizer's.
        weights: by path.
        jit: whether anything may be compiled.

    >>> {k: v.tolist() for k, v in begun(lambda w: {"count": 0, **w}, {}).items()}
    {'count': 0}
    """
    if not jit or not all(len(array.devices()) == 1 for array in weights.values()):
        return init(weights)
    try:
        if all(map(at_hand, weights.values())):
            traced, shapes = cast(Any, jax.make_jaxpr)(init, return_shape=True)(weights)
            filled = _filled(traced.jaxpr)
            if filled is not None:
                return unflatten(flatten(shapes)[1], on_device(filled))
        return cast(Any, jax.jit)(init)(weights)
    except jax.errors.JAXTypeError:
        return init(weights)


def _filled(jaxpr: Any) -> Iterator[np.ndarray] | None:
    """The outputs, if each is one number over and over; None if any is something else."""
    number = {
        made: equation.invars[0]
        for equation in jaxpr.eqns
        if equation.primitive.name == "broadcast_in_dim"
        for made in equation.outvars
    }
    pairs = [
        (variable.aval, variable if isinstance(variable, Literal) else number.get(variable))
        for variable in jaxpr.outvars
    ]
    if not all(isinstance(of, Literal) and not aval.weak_type for aval, of in pairs):
        return None
    return (_full(aval, cast(Any, of).val) for aval, of in pairs)


def _full(aval: Any, number: Any) -> np.ndarray:
    array = empty(aval.shape, aval.dtype)
    array.fill(number)
    return array
