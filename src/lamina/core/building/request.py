"""Requests for a plan or a build: a root, a method, specs and a training mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina.core.base.sites import Site, site
from lamina.core.building.seeds import as_seed
from lamina.core.running.errors import layer_name
from lamina.core.running.scope import as_mode, current
from lamina.core.specs.build_arguments import default_shapes
from lamina.core.specs.signature import Method, given_specs, method_of
from lamina.core.specs.spec import Arguments
from lamina.core.tree.build_state import own_build
from lamina.core.tree.node import Tracked
from lamina.errors import BuildError, InputError, explain

__all__ = ["Request", "base_build", "request_for"]


@dataclass(frozen=True)
class Request:
    """A call of a root that is to be planned or built.

    Attributes:
        root: the layer.
        method: the name of the method, or a function that calls the root.
        specs: the specs of the inputs.
        training: the training mode.
        at: where the build was requested.
        split: whether dims are unknown because `shard_map` splits them; False by default.
        both: whether the other training mode is planned as well; True by default.
        believe: whether the root's own `compute_output_shape` is used; True by default.
        recorded: whether the program is recorded for a report; False by default.
    """

    root: Tracked
    method: str | Callable[..., Any]
    specs: Arguments
    training: bool
    at: Site
    split: bool = False
    both: bool = True
    believe: bool = True
    recorded: bool = False

    def __post_init__(self) -> None:
        for spec in self.specs.leaves():
            if spec.is_text:
                raise InputError(_text_input(self, spec))

    @property
    def inputs(self) -> Arguments:
        """The specs without the arguments that the root only passes down to inner layers."""
        info = method_of(type(self.root), self.method)
        passed = _only_passed_down(self.root, info, self.specs.kwargs)
        if not passed:
            return self.specs
        kwargs = {n: value for n, value in self.specs.kwargs.items() if n not in passed}
        return Arguments(self.specs.args, kwargs)


def _only_passed_down(root: Tracked, method: Method, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments that are registered, and are no parameters of the method."""
    names = root._lamina.context or ()
    return {n: kwargs[n] for n in names if n in kwargs and n not in method.inputs}


def request_for(
    root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Request, int | None]:
    """Convert the arguments of `build` and `plan` to a request and a seed, or None.

    Raises:
        InputError: the arguments do not match the method, or a value is not valid.
    """
    kwargs = dict(kwargs)
    method = kwargs.pop("method", None) or "call"
    seed = kwargs.pop("seed", None)
    kwargs.pop("rng", None)
    info = method_of(type(root), method)
    args, training = info.split_training(args, kwargs)
    passed = _only_passed_down(root, info, kwargs)
    for name in passed:
        del kwargs[name]
    if not args and not kwargs:
        args = default_shapes(own_build(root))
    specs = given_specs(info, args, kwargs)
    if passed:
        specs = Arguments(specs.args, specs.kwargs | passed)
    mode = as_mode(training, info.training_default)
    return Request(root, method, specs, mode, site()), None if seed is None else as_seed(seed)


def base_build(layer: Tracked, *shapes: Any, **named: Any) -> None:
    """The `build` of the base class, which declares no weights.

    Raises:
        BuildError: no shape was passed, and `call` has inputs.
    """
    if shapes or named or not method_of(type(layer), "call").inputs:
        return
    scope = current()
    label = type(layer).__name__ if scope is None else layer_name(scope.call, layer)
    raise BuildError(
        explain(
            f"super().build() of {label} was called without a shape.",
            where=f"called at {site()}",
            expected="super().build(input_shape)",
            received="super().build()",
            remedy="Pass the shape: super().build(input_shape).",
        )
    )


base_build.is_base = True  # type: ignore[attr-defined]


def _text_input(request: Request, spec: Any) -> str:
    return explain(
        f"{type(request.root).__name__} got a symbolic input of text, which JAX's programs do not "
        "hold.",
        where=f"requested at {request.at}",
        expected="numbers",
        received=str(spec),
        remedy="Convert the text first, with layers.StringLookup, layers.TextVectorization or "
        "layers.Hashing.",
    )
