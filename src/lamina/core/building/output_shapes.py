"""Output shapes from a layer's own `compute_output_shape`, in traces with unknown dims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.specs.build_arguments import build_arguments
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec, as_specs, is_array, shapes_of
from lamina.core.tree.node import Tracked

__all__ = ["own_output_shape", "specs_by_own_shapes", "with_own_shapes"]


def own_output_shape(layer: Tracked) -> Callable[..., Any] | None:
    """Return the `compute_output_shape` that the layer's class defines; None if it has none."""
    written = getattr(type(layer), "compute_output_shape", None)
    return None if written is None or getattr(written, "is_base", False) else written


def with_own_shapes(
    layer: Tracked, written: Callable[..., Any], inputs: Arguments, outputs: Any
) -> tuple[Any, Any]:
    """Return the outputs of a `call`, and their specs, in the shapes that a layer computes itself.

    An output of another shape is replaced by zeros. If the method fails, or returns other ranks
    than the outputs have, the outputs stay as they are.

    Args:
        layer: the layer.
        written: its `compute_output_shape`.
        inputs: the specs of its inputs, with trial sizes.
        outputs: the outputs of its `call`.
    """
    named = method_of(type(layer), "call").bind(inputs.args, inputs.kwargs)
    args, kwargs = build_arguments(written, named, shapes_of)
    try:
        computed = written(layer, *args, **kwargs)
    except Exception:  # the trace gives the shapes as well
        return outputs, as_specs(outputs)
    leaves, structure = flatten(outputs)
    shapes = [computed] if len(leaves) == 1 and _is_shape(computed) else _listed(computed)
    ranks = [len(leaf.shape) if is_array(leaf) else None for leaf in leaves]
    if [len(shape) if _is_shape(shape) else None for shape in shapes] != ranks:
        return outputs, as_specs(outputs)
    found: list[Any] = []
    specs: list[Spec] = []
    for leaf, shape in zip(leaves, shapes, strict=True):
        sizes = tuple(
            old if new is None else int(new) for old, new in zip(leaf.shape, shape, strict=True)
        )
        found.append(leaf if sizes == leaf.shape else jax.lax.full(sizes, 0, leaf.dtype))
        specs.append(Spec(tuple(shape), leaf.dtype))
    same = all(new is old for new, old in zip(found, leaves, strict=True))
    return outputs if same else unflatten(structure, found), unflatten(structure, specs)


def specs_by_own_shapes(
    layer: Tracked, written: Callable[..., Any], inputs: Arguments, dtype: Any
) -> Any:
    """Return the specs of a layer's outputs by the shapes that the layer computes itself.

    Args:
        layer: the layer.
        written: its `compute_output_shape`.
        inputs: the specs of its inputs.
        dtype: the dtype of the outputs.
    """
    method = method_of(type(layer), "call")
    args, kwargs = build_arguments(written, method.bind(inputs.args, inputs.kwargs), shapes_of)
    leaves, structure = flatten(written(layer, *args, **kwargs), is_leaf=_is_shape)
    return unflatten(structure, [Spec(shape, dtype) for shape in leaves])


def _is_shape(value: Any) -> bool:
    if not isinstance(value, tuple | list):
        return False
    return all(dim is None or hasattr(dim, "__index__") for dim in cast("list[Any]", value))


def _listed(value: Any) -> list[Any]:
    return flatten(value, is_leaf=_is_shape)[0]
