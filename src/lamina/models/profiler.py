"""`Model.profile`: the parameters, FLOPs, bytes and time of each layer in a call."""

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
from lamina.core.calling.repeated_call import ObservedCall, observe, repeat_call
from lamina.core.calling.root_call import Root
from lamina.core.tree.walk import Tree, children, walk
from lamina.counts import as_count
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.text_inputs import with_ids

if TYPE_CHECKING:
    from lamina import reports
    from lamina.training.step import model_call
else:
    reports = lazily("lamina.reports")
    model_call = lazily("lamina.training.step.model_call")

__all__ = ["profile"]


@dataclass(frozen=True)
class _Call:
    """The first call of a layer: its class, its mode and key, and its inputs."""

    kind: str
    observed: ObservedCall
    inputs: Any


def profile(
    model: Layer, x: Any, *, repeats: int = 10, training: bool = False, rng: Any = None
) -> reports.Profile:
    """Measure each layer in a call of the model, and print a table of the results.

    Each layer, with all layers in it, is compiled as a program and run on the inputs that it gets
    in the call. FLOPs and bytes are XLA's counts, which include the body of a loop once. The model
    is built if it is not, and not changed otherwise.

    Args:
        x: the inputs, in the form in which `fit` takes them.
        repeats: the number of timed runs of each program, a positive integer. Default 10.
        training: the mode of the call. Default False.
        rng: a random key, or an integer seed, for a call that draws random numbers. Default None.

    Returns:
        A :class:`lamina.reports.Profile`. Its ``costs`` hold a row for each layer: the number of
        parameters, FLOPs, bytes accessed, and the median time of a run in seconds.

    Raises:
        InputError: `repeats` is not a positive integer.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(4), layers.Dense(2)])
    >>> found = model.profile(np.ones((8, 3), "float32"), repeats=1)  # doctest: +ELLIPSIS
    layer ...
    >>> found["layers.0"].params
    16
    """
    repeats = as_count("repeats", repeats)
    options = {"training": training, "rng": rng} if rng is not None else {"training": training}
    root = Root(model, functools.partial(model_call.call_on, model), (with_ids(model, x),), options)
    root.ensure()
    first: dict[str, _Call] = {}
    counts: dict[str, int] = {}

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        counts[path] = counts.get(path, 0) + 1
        first.setdefault(path, _Call(kind, observe(), _example_inputs(inputs)))

    root.watched(watch)
    tree, measure = walk(model), _Measure(repeats)
    paths = [path for path, _ in tree.layers.values() if path in first]
    costs = [measure(tree, path, first[path], counts[path]) for path in paths]
    return reports.Profile(tuple(costs)).shown()


def _example_inputs(inputs: Any) -> tuple[list[Any], Any]:
    """The leaves of inputs, and their structure; ones for arrays that exist only within a loop."""
    leaves, structure = flatten(inputs)
    found = [jnp.ones(leaf.shape, leaf.dtype) if is_traced(leaf) else leaf for leaf in leaves]
    return found, structure


class _Measure:
    """Compiles and times programs; equal programs are compiled once."""

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        self._compiled: dict[str, Any] = {}

    def __call__(self, tree: Tree, path: str, call: _Call, calls: int) -> reports.Cost:
        variables, (leaves, structure) = call.observed.variables, call.inputs
        values = [variable.stored() for variable in variables]
        places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
        arrays = [leaves[index] for index in places]

        def run(values: list[Any], arrays: list[Any]) -> Any:
            given = list(leaves)
            for index, array in zip(places, arrays, strict=True):
                given[index] = array
            args, kwargs = unflatten(structure, given)
            return leaves_of(repeat_call(tree, call.observed, values, args, kwargs))

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
            not children(call.observed.layer),
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
    """XLA's cost analysis of a program. Some versions of JAX return a list of one, or None."""
    found = program.cost_analysis()
    if isinstance(found, list):
        found = cast("list[Any]", found)[0] if found else None
    return cast("dict[str, float]", found or {})
