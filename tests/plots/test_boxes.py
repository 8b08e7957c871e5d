import itertools

import pytest

from lamina.plots.boxes import Box, Line, filled, frame, header_of, join
from lamina.plots.flow import IN, OUT, Flow


def nested(direction) -> Box:
    """A frame with a short content below a long title, in a frame with a branch."""
    small = filled([Line("a", "name")])
    inner = frame([Line("a title " * 4, "name")], chain(1), {1: small}, direction)
    branch = Flow(
        [IN, 1, 2, 3, "join 0", OUT],
        [(IN, 1), (IN, "join 0"), (1, 2), (2, "join 0"), ("join 0", 3), (3, OUT)],
    )
    boxes = {1: inner, 2: small, 3: inner, "join 0": join()}
    return frame([Line("outer", "name"), Line("Class", "class")], branch, boxes, direction)


def chain(count: int) -> Flow:
    keys = [IN, *range(1, count + 1), OUT]
    return Flow(keys, list(itertools.pairwise(keys)))


def on_border(x: float, y: float, left: float, top: float, box: Box) -> bool:
    across = min(abs(x - left), abs(x - left - box.width)) < 1e-6
    along = min(abs(y - top), abs(y - top - box.height)) < 1e-6
    within = left - 1e-6 <= x <= left + box.width + 1e-6
    return (across and top - 1e-6 <= y <= top + box.height + 1e-6) or (along and within)


def all_frames(box: Box) -> list[Box]:
    return [box, *(one for *_, inner in box.inner for one in all_frames(inner) if one.inner)]


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_every_edge_goes_from_border_to_border(direction) -> None:
    found = all_frames(nested(direction))
    assert len(found) == 3
    for box in found:
        header = header_of(box.lines)
        for route in box.routes:
            for x, y in (route.points[0], route.points[-1]):
                inside = any(on_border(x, y, left, top, one) for left, top, one in box.inner)
                below_header = route.upright and abs(y - header) < 1e-6
                assert inside or below_header or on_border(x, y, 0, 0, box)
        for left, top, one in box.inner:
            assert left >= -1e-6 and left + one.width <= box.width + 1e-6
            assert top >= header - 1e-6 and top + one.height <= box.height + 1e-6


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_edges_within_a_frame_continue_those_around_it(direction) -> None:
    outer = nested(direction)
    axis = 0 if direction in ("TB", "BT") else 1
    for left, top, one in outer.inner:
        if one.kind != "frame":
            continue
        within = {round(r.points[0][axis] + (left, top)[axis], 6) for r in one.routes[:1]}
        middle = (left + one.width / 2, top + one.height / 2)[axis]
        assert within == {round(middle + one.enter, 6)}
        around = {round(r.points[-1][axis], 6) for r in outer.routes}
        assert within <= around
