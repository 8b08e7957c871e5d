"""How users' calls of `build`, `plan` and `add_weight` enter the transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina.core.building import errors
from lamina.core.building.abstract_trace import Request
from lamina.core.building.plan import Plan
from lamina.core.building.planner import Planner
from lamina.core.building.reached import own_build
from lamina.core.building.transaction import carry_out, make_plan, outputs_of
from lamina.core.calling.views import Trainable
from lamina.core.initial.seeds import as_seed
from lamina.core.running.layer_call import enter
from lamina.core.running.precision import weights_dtype
from lamina.core.running.scope import SCOPE, as_mode, current_planner
from lamina.core.sites import site
from lamina.core.specs.signature import by_default, given_specs, method_of
from lamina.core.specs.spec import shapes_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import children
from lamina.errors import BuildError, TrackingError, explain

__all__ = ["adopt", "base_build", "build", "declare", "guarded", "output_shape", "plan"]


def request_for(
    root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Request, int | None]:
    """The request that the arguments of `build` and `plan` stand for."""
    kwargs = dict(kwargs)
    method = kwargs.pop("method", None) or "call"
    seed = kwargs.pop("seed", None)
    kwargs.pop("rng", None)
    info = method_of(type(root), method)
    args, training = info.split_training(args, kwargs)
    if not args and not kwargs:
        args = by_default(own_build(root))
    specs = given_specs(info, args, kwargs)
    mode = as_mode(training, info.training_default)
    return Request(root, method, specs, mode, site()), None if seed is None else as_seed(seed)


def plan(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    return make_plan(request_for(root, args, kwargs)[0])


def build(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    request, seed = request_for(root, args, kwargs)
    reads = carry_out(request, seed=seed)
    root._lamina.plans.append((request.method, request.training, request.specs, reads))


def output_shape(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The shapes of what a layer's `call` gives for some specs; dims that are open are None."""
    request, _ = request_for(layer, args, kwargs)
    return shapes_of(outputs_of(layer, request.specs, request.training))


def base_build(layer: Tracked, *shapes: Any, **named: Any) -> None:
    """The `build` of a layer that declares nothing itself: what calls reach is built then."""
    if shapes or named or not method_of(type(layer), "call").inputs:
        return
    planner = current_planner()
    label = type(layer).__name__ if planner is None else errors.name(planner, layer)
    raise BuildError(
        explain(
            f"super().build() of {label} was called without a shape.",
            where=f"called at {site()}",
            expected="super().build(input_shape)",
            received="super().build()",
            remedy="Pass the shape on: super().build(input_shape).",
        )
    )


base_build.is_base = True  # type: ignore[attr-defined]


def build_inside(
    planner: Planner, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """`layer.build(...)` inside another layer's `build`, or `super().build(...)`."""
    if not args and not kwargs:
        base_build(layer)
    if planner.is_temporary(layer):
        return
    request, _ = request_for(layer, args, kwargs)
    planner.open(layer, "call", request.specs, request.at)
    scope = SCOPE.get()
    if scope is not None and children(layer):
        with planner.aside(scope.frame.reads):
            inputs = request.specs.map(planner.zeros_for)
            enter(scope.frame, layer, "call", inputs.args, inputs.kwargs, scope.training, scope.key)


def guarded(written: Callable[..., Any]) -> Callable[..., Any]:
    """A user's `build`, so that calling it from outside carries out the whole build."""

    @functools.wraps(written)
    def build_entry(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, Tracked):
            return written(self, *args, **kwargs)
        scope = SCOPE.get()
        planner = None if scope is None else scope.frame.planner
        if planner is None:
            return build(self, args, kwargs)
        if planner.is_building(self):
            return written(self, *args, **kwargs)
        return build_inside(planner, self, args, kwargs)

    build_entry.written = written  # type: ignore[attr-defined]
    return build_entry


def declare(
    layer: Tracked, shape: Any, initializer: Any, dtype: Any = None, **options: Any
) -> Variable:
    """`add_weight`: in `build` it goes to the plan, in `__init__` it waits for one."""
    kind = dtype if dtype is not None else weights_dtype(layer._lamina.dtype)

    def make() -> Variable:
        return Variable(shape, initializer, dtype=kind, **options)

    scope = SCOPE.get()
    if scope is None:
        variable = make()
        layer._lamina.loose.append(variable)
        return variable
    if scope.frame.planner is None:
        raise TrackingError(errors.weight_in_call(scope.frame, layer))
    return scope.frame.planner.declare(layer, shape, make)


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
