"""The initial values of the weights of a build: drawn, or from a file."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

import jax
import numpy as np

from lamina.core.base import processes
from lamina.core.base.host_memory import on_device
from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.building.seeds import Seeds
from lamina.core.initial.blocks import Elements, sharded
from lamina.core.initial.sampling import draw, draw_callable, draws_whole, has_distribution
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, copy_paths
from lamina.errors import BuildError, explain

__all__ = ["Source", "initial_values"]


class Source(Protocol):
    """The values of the weights of a tree by path, as in a file."""

    def __contains__(self, path: object) -> bool: ...

    def read(self, path: str, start: int, stop: int) -> np.ndarray:
        """Return the elements in a range of an array in C order, flat."""
        ...


class _Values(NamedTuple):
    """The values of one variable: as a whole, and of any range of it."""

    whole: Callable[[], np.ndarray | jax.Array]
    part: Elements


def initial_values(
    root: Tracked,
    tree: Tree,
    missing: list[tuple[str, Variable]],
    seed: int | None,
    source: Callable[[Tree], Source] | None,
    shardings: Mapping[str, jax.sharding.Sharding] | None = None,
) -> tuple[tuple[int, int] | None, list[tuple[Variable, jax.Array]]]:
    """Return the tree's seed and the values of all unbuilt variables, drawn or from a source.

    Args:
        root: the root of the tree.
        tree: the tree.
        missing: the unbuilt variables, with their paths.
        seed: of the drawn values; None for that of the tree.
        source: returns the values for a tree; None to draw them.
        shardings: by path; None for one device.
    """
    origin = root._lamina.origin
    if source is not None:
        arrays = source(tree)
        absent = {p for p, v in missing if not v.is_weight and p not in arrays}
        _count_drawn([v for p, v in missing if p in absent])
        values = (_stored(v, p, None if p in absent else arrays) for p, v in missing)
        return origin, _placed(missing, values, shardings)
    calls = _count_drawn([v for _, v in missing])
    counted = seed is None and origin is None and bool(missing)
    if seed is not None:
        origin = (seed, 0)
    elif counted:
        origin = (Seeds.seed, Seeds.trees)
    drawn_from = origin or (0, 0)
    if not all(one.is_fully_addressable for one in (shardings or {}).values()):
        _check_agreed(root, drawn_from)
    drawn = (_drawn(v, p, tree, drawn_from, calls) for p, v in missing)
    values = _placed(missing, drawn, shardings)
    Seeds.trees += counted  # only after a successful build
    return origin, values


def _check_agreed(root: Tracked, origin: tuple[int, int]) -> None:
    """Check that all processes draw the same values.

    Raises:
        BuildError: their seeds, or the numbers of trees that they have built, differ.
    """
    told = outside_traces(lambda: processes.gathered("seed {}, number {}".format(*origin)))
    if len(set(told)) > 1:
        found = (f"{text} in process {number}" for number, text in enumerate(told))
        raise BuildError(
            explain(
                f"The processes would draw different weights for {type(root).__name__}.",
                where=f"made at {root._lamina.made_at}",
                expected="the same seed and the same number of builds before in each process",
                received="; ".join(found),
                remedy="Make the same calls in all processes, or call lamina.set_seed(...) before.",
            )
        )


def _count_drawn(variables: list[Variable]) -> bool:
    """Count values to draw while a file is loaded; return whether initializers may be called."""
    allowance = ALLOWANCE.get()
    return allowance is None or allowance.draw(sum(v.size for v in variables))


def _placed(
    missing: list[tuple[str, Variable]],
    values: Iterable[_Values],
    shardings: Mapping[str, jax.sharding.Sharding] | None,
) -> list[tuple[Variable, jax.Array]]:
    def arrays() -> list[jax.Array]:
        if shardings is None:
            return on_device(one.whole() for one in values)
        return [
            sharded(variable.shape, variable.weight_dtype, shardings[path], one.part)
            for (path, variable), one in zip(missing, values, strict=True)
        ]

    return [(v, array) for (_, v), array in zip(missing, outside_traces(arrays), strict=True)]


def _stored(variable: Variable, path: str, source: Source | None) -> _Values:
    """Return the values in a source; zeros without one."""
    dtype = variable.weight_dtype

    def part(start: int, stop: int) -> np.ndarray:
        if source is None:
            return np.zeros(stop - start, dtype)
        return source.read(path, start, stop).astype(dtype, copy=False)

    return _Values(lambda: part(0, variable.size).reshape(variable.shape), part)


def _drawn(
    variable: Variable, path: str, tree: Tree, origin: tuple[int, int], calls: bool
) -> _Values:
    """Return the initial values of a variable; those of each copy are drawn by its own path."""
    draw_once = functools.partial(_drawn_once, variable, origin=origin, calls=calls)

    @functools.lru_cache(1)
    def last_drawn(path: str) -> np.ndarray:
        return np.asarray(draw_once(path)).reshape(-1)

    def drawn_part(path: str, start: int, stop: int) -> np.ndarray:
        if draws_whole(variable.initializer, variable.copy_shape):
            return last_drawn(path)[start:stop]
        return _drawn_part(variable, path, origin, start, stop)

    if not variable.copies:
        return _Values(lambda: draw_once(path), functools.partial(drawn_part, path))
    paths = copy_paths(path, tree.copies_of(path))
    size = math.prod(variable.copy_shape)

    def whole() -> np.ndarray:
        return np.stack([np.asarray(draw_once(one)) for one in paths]).reshape(variable.shape)

    def part(start: int, stop: int) -> np.ndarray:
        spans = [
            (path, max(start - number * size, 0), min(stop - number * size, size))
            for number, path in enumerate(paths)
        ]
        return np.concatenate([drawn_part(*span) for span in spans if span[1] < span[2]])

    return _Values(whole, part)


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


def _drawn_part(
    variable: Variable, path: str, origin: tuple[int, int], start: int, stop: int
) -> np.ndarray:
    """Return a range of the initial values of one copy, flat."""
    initializer, shape, dtype = variable.initializer, variable.copy_shape, variable.weight_dtype
    assert has_distribution(initializer)
    at = variable.declared_at
    values = draw(initializer, shape, dtype, seed=origin, path=path, at=at, start=start, stop=stop)
    return values.reshape(-1)
