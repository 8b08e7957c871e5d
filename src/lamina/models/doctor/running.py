"""Small passes of a copy of a model, on random numbers or on the user's arrays."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.building.plan import Plan
from lamina.core.building.request import Request
from lamina.core.building.transaction import carry_out
from lamina.core.calling.repeated_call import observe
from lamina.core.calling.root_call import Root
from lamina.core.running.computing_calls import GivenCall
from lamina.core.running.scope import run_in
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.hidden_output import hidden_output
from lamina.layer import Layer
from lamina.models.doctor.patient import Passes, SeenCall, arrays_of, is_float

__all__ = ["MOST_WEIGHTS", "run_passes"]

MOST_WEIGHTS = 100_000_000
"""The number of weights above which a model is not run."""

_SIZES = (8, 48, 240)
"""The sizes of unknown dims that are tried, in order; the first axis has a size of its own."""

_FLOPS = 2e9
"""About the number of operations of one pass."""


def run_passes(
    model: Layer, request: Request, plan: Plan, arrays: Arguments | None, free: bool
) -> Passes:
    """Run a copy of a model in both modes, and its gradient.

    Args:
        model: the model, which is not changed.
        request: the inputs.
        plan: the plan of these inputs.
        arrays: the user's arrays; None for random numbers.
        free: whether the model works for any size of the first axis.

    Raises:
        Exception: the model cannot be copied, or fails.
    """
    twin = copy.deepcopy(model)
    with hidden_output():  # output of user code
        carry_out(replace(request, root=twin), seed=0)
        if arrays is not None:
            return _run(twin, request, arrays, given=True)
        batch = _batch(plan)
        ids = _ids(twin)
        known = all(spec.known for spec in request.specs.leaves())
        for size in _SIZES:
            rng = np.random.default_rng(0)
            sizes = _Sizes(batch, size, free)
            inputs = request.specs.map(lambda s, z=sizes, r=rng: _numbers(z.of(s), s.dtype, ids, r))
            try:
                return _run(twin, request, inputs, given=False)
            except Exception:
                if known or size == _SIZES[-1]:
                    raise
    raise AssertionError


@dataclass(frozen=True)
class _Sizes:
    """The sizes of dims: that of the first axis, and of other unknown ones."""

    batch: int
    other: int
    free: bool

    def of(self, spec: Spec) -> tuple[int, ...]:
        return (
            *map(self._first, spec.shape[:1]),
            *(dim if isinstance(dim, int) else self.other for dim in spec.shape[1:]),
        )

    def _first(self, dim: Any) -> int:
        if not isinstance(dim, int):
            return self.batch
        return min(dim, self.batch) if self.free else dim


def _batch(plan: Plan) -> int:
    flops = max((call.flops or 0 for call in plan.calls), default=0)
    return next((n for n in (16, 4) if n * flops <= _FLOPS), 2)


def _ids(model: Layer) -> int:
    """The smallest number of ids that an embedding of the model takes; 4 without embeddings."""
    layers = (layer for _, layer in walk(model).layers.values())
    counts = [getattr(layer, "input_dim", None) for layer in layers]
    return min((n for n in counts if isinstance(n, int) and n > 1), default=4)


def _numbers(shape: tuple[int, ...], dtype: Any, ids: int, rng: np.random.Generator) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.asarray(rng.normal(size=shape), dtype)
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.asarray(rng.integers(min(1, ids - 1), ids, shape), dtype)
    return jnp.ones(shape, dtype)


def _run(twin: Layer, request: Request, inputs: Arguments, given: bool) -> Passes:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training, program = _traced(twin, request, inputs, True)
        inference, _ = _traced(twin, request, inputs, False)
        tree = walk(twin)
        frozen = frozen_variables(tree)
        trained = [
            (path, variable)
            for key, (path, variable) in tree.variables.items()
            if key not in frozen and jnp.issubdtype(variable.weight_dtype, jnp.floating)
        ]
        differentiable = [array for array in training[-1].outputs if is_float(array)]
        still = trained if differentiable or not trained else None
        for seed in range(3):
            if still:
                still = _without_gradient(twin, request, inputs, still, seed)
    texts = [str(one.message) for one in caught]
    return Passes(tree, training, inference, still, program, given, texts)


def _quickly() -> dict[str, Any] | None:
    """Options of the compiler for programs that run once: most of their time is compilation."""
    if jax.default_backend() != "cpu":
        return None
    return {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class _Watching(GivenCall):
    """A call on explicit values that lists the calls of layers when they end."""

    def __init__(self, root: Layer, values: dict[int, Any]) -> None:
        super().__init__(root, values)
        self.seen: list[tuple[SeenCall, bool]] = []

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        outputs = super().run(layer, method, args, kwargs, options)
        context, ends = observe(), arrays_of(outputs)
        starts = arrays_of((args, kwargs))
        one = SeenCall(self.path_of(layer), layer, context.training, starts, ends)
        self.seen.append((one, context.in_transform))
        return outputs


def _traced(
    twin: Layer, request: Request, inputs: Arguments, training: bool
) -> tuple[list[SeenCall], Any]:
    """The calls of a pass, and its program, whose last inputs are the arrays of the inputs.

    A pass in training is also run: its calls then have arrays of numbers. An array that is passed
    on unchanged is the same object in both calls.
    """
    leaves, structure = flatten((inputs.args, inputs.kwargs))
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    values = {key: v.stored() for key, (_, v) in walk(twin).variables.items()}
    calls: list[_Watching] = []
    kept: dict[int, Any] = {}

    def run(weights: list[Any], arrays: list[Any]) -> list[Any]:
        filled = list(leaves)
        for index, array in zip(places, arrays, strict=True):
            filled[index] = array
        args, kwargs = unflatten(structure, filled)
        root = _root(twin, request, Arguments(args, kwargs), training)
        call = _Watching(twin, dict(zip(values, weights, strict=True)))
        run_in(None, lambda: root.enter(call))
        calls.append(call)
        for one, in_transform in call.seen:
            if not in_transform:
                kept.update((id(array), array) for array in (*one.inputs, *one.outputs))
        return list(kept.values())

    given = list(values.values()), [leaves[index] for index in places]
    traced = jax.jit(run).trace(*given)
    seen = [one for one, _ in calls[-1].seen]
    if training:
        found = dict(zip(kept, traced.lower().compile(_quickly())(*given), strict=True))
        seen = [
            replace(
                one,
                inputs=tuple(found.get(id(array), array) for array in one.inputs),
                outputs=tuple(found.get(id(array), array) for array in one.outputs),
            )
            for one in seen
        ]
    return seen, traced.jaxpr


def _root(twin: Layer, request: Request, inputs: Arguments, training: bool) -> Root:
    options = inputs.kwargs | {"training": training, "rng": 0}
    root = Root(twin, request.method, inputs.args, options)
    root.ensure()
    return root


def _without_gradient(
    twin: Layer, request: Request, inputs: Arguments, trained: list[tuple[str, Variable]], seed: int
) -> list[tuple[str, Variable]]:
    """The weights whose gradient of a random function of the outputs is exactly zero.

    Weights that are equal throughout, such as zeros, are moved: they may only be zero at first.
    """
    rng = np.random.default_rng(seed + 1)
    tree, names = walk(twin), {id(variable) for _, variable in trained}
    frozen = frozen_variables(tree)
    every = {key: variable.stored() for key, (_, variable) in tree.variables.items()}
    moved = {
        key: value if key in frozen or not is_float(value) else _moved(value, rng)
        for key, value in every.items()
    }
    own = {key: moved[key] for key in names}
    others = {key: value for key, value in moved.items() if key not in names}
    root = _root(twin, request, inputs, True)
    weights: list[np.ndarray] = []

    def loss(values: dict[int, Any]) -> Any:
        outputs, call = run_in(None, lambda: root.run(others | values))
        ends = [array for array in arrays_of(outputs) if is_float(array)]
        if not weights:
            weights.extend(np.asarray(rng.normal(size=one.shape), "float32") for one in ends)
        terms = [(array * w).sum() for array, w in zip(ends, weights, strict=True)]
        return sum(jnp.asarray(term, "float32") for term in [*terms, *call.losses])

    gradients = cast("dict[int, Any]", jax.jit(jax.grad(loss), compiler_options=_quickly())(own))
    return [(p, v) for p, v in trained if not np.any(np.asarray(gradients[id(v)], "float32"))]


def _moved(value: Any, rng: np.random.Generator) -> Any:
    array = np.asarray(value, "float32")
    if array.size == 0 or np.any(array != array.flat[0]):
        return value
    return jnp.asarray(array + 0.1 * rng.normal(size=array.shape), value.dtype)
