"""The initial state of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import jax
import numpy as np

from lamina.core.base.host_memory import empty, is_on_host, on_device
from lamina.core.base.pytrees import flatten, unflatten
from lamina.lazy import lazily

if TYPE_CHECKING:
    from jax import extend
else:
    extend = lazily("jax.extend")  # imports Pallas

__all__ = ["initial_state", "sharded_state", "state_shapes"]


def sharded_state(init: Callable[[Any], Any], weights: dict[str, jax.Array], others: Any) -> Any:
    """Return the state of an optimizer of sharded weights, computed on their devices.

    Args:
        init: the optimizer's `init`.
        weights: sharded arrays by path.
        others: the sharding of arrays that do not have the path and shape of a weight.

    Returns:
        The state; arrays with the path and shape of a weight have its sharding.
    """
    tools = cast(Any, jax.tree_util)

    def sharding_of(path: tuple[Any, ...], leaf: Any) -> Any:
        for key in path:
            weight = weights.get(getattr(key, "key", None))  # pyright: ignore[reportArgumentType]
            if weight is not None and weight.shape == leaf.shape:
                return weight.sharding
        return others

    places = tools.tree_map_with_path(sharding_of, cast(Any, jax.eval_shape)(init, weights))
    return cast(Any, jax.jit)(init, out_shardings=places)(weights)


def state_shapes(init: Callable[[Any], Any], weights: dict[str, jax.Array]) -> Any:
    """Return the shapes and dtypes of the state of an optimizer before the first step.

    Args:
        init: the optimizer's `init`. It is run only if it reads the values of the weights.
        weights: arrays by path.

    >>> state_shapes(lambda w: {"mean": w["a"] * 2}, {"a": np.ones(2)})
    {'mean': ShapeDtypeStruct(shape=(2,), dtype=float32)}
    """
    try:
        return cast(Any, jax.eval_shape)(init, weights)
    except jax.errors.JAXTypeError:
        return init(weights)


def initial_state(
    init: Callable[[Any], Any], weights: dict[str, jax.Array], jit: bool = True
) -> Any:
    """Return the state of an optimizer before the first step.

    Arrays filled with a constant are created on the host, without compilation; most optimizers
    have no others. Otherwise all arrays are computed by one program, instead of one for each
    shape. With sharded weights, and with an optimizer that reads the values of the weights, `init`
    is called directly.

    Args:
        init: the optimizer's `init`.
        weights: arrays by path.
        jit: whether anything may be compiled.

    >>> {k: v.tolist() for k, v in initial_state(lambda w: {"count": 0, **w}, {}).items()}
    {'count': 0}
    """
    if not jit or not all(len(array.devices()) == 1 for array in weights.values()):
        return init(weights)
    try:
        if all(map(is_on_host, weights.values())):
            traced, shapes = cast(Any, jax.make_jaxpr)(init, return_shape=True)(weights)
            constants = _constants(traced.jaxpr)
            if constants is not None:
                return unflatten(flatten(shapes)[1], on_device(constants))
        return cast(Any, jax.jit)(init)(weights)
    except jax.errors.JAXTypeError:
        return init(weights)


def _constants(jaxpr: Any) -> Iterator[np.ndarray] | None:
    """Return the outputs if each is filled with one number, else None."""
    numbers = {
        made: equation.invars[0]
        for equation in jaxpr.eqns
        if equation.primitive.name == "broadcast_in_dim"
        for made in equation.outvars
    }
    pairs = [
        (
            variable.aval,
            variable if isinstance(variable, extend.core.Literal) else numbers.get(variable),
        )
        for variable in jaxpr.outvars
    ]
    if not all(
        isinstance(value, extend.core.Literal) and not aval.weak_type for aval, value in pairs
    ):
        return None
    return (_full(aval, cast(Any, value).val) for aval, value in pairs)


def _full(aval: Any, number: Any) -> np.ndarray:
    array = empty(aval.shape, aval.dtype)
    array.fill(number)
    return array
