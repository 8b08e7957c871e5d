"""The parts of the plot of a model: boxes with text, boxes in boxes, and the edges between them.

Lengths are in inches; positions count from the left and from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from lamina.plots.flow import IN, OUT, Flow, Key
from lamina.plots.layout import Layout, Vertex, layered
from lamina.plots.texts import style_of

__all__ = [
    "LINE",
    "Box",
    "Direction",
    "Line",
    "Point",
    "Route",
    "filled",
    "frame",
    "header_of",
    "join",
    "laid_out",
    "pill",
]

Direction = Literal["TB", "BT", "LR", "RL"]

LINE = 0.185
"""The height of a line of text."""

_PAD, _HEADER = 0.12, 0.07
_BESIDE, _BETWEEN = 0.32, 0.4
_JOIN = 0.1
_SMALLEST = 1.1
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of text in a box, in the style of its kind."""

    text: str
    kind: Literal["name", "class", "fact", "mark"] = "fact"

    @property
    def size(self) -> float:
        """Font size in points."""
        return {"name": 9.0, "class": 7.5, "fact": 7.5, "mark": 7.0}[self.kind]

    @property
    def width(self) -> float:
        """Its width in inches."""
        return _width(self.text, self.size, self.kind == "name")


@dataclass
class Route:
    """An edge: points in pairs, with a straight line in each pair and a curve between pairs.

    Attributes:
        points: the points.
        upright: whether the straight lines go up or down.
        arrow: whether the end has an arrow head.
    """

    points: list[Point]
    upright: bool
    arrow: bool = True


@dataclass
class Box:
    """A rectangle with text, or with other boxes.

    Attributes:
        width: its width.
        height: its height.
        kind: how it is drawn.
        lines: its text; of a frame, that of its header.
        inner: the boxes in it, with the positions of their left upper corners.
        routes: the edges between them.
        enter: where edges enter, across the flow, from its middle.
        leave: where edges leave.
    """

    width: float
    height: float
    kind: Literal["layer", "frozen", "pill", "join", "frame", "none"]
    lines: list[Line] = field(default_factory=list[Line])
    inner: list[tuple[float, float, Box]] = field(default_factory=list[tuple[float, float, "Box"]])
    routes: list[Route] = field(default_factory=list[Route])
    enter: float = 0.0
    leave: float = 0.0


def filled(lines: Sequence[Line], frozen: bool = False) -> Box:
    """Return a box with lines of text."""
    width = max([_SMALLEST, *(line.width + 2 * _PAD for line in lines)])
    height = LINE * len(lines) + 0.16
    return Box(width, height, "frozen" if frozen else "layer", list(lines))


def pill(lines: Sequence[Line]) -> Box:
    """Return the box of an input or output."""
    width = max(line.width for line in lines) + 3 * _PAD
    return Box(max(width, 0.6), LINE * len(lines) + 0.1, "pill", list(lines))


def join() -> Box:
    """Return the dot where array operations combine outputs."""
    return Box(_JOIN, _JOIN, "join")


def frame(lines: Sequence[Line], flow: Flow, boxes: dict[Key, Box], direction: Direction) -> Box:
    """Return a box with a header, in which others are laid out."""
    content, layout, keys = _arranged(flow, boxes, direction)
    before = 0.0 if IN in keys else _PAD
    after = 0.0 if OUT in keys else _PAD
    across = layout.across
    header = header_of(lines)
    title = max(line.width for line in lines) + 2 * _PAD
    if direction in ("TB", "BT"):
        first, final = (before, after) if direction == "TB" else (after, before)
        width = max(across + 4 * _PAD, title)
        height = header + first + content.height + final
        left, top = (width - across) / 2, header + first
        shift = left - width / 2
    else:
        first, final = (before, after) if direction == "LR" else (after, before)
        width = max(first + content.width + final, title)
        height = header + content.height + 3 * _PAD
        left, top = first + (width - first - final - content.width) / 2, header + 1.5 * _PAD
        shift = top - height / 2
    made = Box(width, height, "frame", list(lines))
    made.inner = [(x + left, y + top, box) for x, y, box in content.inner]
    made.routes = [
        replace(route, points=[(x + left, y + top) for x, y in route.points])
        for route in content.routes
    ]
    if direction in ("LR", "RL"):  # reach the border where the title is wider than the content
        _extend(made, content, left, first)
    if IN in keys:
        made.enter = layout.middles[keys.index(IN)] + shift
    if OUT in keys:
        made.leave = layout.middles[keys.index(OUT)] + shift
    return made


def header_of(lines: Sequence[Line]) -> float:
    """Return the height of the header of a frame."""
    return LINE * len(lines) + _HEADER


def laid_out(flow: Flow, boxes: dict[Key, Box], direction: Direction) -> Box:
    """Return an invisible box of others with the edges between them."""
    return _arranged(flow, boxes, direction)[0]


def _extend(made: Box, content: Box, left: float, first: float) -> None:
    if left <= first:
        return
    right = left + content.width
    for route in made.routes:
        route.points = [
            (0.0 if abs(x - left) < 1e-9 else made.width if abs(x - right) < 1e-9 else x, y)
            for x, y in route.points
        ]


def _arranged(
    flow: Flow, boxes: dict[Key, Box], direction: Direction
) -> tuple[Box, Layout, list[Key]]:
    upright = direction in ("TB", "BT")
    keys = list(flow.vertices)
    number = {key: at for at, key in enumerate(keys)}
    shapes: list[Vertex] = []
    for key in keys:
        box = boxes.get(key)
        if box is None:  # an end, at the border
            shapes.append(Vertex(0.0, 0.0))
            continue
        size = (box.width, box.height) if upright else (box.height, box.width)
        shapes.append(Vertex(*size, box.enter, box.leave))
    edges = [(number[source], number[target]) for source, target in flow.edges]
    ends = (number[IN], number[OUT]) if IN in number and OUT in number else None
    last = number.get(OUT)
    between = _BETWEEN if upright else _BETWEEN + 0.05
    layout = layered(shapes, edges, beside=_BESIDE, between=between, last=last, aligned=ends)

    def screen(across: float, along: float) -> Point:
        along = along if direction in ("TB", "LR") else layout.depth - along
        return (across, along) if upright else (along, across)

    size = (layout.across, layout.depth) if upright else (layout.depth, layout.across)
    made = Box(*size, "none")
    for at, key in enumerate(keys):
        if key in boxes:
            box = boxes[key]
            x, y = screen(layout.middles[at], layout.starts[at] + shapes[at].depth / 2)
            made.inner.append((x - box.width / 2, y - box.height / 2, box))
    spread = _spread(edges, layout, shapes)
    for at, (source, target) in enumerate(edges):
        begin = layout.middles[source] + shapes[source].leave
        end = layout.middles[target] + shapes[target].enter + spread[at]
        points = [
            (begin, layout.starts[source] + shapes[source].depth),
            (begin, layout.bands[source][1]),
        ]
        for across, start, stop in layout.bends[at]:
            points += [(across, start), (across, stop)]
        points += [(end, layout.bands[target][0]), (end, layout.starts[target])]
        arrow = keys[target] in boxes and boxes[keys[target]].kind != "join"
        made.routes.append(Route([screen(*point) for point in points], upright, arrow))
    return made, layout, keys


def _spread(
    edges: Sequence[tuple[int, int]], layout: Layout, shapes: Sequence[Vertex]
) -> list[float]:
    """Where each edge enters its target, so that arrows stand beside each other."""
    into: dict[int, list[int]] = {}
    for at, (_, target) in enumerate(edges):
        into.setdefault(target, []).append(at)
    found = [0.0] * len(edges)
    for target, several in into.items():
        if len(several) < 2 or shapes[target].across < 4 * _JOIN or shapes[target].enter:
            continue

        def origin(at: int) -> float:
            bends = layout.bends[at]
            return bends[-1][0] if bends else layout.middles[edges[at][0]]

        step = min(0.22, 0.7 * shapes[target].across / (len(several) - 1))
        for place, at in enumerate(sorted(several, key=origin)):
            found[at] = step * (place - (len(several) - 1) / 2)
    return found


_PATHS = TextToPath()


@lru_cache(4096)
def _width(text: str, size: float, bold: bool) -> float:
    style = style_of(text, bold)
    font = FontProperties(family=style["fontfamily"], weight=style["fontweight"], size=size)
    width, _, _ = _PATHS.get_text_width_height_descent(text or " ", font, ismath=False)
    return width / 72
