import itertools

import numpy as np
import pytest

from lamina.plots.layout import Layout, Vertex, _ascending, layered

GAP = 0.3


def random_graph(seed: int, count: int) -> tuple[list[Vertex], list[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    vertices = [Vertex(*rng.uniform(0.1, 3, 2)) for _ in range(count)]
    for vertex in vertices[::3]:
        vertex.enter, vertex.leave = rng.uniform(-0.4, 0.4, 2) * vertex.across
    pairs = itertools.combinations(range(count), 2)
    return vertices, [pair for pair in pairs if rng.random() < 2.5 / count]


def rectangles(vertices: list[Vertex], layout: Layout) -> np.ndarray:
    """Left, right, start and end of each vertex."""
    shapes = zip(vertices, layout.middles, layout.starts, strict=True)
    return np.array([(m - v.across / 2, m + v.across / 2, s, s + v.depth) for v, m, s in shapes])


@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 5), (2, 12), (3, 30), (4, 60)])
def test_nothing_overlaps(seed: int, count: int) -> None:
    vertices, edges = random_graph(seed, count)
    layout = layered(vertices, edges, beside=GAP, between=0.5)
    found = rectangles(vertices, layout)
    for one, other in itertools.combinations(found, 2):
        across = max(one[0] - other[1], other[0] - one[1])
        along = max(one[2] - other[3], other[2] - one[3])
        assert across > GAP - 1e-6 or along > 0.5 - 1e-6
    for bends in layout.bends:
        for across, start, end in bends:
            beside = (found[:, 0] - GAP + 1e-6 > across) | (found[:, 1] + GAP - 1e-6 < across)
            assert (beside | (found[:, 2] >= end) | (found[:, 3] <= start)).all()
    for source, target in edges:
        assert layout.bands[source][1] < layout.bands[target][0]
    assert found.min() >= -1e-9
    assert found[:, 1].max() <= layout.across + 1e-9
    assert found[:, 3].max() <= layout.depth + 1e-9


def test_edges_over_several_layers_have_a_bend_in_each() -> None:
    vertices, edges = random_graph(5, 40)
    layout = layered(vertices, edges, beside=GAP, between=0.5)
    bands = sorted(set(layout.bands))
    for (source, target), bends in zip(edges, layout.bends, strict=True):
        between = bands[bands.index(layout.bands[source]) + 1 : bands.index(layout.bands[target])]
        assert [(start, end) for _, start, end in bends] == between


def test_a_chain_is_straight_from_port_to_port() -> None:
    vertices = [Vertex(1.0, 0.5), Vertex(3.0, 0.5, enter=-1.0, leave=0.5), Vertex(0.2, 0.5)]
    layout = layered(vertices, [(0, 1), (1, 2)], beside=GAP, between=0.5)
    first, second, third = layout.middles
    assert first == pytest.approx(second - 1, abs=1e-3)
    assert third == pytest.approx(second + 0.5, abs=1e-3)


def test_edges_cross_only_where_they_must() -> None:
    vertices = [Vertex(1.0, 0.5) for _ in range(6)]
    layout = layered(vertices, [(0, 5), (1, 4), (2, 3)], beside=GAP, between=0.5)
    above, below = layout.middles[:3], layout.middles[:2:-1]
    assert np.argsort(above).tolist() == np.argsort(below).tolist()


def test_the_last_vertex_stands_in_the_last_layer() -> None:
    vertices = [Vertex(1.0, 0.5) for _ in range(4)]
    layout = layered(vertices, [(0, 1), (1, 2), (0, 3)], beside=GAP, between=0.5, last=3)
    assert layout.bands[3] == layout.bands[2]


def test_an_empty_graph() -> None:
    layout = layered([], [], beside=GAP, between=0.5)
    assert (layout.across, layout.depth) == (0, 0)


def test_pooled_values_are_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 9):
        values, weights = rng.normal(size=size), rng.uniform(0.1, 2, size)
        found = _ascending(values, weights)
        assert (np.diff(found) >= -1e-12).all()
        # By the min-max formula of isotonic regression.
        means = [
            [np.average(values[a : b + 1], weights=weights[a : b + 1]) for b in range(a, size)]
            for a in range(size)
        ]
        expected = [max(min(means[a][at - a :]) for a in range(at + 1)) for at in range(size)]
        np.testing.assert_allclose(found, expected)
