"""The search for a layer whose derivative is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.processes import to_host
from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.tree.walk import Tree
from lamina.training.step.model_call import LayerCall, call_layer

__all__ = ["WatchedCall", "as_floats", "has_nonfinite", "layer_with_nonfinite_derivative"]


@dataclass(frozen=True)
class WatchedCall:
    """The call of a layer in the failing step.

    Attributes:
        path: of the layer.
        class_name: of the layer.
        call: the mode, key and dtype of the call.
        inputs: its arguments, positional and by name.
    """

    path: str
    class_name: str
    call: LayerCall
    inputs: Any

    @property
    def label(self) -> str:
        """The path and the class, for errors."""
        return f"{self.path or 'the root'} ({self.class_name})"


def has_nonfinite(tree: Any) -> bool:
    """Return whether a floating-point array of the tree has an infinity or NaN; tracers do not.

    If several processes hold an array, all of them must call this together.
    """
    readable = (leaf for leaf in leaves_of(tree) if _is_floating(leaf) and not is_traced(leaf))
    return any(not np.isfinite(as_floats(leaf)).all() for leaf in readable)


def as_floats(array: Any) -> np.ndarray:
    """Return an array on the host, in a dtype of NumPy; all processes that hold it call this."""
    dtype = np.float32 if array.dtype.itemsize < 4 else array.dtype
    return to_host(array).astype(dtype, copy=False)


def layer_with_nonfinite_derivative(tree: Tree, calls: Sequence[WatchedCall]) -> WatchedCall | None:
    """Return the call nearest to the loss whose own derivative is not finite, or None.

    Of nested layers, the innermost one is returned.

    Args:
        tree: of the model.
        calls: in the order in which they ended, with finite inputs and outputs.
    """
    found: list[WatchedCall] = []
    for call in calls:
        if not call.call.in_transform and _has_nonfinite_derivative(tree, call):
            found = [one for one in found if one.path != call.path]
            prefix = f"{call.path}." if call.path else ""
            if not any(one.path.startswith(prefix) for one in found):
                found.append(call)
    return found[-1] if found else None


def _has_nonfinite_derivative(tree: Tree, watched: WatchedCall) -> bool:
    """Return whether the derivative of the sum of a layer's outputs is not finite."""
    leaves, structure = flatten(watched.inputs)
    values = [variable.stored() for variable in watched.call.variables]
    arrays = [leaf for leaf in leaves if _is_floating(leaf)]
    if not all(isinstance(leaf, jax.Array) and not is_traced(leaf) for leaf in arrays):
        return False
    input_places = [index for index, leaf in enumerate(leaves) if _is_floating(leaf)]
    weight_places = [index for index, value in enumerate(values) if _is_floating(value)]

    def total(weights: list[Any], inputs: list[Any]) -> Any:
        new_values, new_leaves = list(values), list(leaves)
        for index, value in zip(weight_places, weights, strict=True):
            new_values[index] = value
        for index, value in zip(input_places, inputs, strict=True):
            new_leaves[index] = value
        args, kwargs = unflatten(structure, new_leaves)
        outputs = leaves_of(call_layer(tree, watched.call, new_values, args, kwargs))
        return sum((jnp.sum(leaf) for leaf in outputs if _is_floating(leaf)), jnp.zeros(()))

    weights, inputs = [values[i] for i in weight_places], [leaves[i] for i in input_places]
    return has_nonfinite(jax.grad(total, argnums=(0, 1))(weights, inputs))


def _is_floating(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
