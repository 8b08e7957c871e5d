"""Layered layouts of graphs without cycles, for vertices of any size."""

from __future__ import annotations

import importlib
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import explain

__all__ = ["Layout", "Vertex", "layered"]

_SWEEPS = 24
# How much straighter some edges are than others: those between ends, in chains, and long ones.
_ALIGNED, _ALONE, _BEND = 6.0, 4.0, 8.0


@dataclass
class Vertex:
    """A rectangle.

    Attributes:
        across: its size across the flow.
        depth: its size along the flow.
        enter: where edges enter, across, from its middle.
        leave: where edges leave.
    """

    across: float
    depth: float
    enter: float = 0.0
    leave: float = 0.0


@dataclass
class Layout:
    """Positions of vertices, where the smallest are 0.

    Attributes:
        middles: the middle of each vertex across the flow.
        starts: the first position of each vertex along the flow.
        bands: where the layer of each vertex starts and ends along the flow.
        bends: for each edge, the lines along the flow at which it passes layers of other vertices:
            position across, start and end.
        across: the size of all across the flow.
        depth: the size of all along the flow.
    """

    middles: list[float]
    starts: list[float]
    bands: list[tuple[float, float]]
    bends: list[list[tuple[float, float, float]]]
    across: float
    depth: float


def layered(
    vertices: Sequence[Vertex],
    edges: Sequence[tuple[int, int]],
    *,
    beside: float,
    between: float,
    last: int | None = None,
    aligned: tuple[int, int] | None = None,
) -> Layout:
    """Lay out a graph in layers, so that vertices do not overlap and edges avoid them.

    The order within a layer is that of Sugiyama's method in igraph. The positions then bring
    vertices near to their neighbours: in each layer they are the least squares solution that
    keeps the order and the distances.

    Args:
        vertices: the vertices.
        edges: pairs of a vertex and one that follows it.
        beside: the smallest distance across of two vertices.
        between: the distance of two layers.
        last: a vertex that stands in the last layer.
        aligned: two vertices that are to stand at about the same place across.
    """
    layers = _layers(len(vertices), edges, last)
    chains: list[list[int]] = []
    all_layers, steps, is_bend = list(layers), list[tuple[int, int]](), [False] * len(vertices)
    for source, target in edges:
        chain = [source]
        for layer in range(layers[source] + 1, layers[target]):
            chain.append(len(all_layers))
            all_layers.append(layer)
            is_bend.append(True)
        chain.append(target)
        steps += itertools.pairwise(chain)
        chains.append(chain)
    shapes = [*vertices, *(Vertex(0.0, 0.0) for _ in range(len(all_layers) - len(vertices)))]
    rows = _orders(all_layers, steps)
    middles = _positions(rows, shapes, steps, is_bend, beside, aligned)
    depths = [max((shapes[at].depth for at in row), default=0.0) for row in rows]
    starts = [sum(depths[:layer]) + between * layer for layer in range(len(rows))]
    bands = [(start, start + deep) for start, deep in zip(starts, depths, strict=True)]
    left = min((middles[at] - shapes[at].across / 2 for at in range(len(shapes))), default=0.0)
    middles = middles - left
    right = max((middles[at] + shapes[at].across / 2 for at in range(len(shapes))), default=0.0)
    return Layout(
        [float(middles[at]) for at in range(len(vertices))],
        [
            starts[layers[at]] + (depths[layers[at]] - vertices[at].depth) / 2
            for at in range(len(vertices))
        ],
        [bands[layers[at]] for at in range(len(vertices))],
        [[(float(middles[at]), *bands[all_layers[at]]) for at in chain[1:-1]] for chain in chains],
        float(right),
        starts[-1] + depths[-1] if rows else 0.0,
    )


def _layers(count: int, edges: Sequence[tuple[int, int]], last: int | None) -> list[int]:
    """The layer of each vertex: after all before it; a vertex with none before it is just before
    the first that follows it."""
    after: list[list[int]] = [[] for _ in range(count)]
    awaited = [0] * count
    for source, target in edges:
        after[source].append(target)
        awaited[target] += 1
    fed = [number > 0 for number in awaited]
    layers = [0] * count
    pending = [at for at in range(count) if not awaited[at]]
    for at in pending:  # grows
        for target in after[at]:
            layers[target] = max(layers[target], layers[at] + 1)
            awaited[target] -= 1
            if not awaited[target]:
                pending.append(target)
    for at in range(count):
        if not fed[at] and after[at]:
            layers[at] = min(layers[target] for target in after[at]) - 1
    if last is not None:
        layers[last] = max(layers)
    return layers


def _orders(layers: Sequence[int], steps: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The vertices of each layer, ordered so that few edges cross."""
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for at, layer in enumerate(layers):
        rows[layer].append(at)
    if all(len(row) < 2 for row in rows):
        return rows
    graph = _igraph().Graph(n=len(layers), edges=list(steps), directed=True)
    placed: Any = graph.layout_sugiyama(layers=list(layers))
    found: Any = placed if hasattr(placed, "coords") else placed[0]  # with the bends of edges
    for row in rows:
        row.sort(key=lambda at: (found[at][0], at))
    return rows


def _igraph() -> Any:
    try:
        return importlib.import_module("igraph")
    except ImportError as error:
        raise ImportError(
            explain(
                "Graphs are laid out with igraph, which is not installed.",
                expected="the package igraph",
                received=str(error),
                remedy="Run: pip install 'lamina[plot]'",
            )
        ) from error


def _positions(
    rows: Sequence[Sequence[int]],
    shapes: Sequence[Vertex],
    steps: Sequence[tuple[int, int]],
    is_bend: Sequence[bool],
    beside: float,
    aligned: tuple[int, int] | None,
) -> NDArray[np.float64]:
    """The middles of the vertices, across."""
    offsets: list[NDArray[np.float64]] = []
    for row in rows:
        half = [shapes[at].across / 2 for at in row]
        steps_across = [half[k] + half[k + 1] + beside for k in range(len(row) - 1)]
        offsets.append(np.concatenate([[0.0], np.cumsum(steps_across)]))
    above: list[list[tuple[int, float, float]]] = [[] for _ in shapes]  # vertex, offset, weight
    below: list[list[tuple[int, float, float]]] = [[] for _ in shapes]
    leaving = Counter(source for source, _ in steps)
    entering = Counter(target for _, target in steps)
    for source, target in steps:
        alone = leaving[source] == 1 == entering[target]
        weight = _BEND if is_bend[source] and is_bend[target] else _ALONE if alone else 1.0
        shift = shapes[source].leave - shapes[target].enter
        above[target].append((source, shift, weight))
        below[source].append((target, -shift, weight))
    for at, to in () if aligned is None else (aligned, aligned[::-1]):
        for near in (above, below):
            near[at].append((to, 0.0, _ALIGNED))
    middles = np.zeros(len(shapes))
    for row, offset in zip(rows, offsets, strict=True):
        middles[list(row)] = offset - offset[-1] / 2
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for number in range(len(rows)) if down else reversed(range(len(rows))):
            row, offset = rows[number], offsets[number]
            wanted, weights = middles[list(row)].copy(), np.full(len(row), 1e-3)
            for k, at in enumerate(row):
                near = [*above[at], *below[at]] if sweep > 1 else (above if down else below)[at]
                if near:
                    weights[k] = sum(weight for *_, weight in near)
                    total = sum(weight * (middles[to] + shift) for to, shift, weight in near)
                    wanted[k] = total / weights[k]
            middles[list(row)] = _ascending(wanted - offset, weights) + offset
    return middles


def _ascending(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted least squares solution that does not descend: neighbours that do are pooled."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, number
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, number = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, heavy, several = pools.pop()
            mean = (mean * total + before * heavy) / (total + heavy)
            total, number = total + heavy, number + several
        pools.append((mean, total, number))
    return np.repeat([mean for mean, _, _ in pools], [number for _, _, number in pools])
