"""Batches: their parts, and iteration over the accepted kinds of batch sources."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, cast

from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain

__all__ = ["is_batch_source", "iterate", "length_of", "unpack"]


def unpack(batch: Any) -> tuple[Any, Any, Any]:
    """Return the inputs, labels and sample weights of a batch; missing parts are None.

    Args:
        batch: inputs, or a tuple ``(inputs,)``, ``(inputs, labels)`` or
            ``(inputs, labels, sample_weights)``.

    Raises:
        InputError: the tuple has no element or more than three.

    >>> unpack((1, 2))
    (1, 2, None)
    """
    if not isinstance(batch, tuple):
        return batch, None, None
    parts = cast(tuple[Any, ...], batch)
    if not 1 <= len(parts) <= 3:
        raise InputError(
            explain(
                "A batch is a tuple of an unsupported length.",
                expected="inputs, (inputs, labels) or (inputs, labels, sample weights)",
                received=f"a tuple of {len(parts)}",
                remedy="Put several inputs into a dict or a list: ([a, b], y).",
            )
        )
    return (*parts, None, None)[:3]  # pyright: ignore[reportReturnType]


def is_batch_source(x: Any) -> bool:
    """Return whether `x` yields batches: an iterable, a function, or an indexable object.

    Arrays, variables and lists, tuples and dicts of them are examples, not batches.

    >>> is_batch_source(iter([])), is_batch_source([1, 2])
    (True, False)
    """
    if hasattr(x, "shape") or isinstance(x, Variable | list | tuple | dict):
        return False
    return isinstance(x, Iterable) or callable(x) or hasattr(x, "__getitem__")


def iterate(source: Any) -> Iterator[Any]:
    """Yield the batches of a source; a batch given as a list becomes a tuple.

    Args:
        source: an iterable of batches, a function that returns one, or an object with
            ``__getitem__``. Without ``__len__``, this ends with an IndexError, if ever. Its methods
            ``on_epoch_begin`` and ``on_epoch_end`` are called, as those of
            ``keras.utils.PyDataset``.

    >>> list(iterate(lambda: [[1, 2], (3, 4)]))
    [(1, 2), (3, 4)]
    """
    _call_if_present(source, "on_epoch_begin")
    if isinstance(source, Iterable):
        batches = cast(Any, source)
    elif callable(source):
        batches = source()
    else:
        batches = _indexed(source)
    for batch in cast(Iterable[Any], batches):
        yield tuple(cast(list[Any], batch)) if isinstance(batch, list) else batch
    _call_if_present(source, "on_epoch_end")


def _indexed(source: Any) -> Iterator[Any]:
    """Yield the batches of an indexable object, and call its methods for epochs."""
    length = length_of(source)
    for index in itertools.count() if length is None else range(length):
        try:
            batch = source[index]
        except IndexError:
            if length is not None:
                raise
            break
        yield batch


def length_of(source: Any) -> int | None:
    """Return the number of batches of a source; None if it is unknown or unlimited.

    >>> length_of([1, 2]), length_of(iter([]))
    (2, None)
    """
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None


def _call_if_present(source: Any, method: str) -> None:
    function = getattr(source, method, None)
    if callable(function) and hasattr(source, "__getitem__"):  # not those of a callback
        function()
