"""The flow of data between the calls of a plan, as graphs: one for the calls within each call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lamina.core.base.pytrees import leaves_of
from lamina.core.specs.spec import Spec

__all__ = ["IN", "OUT", "Call", "Flow", "Key", "arrays_of", "flow", "input_end"]

Key = int | str
"""A vertex: the index of a call, or the name of an end or a join."""

IN, OUT = "in", "out"


class Call(Protocol):
    """What is read of a :class:`lamina.core.building.plan.PlannedCall`."""

    @property
    def path(self) -> str: ...
    @property
    def layer(self) -> str: ...
    @property
    def inputs(self) -> Any: ...
    @property
    def outputs(self) -> Any: ...
    @property
    def method(self) -> str: ...
    @property
    def caller(self) -> int: ...
    @property
    def sources(self) -> tuple[int, ...]: ...
    @property
    def caller_inputs(self) -> tuple[int, ...]: ...
    @property
    def results(self) -> tuple[int, ...]: ...
    @property
    def input_dims(self) -> tuple[tuple[int, ...], ...]: ...


@dataclass
class Flow:
    """The graph of the calls within a call.

    Attributes:
        vertices: the calls in their order, with the ends `IN` and `OUT` if something is connected
            to them, and joins.
        edges: pairs of vertices, without repetition. They have no cycles.
        joins: the vertices where array operations combine the outputs of several calls.
    """

    vertices: list[Key] = field(default_factory=list[Key])
    edges: list[tuple[Key, Key]] = field(default_factory=list[tuple[Key, Key]])
    joins: dict[frozenset[Key], str] = field(default_factory=dict[frozenset[Key], str])

    def connect(self, sources: Iterable[Key], target: Key, arrays: int) -> None:
        """Add the edges into a vertex, and the joins before it.

        Several sources of one array have been combined by array operations, so that they meet in
        a join. A set of sources that holds the set of an earlier join starts from there: that of
        the third ``x = x + layer(x)`` in a row from the second.

        Args:
            sources: the vertices whose outputs reach it.
            target: the vertex.
            arrays: the number of arrays that it takes.
        """
        wanted = frozenset(sources)
        if len(wanted) > 1 and arrays == 1:
            known = self.joins.get(wanted)
            if known is None:
                parts = self._parts(wanted)
                known = self.joins[wanted] = f"join {len(self.joins)}"
                self._add(parts, known)
            self._add([known], target)
        else:
            self._add(self._parts(wanted), target)

    def _add(self, sources: Iterable[Key], target: Key) -> None:
        sources = list(sources)
        ends: list[Key] = [IN] if IN in sources and IN not in self.vertices else []
        self.vertices += [*ends, target]
        self.edges += [(source, target) for source in sources]

    def _parts(self, wanted: frozenset[Key]) -> list[Key]:
        """Return the fewest vertices found that stand for all of some sources."""
        rest, parts = set(wanted), list[Key]()
        for known in sorted(self.joins, key=len, reverse=True):
            if len(rest) < 2:
                break
            if known <= wanted and len(known & rest) > 1:
                parts.append(self.joins[known])
                rest -= known
        return [*parts, *sorted(rest, key=lambda key: key if isinstance(key, int) else -1)]


def flow(calls: Sequence[Call]) -> dict[int, Flow]:
    """Return the graph of the calls within each call that makes calls, by its index.

    Args:
        calls: the calls of a plan.

    Returns:
        A dict. The graph of -1 has the calls of the root, without edges. In that of a call of the
        root, each array of the inputs is an end of its own, of the name :func:`input_end`, unless
        one reaches the outputs without a call between.
    """
    found: dict[int, Flow] = {-1: Flow()}
    split = {index: ends for index in range(len(calls)) if (ends := _ends(calls, index))}
    for index, call in enumerate(calls):
        if call.caller < 0:
            found[-1].vertices.append(index)
            continue
        graph = found.setdefault(call.caller, Flow(list(split.get(call.caller, ()))))
        sources = _keys(call.sources, call.caller, index)
        if call.caller in split:
            ends = [input_end(place) for place in call.caller_inputs]
            sources = [*ends, *(key for key in sources if key != IN)]
        graph.connect(sources, index, len(arrays_of(call.inputs)))
    for index, graph in found.items():
        if index >= 0:
            results = _keys(calls[index].results, index, len(calls))
            if results:
                graph.connect(results, OUT, len(arrays_of(calls[index].outputs)))
    return found


def input_end(place: int) -> str:
    """Return the name of the end that is one array of the inputs."""
    return f"{IN} {place}"


def _ends(calls: Sequence[Call], index: int) -> list[Key]:
    """The ends for the arrays of a call's inputs if each is an end of its own."""
    call = calls[index]
    arrays = len(arrays_of(call.inputs))
    if call.caller >= 0 or arrays < 2 or index in call.results:
        return []
    within = [one for one in calls[index + 1 :] if one.caller == index]
    known = all(one.caller_inputs for one in within if index in one.sources)
    return [input_end(place) for place in range(arrays)] if within and known else []


def arrays_of(specs: Any) -> list[Spec]:
    """Return the specs of arrays in arguments or outputs, in order."""
    args: Any = [specs.args, specs.kwargs] if hasattr(specs, "kwargs") else specs
    return [leaf for leaf in leaves_of(args) if isinstance(leaf, Spec)]


def _keys(calls: Iterable[int], caller: int, end: int) -> list[Key]:
    """The vertices of some calls before an index; the caller stands for its inputs."""
    return [IN if at == caller else at for at in calls if at == caller or caller < at < end]
