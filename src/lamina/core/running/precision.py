"""Dtype policies: the dtypes of weights and of computation, which differ in mixed precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.core.running.scope import current
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked
from lamina.errors import UnknownNameError, explain

__all__ = [
    "arithmetic_dtype",
    "cast_floating",
    "compute_dtype",
    "dtype_policy",
    "is_uncast",
    "policy",
    "set_dtype_policy",
    "uncast",
    "weights_dtype",
]

_F = TypeVar("_F", bound=Callable[..., Any])

_MIXED = {"mixed_bfloat16": jnp.bfloat16, "mixed_float16": jnp.float16}


class _Default:
    name: str | None = None


def set_dtype_policy(name: str) -> None:
    """Set the default dtype policy of layers that are created from now on.

    Args:
        name: str, the name of a dtype, ``"mixed_bfloat16"`` or ``"mixed_float16"``. A dtype is
            used for weights and computation. With ``"mixed_bfloat16"``, weights are float32, and
            inputs and weights are cast to bfloat16 for the computation; softmax, the statistics of
            normalization layers and losses are computed in float32. ``"mixed_float16"`` does the
            same with float16, for which `compile` scales the loss. It is ``"float32"`` initially.

    Raises:
        UnknownNameError: ``name`` is not a policy.

    >>> set_dtype_policy("mixed_bfloat16")
    >>> dtype_policy()
    'mixed_bfloat16'
    >>> set_dtype_policy("float32")
    """
    _Default.name = None if name == "float32" else policy(name)


def dtype_policy() -> str:
    """Return the default dtype policy of new layers.

    Returns:
        str, the name that :func:`set_dtype_policy` set, ``"float32"`` initially.

    >>> dtype_policy()
    'float32'
    """
    return _Default.name or "float32"


def policy(dtype: Any) -> str | None:
    """Return the name of a dtype policy.

    Args:
        dtype: a dtype, the name of a policy, or a policy with a `name`, such as
            `Layer.dtype_policy`; None for the default policy.

    Returns:
        The name; None if the default policy is float32.

    Raises:
        UnknownNameError: it is not a policy.
    """
    if dtype is None:
        return _Default.name
    if hasattr(dtype, "compute_dtype"):
        dtype = dtype.name
    if isinstance(dtype, str) and dtype in _MIXED:
        return dtype
    try:
        kind = Spec((), dtype).dtype
    except Exception:
        kind = None
    if kind is None or not (jnp.issubdtype(kind, jnp.number) or kind == jnp.bool_):
        raise UnknownNameError(
            explain(
                f"There is no dtype policy {dtype!r}.",
                expected=f"{', '.join(map(repr, _MIXED))} or a dtype, such as 'float32'",
                received=repr(dtype),
                remedy="Pass one of these."
                if "_from_" not in str(dtype)
                else "Pass this policy to Dense, EinsumDense or Embedding alone, in one of the "
                "forms 'int8_from_float32' and 'int4/128_from_float32'.",
            )
        )
    return str(kind)


def weights_dtype(name: str | None) -> Any:
    """Return the dtype of weights under a policy; None for float32."""
    return None if name in _MIXED else name


def arithmetic_dtype(name: str | None, around: Any) -> Any:
    """Return the compute dtype of a layer in a call.

    Args:
        name: the layer's policy; None for the default.
        around: the compute dtype of the calling layer; None if that has no policy.

    Returns:
        The dtype; None if no layer has a policy, or this one is not floating-point, so that the
        dtypes of the arrays decide.
    """
    return around if name is None else _floating(name)


@functools.cache
def _floating(name: str) -> Any:
    """Return the compute dtype of a policy; None if it is not floating-point."""
    dtype = jnp.dtype(_MIXED.get(name, name))
    return dtype if jnp.issubdtype(dtype, jnp.floating) else None


def compute_dtype(layer: Tracked) -> Any:
    """Return the compute dtype of a layer, for arrays that it creates, such as initial states.

    >>> from lamina import layers
    >>> compute_dtype(layers.GRU(4, dtype="mixed_bfloat16")).name, compute_dtype(layers.GRU(4)).name
    ('bfloat16', 'float32')
    """
    scope, name = current(), layer._lamina.dtype
    if name is not None:
        return jnp.dtype(_MIXED.get(name, name))
    return jnp.dtype(jnp.float32 if scope is None or scope.dtype is None else scope.dtype)


def cast_floating(tree: Any, dtype: Any) -> Any:
    """Cast the floating-point arrays of a pytree to a dtype."""

    def cast_leaf(leaf: Any) -> Any:
        floating = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if floating and leaf.dtype != dtype else leaf

    return map_tree(cast_leaf, tree)


def uncast(method: _F) -> _F:
    """Mark a method that computes in the dtypes of its inputs and weights, whatever the policy.

    Its outputs are cast to the compute dtype instead, so that statistics of float32 inputs are
    those of the inputs as given.
    """
    method.uncast = True  # type: ignore[attr-defined]
    return method


def is_uncast(layer: Tracked, method: str) -> bool:
    """Return whether a method of a layer is marked by :func:`uncast`."""
    return getattr(getattr(type(layer), method, None), "uncast", False)
