"""Batches: who is in one, what an error reaches, what an end leaves."""

import asyncio
import doctest
import threading
from collections.abc import Sequence

import pytest

from lamina.translate import batching
from lamina.translate.batching import Batcher


class Doubling:
    """Doubles numbers, but not 13, when it is let; and keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.begun.set()
        assert self.go_on.wait(60)
        if 13 in numbers:
            raise ValueError("not 13")
        return [2 * number for number in numbers]


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(batching).attempted
    assert not doctest.testmod(batching).failed


async def held_back(work: Doubling, most: int, numbers: Sequence[int]) -> list[object]:
    """The outcomes of numbers that wait while the batch of a 0 is under way."""
    work.go_on.clear()
    with Batcher(work, most) as double:
        first = asyncio.ensure_future(double(0))
        while not work.begun.is_set():
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(double(number)) for number in numbers]
        await asyncio.sleep(0)  # all of them are in the queue
        work.go_on.set()
        return await asyncio.gather(first, *others, return_exceptions=True)


@pytest.mark.parametrize(
    ("most", "batches"),
    [(8, [[0], [1, 2, 3, 4, 5]]), (3, [[0], [1, 2, 3], [4, 5]]), (1, [[n] for n in range(6)])],
)
def test_what_waits_is_one_batch(most, batches) -> None:
    work = Doubling()
    assert asyncio.run(held_back(work, most, range(1, 6))) == [2 * n for n in range(6)]
    assert work.batches == batches


def test_an_error_reaches_its_own_caller_alone() -> None:
    work = Doubling()
    zero, one, wrong, two = asyncio.run(held_back(work, 8, [1, 13, 2]))
    assert (zero, one, two) == (0, 2, 4)
    assert isinstance(wrong, ValueError)
    assert work.batches == [[0], [1, 13, 2], [1], [13], [2]]


def test_who_gave_up_keeps_nobody_waiting() -> None:
    async def main() -> int:
        work.go_on.clear()
        with Batcher(work, 8) as double:
            gone = asyncio.ensure_future(double(1))
            while not work.begun.is_set():
                await asyncio.sleep(0.001)
            gone.cancel()
            work.go_on.set()
            return await double(2)

    work = Doubling()
    assert asyncio.run(main()) == 4


def test_the_first_of_a_batch_waits_for_others(monkeypatch) -> None:
    waits: list[float] = []
    others_came = threading.Event()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        work.begun.set()
        assert others_came.wait(60)

    async def main() -> list[int]:
        with Batcher(work, 3, gather=0.5) as double:
            asked = [asyncio.ensure_future(double(1))]
            while not work.begun.is_set():
                await asyncio.sleep(0)
            asked += [asyncio.ensure_future(double(number)) for number in (2, 3, 4)]
            await asyncio.sleep(0)
            others_came.set()
            return await asyncio.gather(*asked)

    work = Doubling()
    monkeypatch.setattr(batching.time, "sleep", sleep)
    assert asyncio.run(main()) == [2, 4, 6, 8]
    assert work.batches == [[1, 2, 3], [4]]
    assert waits == [0.5, 0.5]


def test_the_end_answers_what_waits() -> None:
    async def main() -> list[int]:
        with Batcher(work, 2) as double:
            (thread,) = [one for one in threading.enumerate() if one.name == "batches"]
            asked = [asyncio.ensure_future(double(number)) for number in range(5)]
            await asyncio.sleep(0)
        found = await asyncio.gather(*asked)
        thread.join(60)
        assert not thread.is_alive()
        return found

    work = Doubling()
    assert asyncio.run(main()) == [0, 2, 4, 6, 8]
