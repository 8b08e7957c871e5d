"""How users' calls of `build`, `plan` and `add_weight` enter the transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina.core.building.plan import Plan
from lamina.core.building.request import base_build, request_for
from lamina.core.building.transaction import carry_out, make_plan, outputs_of
from lamina.core.calling.views import Trainable
from lamina.core.running.precision import weights_dtype
from lamina.core.running.scope import current
from lamina.core.specs.spec import shapes_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable

__all__ = ["adopt", "base_build", "build", "declare", "guarded", "output_shape", "plan"]


def plan(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    return make_plan(request_for(root, args, kwargs)[0])


def build(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    request, seed = request_for(root, args, kwargs)
    reads = carry_out(request, seed=seed)
    root._lamina.plans.add(request.method, request.training, request.specs, reads)


def output_shape(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The shapes of what a layer's `call` gives for some specs; dims that are open are None."""
    request, _ = request_for(layer, args, kwargs)
    return shapes_of(outputs_of(layer, request.specs, request.training))


def guarded(written: Callable[..., Any]) -> Callable[..., Any]:
    """A user's `build`, so that calling it from outside carries out the whole build."""

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
    """`add_weight`: in `build` it goes to the plan, in `__init__` it waits for one."""
    kind = dtype if dtype is not None else weights_dtype(layer._lamina.dtype)

    def make() -> Variable:
        return Variable(shape, initializer, dtype=kind, **options)

    scope = current()
    if scope is None:
        variable = make()
        layer._lamina.loose.append(variable)
        return variable
    return scope.call.declare(layer, shape, make)


_adopted: dict[type, bool] = {}


def adopt(kind: type) -> bool:
    """Make the `build` methods of a class and its bases enter through the transaction.

    Where a class says whether its layers train, that is given back, and asked of each layer anew.
    """
    if kind in _adopted:
        return _adopted[kind]
    for owner in kind.__mro__:
        plain = owner.__dict__.get("trainable")
        if isinstance(plain, bool) and issubclass(owner, Tracked):
            owner.trainable = Trainable(plain)  # pyright: ignore[reportAttributeAccessIssue]
        written = owner.__dict__.get("build")
        if callable(written) and not hasattr(written, "written") and owner is not object:
            owner.build = guarded(written)  # pyright: ignore[reportAttributeAccessIssue]
    default: Any = getattr(kind, "trainable", True)
    _adopted[kind] = default if isinstance(default, bool) else True
    return _adopted[kind]
