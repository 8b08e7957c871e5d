"""Buckets: every pair once in an epoch, little padding, the same order after a stop."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.translate.buckets import Batches, Shape, shapes_for


def rows(count: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(2.5, 0.4, count).astype(int), 1, 60)
    source = [rng.integers(3, 90, size).tolist() for size in sizes]
    target = [[1, *rng.integers(3, 90, max(1, size + rng.integers(-2, 4))), 2] for size in sizes]
    return source, target


def shapes(source, target, batch=16, count=6) -> list[Shape]:
    return shapes_for([*map(len, source)], [*map(len, target)], batch, count)


def test_every_pair_once_an_epoch() -> None:
    source, target = rows(500)
    batches = Batches(source, target, shapes(source, target))
    seen = []
    for s, t in batches:
        assert s.dtype == t.dtype == np.int32
        assert Shape(s.shape[1], t.shape[1], len(s)) in batches.shapes
        for one, other in zip(s, t, strict=True):
            if one.any():
                seen.append((one[one != 0].tolist(), other[other != 0].tolist()))
            else:
                assert not other.any()
    assert sorted(seen) == sorted(zip(source, target, strict=True))


def test_its_length_is_the_number_of_batches() -> None:
    source, target = rows(300)
    batches = Batches(source, target, shapes(source, target))
    assert len(list(batches)) == len(batches)
    assert batches.tokens == sum(len(row) - 1 for row in target)


def test_epochs_differ_and_are_the_same_after_a_stop() -> None:
    source, target = rows(200)
    made = shapes(source, target)
    one, other = (Batches(source, target, made, seed=3) for _ in range(2))
    epochs = [[t.tolist() for _, t in one] for _ in range(3)]
    assert epochs[0] != epochs[1]
    one.on_epoch_begin(1)
    other.set_state(one.get_state())
    assert [t.tolist() for _, t in other] == epochs[1]
    assert [t.tolist() for _, t in other] == epochs[2]


def test_little_is_padded() -> None:
    source, target = rows(4000)
    batches = Batches(source, target, shapes(source, target, 64, 8))
    padded = sum(t.size for _, t in batches)
    assert padded < 1.2 * sum(map(len, target))
    assert len(batches.shapes) <= 8
    counts = [t * n for _, t, n in batches.shapes]
    assert max(counts) < 2.2 * min(counts)  # all batches have about as many ids


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_widths_pad_the_least_there_can_be(sizes: list[int], count: int) -> None:
    found = [shape.target for shape in shapes_for([1] * len(sizes), sizes, 8, count)]
    assert found == sorted(set(found))
    assert found[-1] == max(sizes)
    assert len(found) <= count

    def padded(widths: tuple[int, ...]) -> int:
        return sum(min(width for width in widths if width >= size) - size for size in sizes)

    choices = itertools.chain.from_iterable(
        itertools.combinations(sorted(set(sizes)), size) for size in range(1, count + 1)
    )
    best = min(padded(widths) for widths in choices if max(sizes) in widths)
    assert padded(tuple(found)) == best


def test_a_long_source_moves_on_to_a_larger_bucket() -> None:
    made = shapes_for([5] * 20 + [30], [6] * 21, batch=8, count=3)
    assert made == [Shape(30, 6, 8)]
    source, target = [[3] * 5] * 20 + [[3] * 30], [[1, 4, 2]] * 21
    made = [Shape(5, 3, 8), Shape(30, 3, 8)]
    assert [s.shape for s, _ in Batches(source, target, made)].count((8, 30)) == 1


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_sizes(share) -> None:
    batches = Batches([[1]] * 9 + [[1] * 7], [[1, 2]] * 10, [Shape(7, 2, 8)])
    assert batches.sizes(share) == ((1, 2) if share == 0.5 else (7, 2))
