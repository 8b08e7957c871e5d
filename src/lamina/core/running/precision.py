"""Mixed precision: weights are kept in one dtype, and arithmetic is done in another."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.core.running.scope import current
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked
from lamina.errors import UnknownNameError, explain

__all__ = [
    "arithmetic_dtype",
    "compute_dtype",
    "dtype_policy",
    "lowered",
    "policy",
    "set_dtype_policy",
    "weights_dtype",
]

_MIXED = {"mixed_bfloat16": jnp.bfloat16}


class _Default:
    name: str | None = None


def set_dtype_policy(name: str) -> None:
    """Say what layers made from here on keep their weights in, and compute in.

    Args:
        name: a dtype, for both, or `"mixed_bfloat16"`: weights are float32, and arrays become
            bfloat16 on their way into a layer. Sums that need it (softmax, the statistics of
            norms, losses) are float32 all the same.

    Raises:
        UnknownNameError: it is neither.

    >>> set_dtype_policy("mixed_bfloat16")
    >>> dtype_policy()
    'mixed_bfloat16'
    >>> set_dtype_policy("float32")
    """
    _Default.name = None if name == "float32" else policy(name)


def dtype_policy() -> str:
    """The policy of layers made from here on.

    >>> dtype_policy()
    'float32'
    """
    return _Default.name or "float32"


def policy(given: Any) -> str | None:
    """The name of a policy or dtype; where none is given, the default's, None for float32.

    Raises:
        UnknownNameError: it is the name of neither.
    """
    if given is None:
        return _Default.name
    if isinstance(given, str) and given in _MIXED:
        return given
    try:
        kind = Spec((), given).dtype
    except Exception:
        kind = None
    if kind is None or not jnp.issubdtype(kind, jnp.number):
        raise UnknownNameError(
            explain(
                f"There is no dtype policy {given!r}.",
                expected=f"{', '.join(map(repr, _MIXED))} or a dtype, such as 'float32'",
                received=repr(given),
                remedy="Give one of those.",
            )
        )
    return str(kind)


def weights_dtype(name: str | None) -> Any:
    """What the weights of a layer of that policy are kept in; None for float32."""
    return None if name in _MIXED else name


def arithmetic_dtype(name: str | None, around: Any) -> Any:
    """What a layer of that policy computes in, within a call that computes in `around`.

    Without a policy anywhere it is None, which leaves it to the dtypes of the arrays.
    """
    if name in _MIXED:
        return _MIXED[name]
    return around if name is None else jnp.dtype(name)


def compute_dtype(layer: Tracked) -> Any:
    """The dtype of what a layer makes by itself, such as a first state: that of the arithmetic.

    >>> from lamina import layers
    >>> compute_dtype(layers.GRU(4, dtype="mixed_bfloat16")).name, compute_dtype(layers.GRU(4)).name
    ('bfloat16', 'float32')
    """
    scope = current()
    around = jnp.float32 if scope is None or scope.dtype is None else scope.dtype
    return jnp.dtype(arithmetic_dtype(layer._lamina.dtype, around))


def lowered(tree: Any, dtype: Any) -> Any:
    """The floating arrays of a tree, as arrays of a dtype."""

    def lower(leaf: Any) -> Any:
        floating = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if floating and leaf.dtype != dtype else leaf

    return map_tree(lower, tree)
