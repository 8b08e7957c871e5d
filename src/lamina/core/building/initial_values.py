"""The initial values of the weights of a build: drawn, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import numpy as np

from lamina.core.base.host_memory import on_device
from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.building.seeds import Seeds
from lamina.core.initial.sampling import draw, draw_callable, has_distribution
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, copy_paths

__all__ = ["initial_values"]


def initial_values(
    root: Tracked,
    tree: Tree,
    missing: list[tuple[str, Variable]],
    seed: int | None,
    source: Callable[[Tree], Mapping[str, np.ndarray]] | None,
) -> tuple[tuple[int, int] | None, list[tuple[Variable, jax.Array]]]:
    """Return the tree's seed and the values of all unbuilt variables, drawn or from a source."""
    origin = root._lamina.origin
    if source is not None:
        arrays = source(tree)
        absent = {p for p, v in missing if not v.is_weight and p not in arrays}
        _count_drawn([v for p, v in missing if p in absent])
        return origin, _placed(
            missing,
            lambda v, p: (
                np.zeros(v.shape, v.weight_dtype)
                if p in absent
                else arrays[p].astype(v.weight_dtype, copy=False)
            ),
        )
    calls = _count_drawn([v for _, v in missing])
    counted = seed is None and origin is None and bool(missing)
    if seed is not None:
        origin = (seed, 0)
    elif counted:
        origin = (Seeds.seed, Seeds.trees)
    drawn_from = origin or (0, 0)
    values = _placed(missing, lambda v, p: _drawn(v, p, tree, drawn_from, calls))
    Seeds.trees += counted  # only after a successful build
    return origin, values


def _count_drawn(variables: list[Variable]) -> bool:
    """Count values to draw while a file is loaded; return whether initializers may be called."""
    allowance = ALLOWANCE.get()
    return allowance is None or allowance.draw(sum(v.size for v in variables))


def _placed(
    missing: list[tuple[str, Variable]], value: Callable[[Variable, str], np.ndarray | jax.Array]
) -> list[tuple[Variable, jax.Array]]:
    arrays = outside_traces(lambda: on_device(value(v, p) for p, v in missing))
    return [(v, array) for (_, v), array in zip(missing, arrays, strict=True)]


def _drawn(
    variable: Variable, path: str, tree: Tree, origin: tuple[int, int], calls: bool
) -> np.ndarray | jax.Array:
    """Return the initial values of a variable; those of each copy are drawn by its own path."""
    if not variable.copies:
        return _drawn_once(variable, path, origin, calls)
    paths = copy_paths(path, tree.copies_of(path))
    values = [np.asarray(_drawn_once(variable, one, origin, calls)) for one in paths]
    return np.stack(values).reshape(variable.shape)


def _drawn_once(
    variable: Variable, path: str, origin: tuple[int, int], calls: bool
) -> np.ndarray | jax.Array:
    """Return the initial values of one copy; zeros if the initializer must not be called."""
    initializer, shape, dtype = variable.initializer, variable.copy_shape, variable.weight_dtype
    at = variable.declared_at
    if has_distribution(initializer):
        return draw(initializer, shape, dtype, seed=origin, path=path, at=at)
    if not calls:
        return np.zeros(shape, dtype)
    return draw_callable(initializer, shape, dtype, seed=origin, path=path, at=at)
