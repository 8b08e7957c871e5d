"""Profiling a model: each layer is compiled and run on its own, on the inputs it gets in a call."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.calling.root import Root
from lamina.core.calling.single_layer import Seen, alone, seen_now
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree, children, walk
from lamina.lazy import lazily
from lamina.training.step.objective import call_on

if TYPE_CHECKING:
    from lamina import reports
else:
    reports = lazily("lamina.reports")

__all__ = ["profile"]


@dataclass(frozen=True)
class _Call:
    """The first call of a layer: how it was seen, and its inputs."""

    kind: str
    seen: Seen
    inputs: Any


def profile(
    model: Tracked, x: Any, repeats: int = 10, training: bool = False, rng: Any = None
) -> reports.Profile:
    """What each layer costs in a call of the model.

    A layer's figures are those of its own program, with all layers below it; a program that is
    the same as another's is compiled once. XLA counts the body of a loop once, however often it
    runs.

    Args:
        model: the root; it is built if need be, and not changed otherwise.
        x: its inputs, as `fit` takes them.
        repeats: how often each program is timed.
        training: the mode of the call.
        rng: a key, or a seed, for a call that draws random numbers.
    """
    options = {"training": training, "rng": rng} if rng is not None else {"training": training}
    root = Root(model, functools.partial(call_on, model), (x,), options)
    root.ensure()
    first: dict[str, _Call] = {}
    counts: dict[str, int] = {}

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        counts[path] = counts.get(path, 0) + 1
        first.setdefault(path, _Call(kind, seen_now(), _stand_ins(inputs)))

    root.watched(watch)
    tree, measure = walk(model), _Measure(repeats)
    paths = [path for path, _ in tree.layers.values() if path in first]
    return reports.Profile(tuple(measure(tree, path, first[path], counts[path]) for path in paths))


def _stand_ins(inputs: Any) -> tuple[list[Any], Any]:
    """The leaves of inputs, and their structure; what lives in a loop alone becomes ones."""
    leaves, structure = flatten(inputs)
    found = [jnp.ones(leaf.shape, leaf.dtype) if is_traced(leaf) else leaf for leaf in leaves]
    return found, structure


class _Measure:
    """Compiles and times programs, each that is different once."""

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        self._compiled: dict[str, Any] = {}

    def __call__(self, tree: Tree, path: str, call: _Call, calls: int) -> reports.Cost:
        variables, (leaves, structure) = call.seen.variables, call.inputs
        values = [variable.stored() for variable in variables]
        places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
        arrays = [leaves[index] for index in places]

        def run(values: list[Any], arrays: list[Any]) -> Any:
            given = list(leaves)
            for index, array in zip(places, arrays, strict=True):
                given[index] = array
            args, kwargs = unflatten(structure, given)
            return leaves_of(alone(tree, call.seen, values, args, kwargs))

        lowered = jax.jit(run).lower(values, arrays)
        text = lowered.as_text()
        program = self._compiled.setdefault(text, None) or lowered.compile()
        self._compiled[text] = program
        costs = _costs(program)
        return reports.Cost(
            path,
            call.kind,
            calls,
            sum(variable.size for variable in variables),
            float(costs.get("flops", 0.0)),
            float(costs.get("bytes accessed", 0.0)),
            self._seconds(lambda: program(values, arrays)),
            not children(call.seen.layer),
        )

    def _seconds(self, run: Callable[[], Any]) -> float:
        jax.block_until_ready(run())
        taken: list[float] = []
        for _ in range(self._repeats):
            began = time.perf_counter()
            jax.block_until_ready(run())
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)


def _costs(program: Any) -> dict[str, float]:
    """XLA's analysis of a program; a list of one in some versions, None where there is none."""
    found = program.cost_analysis()
    if isinstance(found, list):
        found = cast("list[Any]", found)[0] if found else None
    return cast("dict[str, float]", found or {})
