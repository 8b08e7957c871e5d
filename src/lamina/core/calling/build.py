"""The implementation of `Layer.build`, `plan`, `add_weight` and `compute_output_shape`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lamina.core.base.sites import site
from lamina.core.building.output_shapes import own_output_shape, specs_by_own_shapes
from lamina.core.building.placement import placing
from lamina.core.building.plan import Plan
from lamina.core.building.request import base_build, request_for
from lamina.core.building.transaction import carry_out, make_plan, outputs_of
from lamina.core.calling.views import Trainable
from lamina.core.running.precision import compute_dtype, weights_dtype
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Spec, shapes_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain

__all__ = [
    "base_build",
    "build",
    "declare",
    "output_shape",
    "output_spec",
    "plan",
    "prepare_class",
    "wrap_build",
]


def plan(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    """Return the plan of a root for the arguments of `build`.

    Raises:
        InputError: there is a placement.
    """
    if "placement" in kwargs and not _takes_placement(root, kwargs):
        raise InputError(
            explain(
                f"plan of {type(root).__name__} has no argument placement.",
                where=f"called at {site()}",
                expected="plan(spec).place(placement)",
                received=f"plan(spec, placement={kwargs['placement']!r})",
                remedy="Make the plan first, and then place it.",
            )
        )
    return make_plan(request_for(root, args, kwargs)[0])


def build(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Build a root for the arguments of `build`."""
    placement = None
    if "placement" in kwargs and not _takes_placement(root, kwargs):
        kwargs = dict(kwargs)
        placement = kwargs.pop("placement")
    block = placing(placement)
    request, seed = request_for(root, args, kwargs)
    with block:
        reads, exact = carry_out(request, seed=seed)
    if exact:
        root._lamina.plans.add(request.method, request.training, request.specs, reads)


def _takes_placement(root: Tracked, kwargs: dict[str, Any]) -> bool:
    """Return whether the method to build for has an own input named `placement`."""
    method = kwargs.get("method") or "call"
    return "placement" in method_of(type(root), method).inputs


def output_spec(layer: Tracked, *specs: Any, **named: Any) -> Any:
    """Return the specs of the outputs, without building the layer.

    A subclass that defines `compute_output_shape` determines the shapes by it; the dtype is then
    the compute dtype of the layer.

    Args:
        *specs: as those of :meth:`build`.
        **named: as those of :meth:`build`.

    Returns:
        A :class:`lamina.Spec` with None for unknown sizes; a pytree of them for several outputs.

    Raises:
        BuildError: the layer cannot be built for these shapes.
        InputError: the shapes do not match the inputs of ``call``.

    >>> from lamina import layers
    >>> layers.Dense(4).compute_output_spec((None, 3))
    Spec((None, 4), float32)
    """
    request, _ = request_for(layer, specs, named)
    written = own_output_shape(layer)
    if written is not None:
        return specs_by_own_shapes(layer, written, request.specs, compute_dtype(layer))
    return outputs_of(layer, request.specs, request.training)


def output_shape(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the shapes of outputs for the arguments of `build`; unknown dims are None."""
    request, _ = request_for(layer, args, kwargs)
    # A `compute_output_shape` of the layer's own may call this one, by `super()`.
    return shapes_of(outputs_of(layer, request.specs, request.training, believe=False))


def wrap_build(written: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a `build` method, so that a call from outside of builds runs the whole transaction."""

    @functools.wraps(written)
    def build_entry(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, Tracked):
            return written(self, *args, **kwargs)
        scope = current()
        if scope is None:
            return build(self, args, kwargs)
        return scope.call.build(self, written, args, kwargs, build)

    build_entry.written = written  # type: ignore[attr-defined]
    return build_entry


def declare(
    layer: Tracked, shape: Any, initializer: Any, dtype: Any = None, **options: Any
) -> Variable:
    """Declare a weight: in `build` for the running plan, in `__init__` for a later one.

    Raises:
        InputError: the shape is a string.
    """
    if isinstance(shape, str):
        raise InputError(
            explain(
                f"add_weight of {type(layer).__name__} has a shape that is a string.",
                where=f"called at {site()}",
                expected="a shape as the first argument, and name as a keyword argument",
                received=f"add_weight({shape!r}, ...)",
                remedy=f"Write add_weight(shape, name={shape!r}).",
            )
        )
    if isinstance(shape, np.ndarray) and shape.ndim == 1:
        shape = tuple(cast("list[Any]", shape.tolist()))
    kind = dtype if dtype is not None else weights_dtype(layer._lamina.dtype)
    if initializer is None:
        floating = kind is None or jnp.issubdtype(Spec((), kind).dtype, jnp.floating)
        initializer = "glorot_uniform" if floating else "zeros"

    def make() -> Variable:
        return Variable(shape, initializer, dtype=kind, **options)

    scope = current()
    if scope is None:
        variable = make()
        layer._lamina.loose.append(variable)
        return variable
    return scope.call.declare(layer, shape, make)


_prepared: dict[type, bool] = {}


def prepare_class(kind: type) -> bool:
    """Wrap the `build` methods of a class and its bases, once.

    An attribute `trainable` of the class is replaced by a property with this default.

    Returns:
        The default of `trainable`.
    """
    if kind in _prepared:
        return _prepared[kind]
    for owner in kind.__mro__:
        plain = owner.__dict__.get("trainable")
        if isinstance(plain, bool) and issubclass(owner, Tracked):
            owner.trainable = Trainable(plain)  # pyright: ignore[reportAttributeAccessIssue]
        written = owner.__dict__.get("build")
        if callable(written) and not hasattr(written, "written") and owner is not object:
            owner.build = wrap_build(written)  # pyright: ignore[reportAttributeAccessIssue]
    default: Any = getattr(kind, "trainable", True)
    _prepared[kind] = default if isinstance(default, bool) else True
    return _prepared[kind]
