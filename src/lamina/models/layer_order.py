"""The order in which a graph lists its layers: by distance from the outputs, as in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from lamina.models.graph import Graph, Ref

__all__ = ["layer_order"]


def layer_order(graph: Graph) -> list[str | int]:
    """Return the names of a graph's layers, and the indices of its inputs, in their order.

    The layers that are farthest from the outputs come first. Those of the same distance are in the
    order of a depth-first search from the outputs.

    >>> from lamina import Input, Model, layers
    >>> x = Input((4,))
    >>> left, right = layers.Dense(2, name="left")(x), layers.Dense(2, name="right")(x)
    >>> layer_order(Model(x, layers.Subtract()([right, left])).graph)
    [0, 'right', 'left', 'subtract']
    """

    def item(ref: Ref) -> str | int:
        """Return what computes an array: a layer by its name, or an input by its index."""
        return graph.steps[ref.step - 1].layer if ref.step else ref.output

    parents = _parents(graph)
    found, done = _search(_refs(graph.outputs), parents, item)
    distance = dict.fromkeys(done, 0)
    farthest: dict[str | int, int] = dict.fromkeys(found, 0)
    for ref in reversed(done):
        far = distance[ref] = farthest[item(ref)] = max(distance[ref], farthest[item(ref)])
        for parent in parents[ref]:
            distance[parent] = max(distance[parent], far + 1)
    inputs = range(len(graph.names))
    unused: list[str | int] = [index for index in inputs if index not in farthest]
    used = sorted(found, key=lambda one: -farthest[one])
    last = [one for one in used if farthest[one] == 0]
    return [*used[: len(used) - len(last)], *unused, *last]


def _parents(graph: Graph) -> dict[Ref, list[Ref]]:
    """Return the calls and inputs that each call depends on; the output 0 stands for a call."""
    found = {Ref(0, index): list[Ref]() for index in range(len(graph.names))}
    for number, step in enumerate(graph.steps, 1):
        found[Ref(number, 0)] = _refs((step.args, step.kwargs))
    return found


def _refs(tree: Any) -> list[Ref]:
    """Return the calls and inputs that a pytree refers to."""
    leaves = jax.tree.leaves(tree, is_leaf=lambda leaf: isinstance(leaf, Ref))
    refs = [leaf for leaf in leaves if isinstance(leaf, Ref)]
    return [Ref(ref.step, 0) if ref.step else ref for ref in refs]


def _search(
    starts: list[Ref], parents: dict[Ref, list[Ref]], item: Callable[[Ref], str | int]
) -> tuple[list[str | int], list[Ref]]:
    """Search depth-first from the outputs.

    Returns:
        The layers and inputs, in the order in which they are found, and the calls and inputs, each
        after those that it depends on.
    """
    found: dict[str | int, None] = {}
    done: dict[Ref, None] = {}
    pending = [(ref, False) for ref in reversed(starts)]
    while pending:
        ref, left = pending.pop()
        if left:
            done[ref] = None
        elif ref not in done:
            found[item(ref)] = None
            pending.append((ref, True))
            pending += [(one, False) for one in reversed(parents[ref]) if one not in done]
    return list(found), list(done)
