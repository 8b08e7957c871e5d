"""Gradients that are not finite: seen in a step at little cost, and traced to a layer then."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.calling.single_layer import Seen, alone
from lamina.core.tree.walk import Tree
from lamina.ops.arrays import is_placed

__all__ = ["Called", "bad", "look_finite", "origin"]

_MOST = 64  # gradients that are looked at
_SMALL = 4096  # numbers up to which a gradient is looked at as a whole


def look_finite(gradients: Sequence[jax.Array]) -> jax.Array:
    """Whether gradients look finite: small ones as a whole, others along their edges.

    What is not finite in a backward pass spreads: to whole columns or rows of the gradient of a
    matrix, and to the layers before. So the first row and the first column of each tell, and of
    very many gradients some, evenly taken; reading all of them would cost a part of each step.

    >>> look_finite([jnp.ones((200, 30)).at[:, 7].set(jnp.nan)]).item()
    False
    """
    floating = [g for g in gradients if g.size and jnp.issubdtype(g.dtype, jnp.inexact)]
    every = -(-len(floating) // _MOST) or 1
    seen = [part for gradient in floating[::every] for part in _edges(gradient)]
    return jnp.isfinite(sum(map(jnp.sum, _joined(seen)), jnp.zeros(())))


def _joined(parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Zeros, or NaN for what is not finite, of all parts in one array, so that one loop reads them.

    Those of a form are added, and then the shorter to the longer. Parts that are sharded
    explicitly stay as they are: each would have to move to be joined.
    """
    alike: dict[Any, jax.Array] = {}
    for part in parts:
        nothing, form = _nothing(part), jax.typeof(part)
        alike[form] = lax.add(alike[form], nothing) if form in alike else nothing
    apart = [part for part in alike.values() if is_placed(part)]
    rows = [lax.reshape(part, (part.size,)) for part in alike.values() if not is_placed(part)]
    rows.sort(key=lambda row: row.size)
    return [*apart, functools.reduce(_longer, rows)] if rows else apart


def _longer(shorter: jax.Array, row: jax.Array) -> jax.Array:
    """Both, the first one padded to the length of the other."""
    return lax.add(lax.pad(shorter, np.float32(0), [(0, row.size - shorter.size, 0)]), row)


def _nothing(part: jax.Array) -> jax.Array:
    """0 for each number, or NaN for one that is not finite."""
    zeros = lax.mul(part, lax.full_like(part, 0))
    real = lax.real(zeros) if jnp.iscomplexobj(zeros) else zeros
    return lax.convert_element_type(real, np.float32)


def _edges(gradient: jax.Array) -> list[jax.Array]:
    if gradient.size <= _SMALL or gradient.ndim < 2:
        return [gradient]
    matrix = gradient.reshape(-1, gradient.shape[-1])
    return [lax.index_in_dim(matrix, 0, axis, keepdims=False) for axis in (0, 1)]


def bad(tree: Any) -> bool:
    """Whether a number of some arrays is there to be seen, and is not finite."""
    return any(not np.isfinite(leaf).all() for leaf in _floats(leaves_of(tree)))


def _floats(leaves: Sequence[Any]) -> list[np.ndarray]:
    """What is floating, as NumPy's; within a scan values are not there to look at."""
    there = [leaf for leaf in leaves if hasattr(leaf, "dtype") and not is_traced(leaf)]
    floating = [leaf for leaf in there if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return [np.asarray(leaf, np.float32) if leaf.dtype.itemsize < 4 else leaf for leaf in floating]


@dataclass(frozen=True)
class Called:
    """A call of a layer in a step that is looked at."""

    path: str
    kind: str
    seen: Seen
    inputs: Any

    @property
    def label(self) -> str:
        return f"{self.path or 'the root'} ({self.kind})"


def origin(tree: Tree, calls: Sequence[Called]) -> str | None:
    """The path of the layer whose own derivative is not finite, the nearest to the loss; or None.

    Of a layer within another it is the inner one.

    Args:
        tree: of the model.
        calls: in the order in which they ended, with all their inputs and outputs finite.
    """
    found: list[Called] = []
    for call in calls:
        if not call.seen.in_loop and _derivative_is_bad(tree, call):
            found = [one for one in found if one.path != call.path]
            inner = any(one.path.startswith(f"{call.path}." if call.path else "") for one in found)
            found += [] if inner else [call]
    return found[-1].label if found else None


def _derivative_is_bad(tree: Tree, call: Called) -> bool:
    """Whether a layer makes of finite gradients some that are not, at these inputs."""
    leaves, structure = flatten(call.inputs)
    values = [variable.stored() for variable in call.seen.variables]
    if not all(isinstance(leaf, jax.Array) and not is_traced(leaf) for leaf in leaves if _is(leaf)):
        return False
    places = [index for index, leaf in enumerate(leaves) if _is(leaf)]
    learnt = [index for index, value in enumerate(values) if _is(value)]

    def run(weights: list[Any], inputs: list[Any]) -> Any:
        own, given = list(values), list(leaves)
        for index, value in zip(learnt, weights, strict=True):
            own[index] = value
        for index, value in zip(places, inputs, strict=True):
            given[index] = value
        args, kwargs = unflatten(structure, given)
        outputs = leaves_of(alone(tree, call.seen, own, args, kwargs))
        return sum((jnp.sum(leaf) for leaf in outputs if _is(leaf)), jnp.zeros(()))

    weights, inputs = [values[index] for index in learnt], [leaves[index] for index in places]
    return bad(jax.grad(run, argnums=(0, 1))(weights, inputs))


def _is(leaf: Any) -> bool:
    """Whether it is an array that a derivative is taken by."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
