"""Plots of models: the calls of layers, and the flow of data between them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree, walk
from lamina.errors import InputError, StateError, explain
from lamina.names import snake
from lamina.plots.boxes import (
    LINE,
    Box,
    Direction,
    Line,
    Point,
    Route,
    filled,
    frame,
    header_of,
    join,
    laid_out,
    pill,
)
from lamina.plots.figures import ACCENT, INK, PALE, Plot, finish
from lamina.plots.flow import IN, OUT, Call, Flow, Key, arrays_of, flow, input_end
from lamina.plots.texts import shown, style_of
from lamina.reports.examination import examine
from lamina.reports.origins import input_labels

__all__ = ["GraphOptions", "plot_calls", "plot_model"]

_MARGIN = 0.25
_MOST_ARRAYS, _MOST_LINES = 3, 8
_EDGE, _FRAMES = "#8494a6", ("#f4f7fa", "#e9eff5")
_KINDS = {  # face and border
    "layer": ("white", "#9fb3c8"),
    "frozen": ("#eef1f4", "#b8c2cc"),
    "pill": ("#e3eef9", "#bcd3ea"),
}
_INKS = {"name": INK, "class": PALE, "fact": "#3e4c59", "mark": ACCENT}
_HEAD = (0.09, 0.04)  # of arrows: length and half the width


class Named(Protocol):
    """What is read of a :class:`lamina.core.building.plan.PlannedLayer`."""

    @property
    def path(self) -> str: ...
    @property
    def layer(self) -> str: ...
    @property
    def name(self) -> str: ...


class Weight(Protocol):
    """What is read of a :class:`lamina.Plan`'s variable."""

    @property
    def path(self) -> str: ...
    @property
    def trainable(self) -> bool | None: ...


@dataclass(frozen=True)
class GraphOptions:
    """What the plot of a model shows; see :func:`lamina.plot_model`."""

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = True
    rankdir: Direction = "TB"
    expand_nested: bool = False
    show_trainable: bool = False


def plot_model(
    model: Tracked,
    to_file: str | os.PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: Direction = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Figure:
    """Plot the calls of layers in a model, and the flow of data between them.

    Each call of a layer is a box. A dot is where array operations combine the outputs of several
    layers, such as in ``x + layer(x)``. The source of a call in the body of a loop is unknown. The
    model is planned for the inputs that it was built for; nothing is computed.

    Args:
        model: a built layer or model.
        to_file: output file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is replaced.
            Default ``"model.png"``; None: none.
        show_shapes: whether to show the shapes of inputs and outputs; ``?`` is an unknown size.
            Default False.
        show_dtype: whether to show dtypes. Default False.
        show_layer_names: whether to show the names of layers, or else their classes alone. Default
            True.
        rankdir: the direction of the flow: ``"TB"`` (default, from top to bottom), ``"BT"``,
            ``"LR"`` (from left to right) or ``"RL"``.
        expand_nested: whether to show the calls within layers, in boxes. Default False.
        dpi: dots per inch of a PNG file, a positive number. Default 200.
        show_layer_activations: whether to show the activation functions of layers. Default False.
        show_trainable: whether to mark layers with weights as trainable or frozen. Default False.

    Returns:
        A ``matplotlib.figure.Figure``, which a notebook shows.

    Raises:
        StateError: the model is not built.
        InputError: an option is unknown, or the file has another ending.
        ImportError: matplotlib or igraph is not installed; the error names the extra.

    >>> import lamina
    >>> from lamina import layers
    >>> model = lamina.Sequential([layers.Dense(4, "relu"), layers.Dense(2)])
    >>> model.build((None, 3))
    >>> figure = lamina.plot_model(model, None, show_shapes=True)
    >>> len(figure.axes)
    1
    """
    plan = examine(model)
    if not plan.calls:
        raise StateError(
            explain(
                f"{type(model).__name__} cannot be plotted.",
                where=f"made at {model._lamina.made_at}",
                expected="a layer that is built",
                received="\n".join(plan.notes) or "a layer that is not built",
                remedy="Call it on arrays, or build it for the shapes of its inputs.",
            )
        )
    tree = walk(model) if show_layer_activations else Tree()
    activations = {path: _activation(layer) for path, layer in tree.layers.values()}
    options = GraphOptions(
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, show_trainable
    )
    return plot_calls(
        plan.calls,
        plan.layers,
        plan.variables,
        to_file,
        options,
        dpi=dpi,
        activations=activations,
        inputs=[name for name, _ in input_labels(plan.calls[0], plan.layers[0])],
    )


def _activation(layer: Tracked) -> str:
    """The name of a layer's activation; empty if it has none."""
    found: Any = getattr(layer, "activation", None)
    if not callable(found):
        return ""
    return str(getattr(found, "__name__", type(found).__name__))


def plot_calls(
    calls: Sequence[Call],
    layers: Sequence[Named] = (),
    variables: Sequence[Weight] = (),
    path: str | os.PathLike[str] | None = None,
    options: GraphOptions = GraphOptions(),
    *,
    dpi: float = 200,
    activations: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
) -> Figure:
    """Plot the calls of a plan.

    Args:
        calls: the calls of a plan with the flow of data.
        layers: the layers of the plan, for their names.
        variables: the weights of the plan, for `show_trainable`.
        path: output file; None (default) for none.
        options: what is shown.
        dpi: dots per inch of a PNG file.
        activations: the name of the activation of layers by path; none by default.
        inputs: the names of the arrays of the first call; numbers by default.

    Raises:
        InputError: there are no calls, an option is unknown, or the path has another ending.
    """
    if options.rankdir not in ("TB", "BT", "LR", "RL"):
        raise InputError(
            explain(
                "The direction of the plot is unknown.",
                expected="'TB', 'BT', 'LR' or 'RL'",
                received=repr(options.rankdir)[:60],
                remedy="Pass rankdir='TB' for a plot from top to bottom.",
            )
        )
    page = _Page(calls, layers, variables, options, activations or {}, inputs).drawn()
    width, height = page.width + 2 * _MARGIN, page.height + 2 * _MARGIN
    figure = Plot(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    _draw(axes, page)
    return finish(figure, path, dpi)


class _Page:
    """The boxes of a plan."""

    def __init__(
        self,
        calls: Sequence[Call],
        layers: Sequence[Named],
        variables: Sequence[Weight],
        options: GraphOptions,
        activations: Mapping[str, str],
        inputs: Sequence[str],
    ) -> None:
        self.calls, self.options, self.activations = calls, options, activations
        self.inputs = inputs
        self.names = {one.path: one.name for one in layers if one.name != snake(one.layer)}
        self.roots: list[int] = []
        for index, call in enumerate(calls):
            self.roots.append(index if call.caller < 0 else self.roots[call.caller])
        keys = [(root, call.path) for root, call in zip(self.roots, calls, strict=True)]
        counts, before = Counter(keys), Counter[tuple[int, str]]()
        self.shared: list[str] = []
        for key in keys:
            before[key] += 1
            several = counts[key] > 1
            words = f"shared, call {before[key]} of {counts[key]}" if several else ""
            self.shared.append(words)
        self.trainable = _trainable(variables)

    def drawn(self) -> Box:
        """Return the box of everything."""
        flows = flow(self.calls)
        roots = [index for index, call in enumerate(self.calls) if call.caller < 0]
        only = roots[0] if len(roots) == 1 else None
        boxes: dict[Key, Box] = {}
        expands = self.options.expand_nested
        for index in reversed(range(len(self.calls))):  # the inner calls first
            is_root = self.calls[index].caller < 0
            if index == only and index in flows:
                continue
            if index in flows and (expands or is_root):
                graph = flows[index]
                inner = boxes | {name: join() for name in graph.joins.values()}
                lines = [line for line in self._lines(index) if line.kind != "fact"]
                boxes[index] = frame(lines, graph, inner, self.options.rankdir)
            elif expands or is_root or self.calls[self.calls[index].caller].caller < 0:
                boxes[index] = filled(self._lines(index), self._is_frozen(index))
        if only is None or only not in flows:
            return laid_out(flows[-1], boxes, self.options.rankdir)
        return self._root(only, flows[only], boxes)

    def _root(self, root: int, graph: Flow, boxes: dict[Key, Box]) -> Box:
        arrays = arrays_of(self.calls[root].inputs)
        for place, array in enumerate(arrays):
            boxes[input_end(place)] = self._end(self._input_name(place), [array])
        boxes[IN] = self._end("inputs" if len(arrays) > 1 else "input", arrays)
        results = arrays_of(self.calls[root].outputs)
        boxes[OUT] = self._end("outputs" if len(results) > 1 else "output", results)
        inner = boxes | {name: join() for name in graph.joins.values()}
        return laid_out(graph, inner, self.options.rankdir)

    def _end(self, name: str, arrays: Sequence[Spec]) -> Box:
        lines = [Line(shown(name), "class")]
        lines += [Line(text) for array in arrays[:_MOST_LINES] if (text := self._spec(array))]
        if len(arrays) > _MOST_LINES and len(lines) > 1:
            lines.append(Line(f"and {len(arrays) - _MOST_LINES} more"))
        return pill(lines)

    def _input_name(self, place: int) -> str:
        return self.inputs[place] if place < len(self.inputs) else f"input {place + 1}"

    def _lines(self, index: int) -> list[Line]:
        call, options = self.calls[index], self.options
        lines: list[Line] = []
        if options.show_layer_names:
            lines.append(Line(shown(self._name(call)), "name"))
        lines.append(Line(shown(call.layer), "class" if lines else "name"))
        if activation := self.activations.get(call.path):
            lines.append(Line(f"activation {shown(activation)}"))
        inputs = self._specs(arrays_of(call.inputs))
        outputs = self._specs(arrays_of(call.outputs))
        if options.show_shapes:
            lines.append(Line(f"{inputs} → {outputs}"))
        elif options.show_dtype:
            lines.append(Line(outputs))
        if options.show_trainable and call.path in self.trainable:
            lines.append(Line("trainable" if self.trainable[call.path] else "frozen"))
        if self.shared[index]:
            lines.append(Line(self.shared[index], "mark"))
        if call.caller >= 0 and not call.sources and call.input_dims and not any(call.input_dims):
            lines.append(Line("source unknown", "mark"))  # in the body of a loop, for example
        return lines

    def _name(self, call: Call) -> str:
        if call.caller < 0 and len(set(self.roots)) > 1:
            return call.method
        caller = self.calls[call.caller].path if call.caller >= 0 else ""
        inside = call.path.removeprefix(f"{caller}." if caller else "")
        return self.names.get(call.path) or inside or call.layer

    def _is_frozen(self, index: int) -> bool:
        return self.options.show_trainable and not self.trainable.get(self.calls[index].path, True)

    def _spec(self, spec: Spec) -> str:
        dims = f"[{', '.join('?' if dim is None else str(dim) for dim in spec.shape)}]"
        shape = dims if self.options.show_shapes else ""
        return shown(f"{spec.dtype if self.options.show_dtype else ''}{shape}", 48)

    def _specs(self, arrays: Sequence[Spec]) -> str:
        words = [self._spec(array) for array in arrays[:_MOST_ARRAYS]]
        if len(arrays) > _MOST_ARRAYS:
            words.append(f"… {len(arrays) - _MOST_ARRAYS} more")
        return ", ".join(words) or "nothing"


def _trainable(variables: Sequence[Weight]) -> dict[str, bool]:
    """Whether any weight in each layer that has weights is trainable, by the layer's path."""
    found: dict[str, bool] = {}
    for variable in variables:
        ends = [match.start() for match in re.finditer(r"\.", variable.path)]
        for end in (0, *ends):
            above = variable.path[:end]
            found[above] = found.get(above, False) or variable.trainable is not False
    return found


def _draw(axes: Axes, page: Box) -> None:
    pending: list[tuple[float, float, int, Box]] = [(_MARGIN, _MARGIN, 0, page)]
    while pending:
        left, top, depth, box = pending.pop()
        _draw_box(axes, left, top, depth, box)
        for route in box.routes:
            _draw_route(axes, left, top, depth, route)
        inside = depth + (box.kind == "frame")
        pending += [(left + x, top + y, inside, one) for x, y, one in box.inner]


def _draw_box(axes: Axes, left: float, top: float, depth: int, box: Box) -> None:
    order = 3 * depth
    if box.kind == "none":
        return
    if box.kind == "join":
        at = (left + box.width / 2, top + box.height / 2)
        axes.add_artist(Circle(at, box.width / 2, color=_EDGE, linewidth=0, zorder=order + 2))
        return
    if box.kind == "frame":
        face, border = _FRAMES[depth % 2], "#b6c4d3"
    else:
        face, border = _KINDS[box.kind]
    radius = box.height / 2 if box.kind == "pill" else 0.07
    axes.add_artist(
        FancyBboxPatch(
            (left, top),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={min(radius, 0.16)}",
            facecolor=face,
            edgecolor=border,
            linewidth=1.0,
            zorder=order + (0 if box.kind == "frame" else 2),
        )
    )
    height = LINE * len(box.lines)
    room = box.height
    if box.kind == "frame":
        room = header_of(box.lines)
        across, along = (left, left + box.width), (top + room, top + room)
        axes.add_artist(Line2D(across, along, color=border, linewidth=0.6, zorder=order + 0.5))
    first = top + (room - height) / 2
    for number, line in enumerate(box.lines):
        axes.text(
            left + (0.1 if box.kind == "frame" else box.width / 2),
            first + LINE * (number + 0.5),
            line.text,
            fontsize=line.size,
            color=_INKS[line.kind],
            ha="left" if box.kind == "frame" else "center",
            va="center_baseline",
            zorder=order + 2.5,
            **style_of(line.text, bold=line.kind == "name"),
        )


def _draw_route(axes: Axes, left: float, top: float, depth: int, route: Route) -> None:
    points = [(left + x, top + y) for x, y in route.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for start, end in zip(points[1:-1:2], points[2::2], strict=True):
        if route.upright:  # leave and arrive in the direction of the flow
            middle = (start[1] + end[1]) / 2
            controls = [(start[0], middle), (end[0], middle)]
        else:
            middle = (start[0] + end[0]) / 2
            controls = [(middle, start[1]), (middle, end[1])]
        vertices += [start, *controls, end]
        codes += [Path.LINETO, *[Path.CURVE4] * 3]
    line = Path([*vertices, points[-1]], [*codes, Path.LINETO])
    order = 3 * depth + 1
    axes.add_artist(PathPatch(line, facecolor="none", edgecolor=_EDGE, linewidth=1.1, zorder=order))
    if route.arrow:
        head = Polygon(_head(points, route.upright), color=_EDGE, linewidth=0, zorder=order + 0.5)
        axes.add_artist(head)


def _head(points: Sequence[Point], upright: bool) -> list[Point]:
    (x, y), (x_first, y_first) = points[-1], points[0]
    if upright:
        base = y - _HEAD[0] if y > y_first else y + _HEAD[0]
        return [(x, y), (x - _HEAD[1], base), (x + _HEAD[1], base)]
    base = x - _HEAD[0] if x > x_first else x + _HEAD[0]
    return [(x, y), (base, y - _HEAD[1]), (base, y + _HEAD[1])]
