"""Batches: their parts, and iteration over the accepted kinds of batch sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain

__all__ = ["is_batch_source", "iterate", "unpack"]


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
            ``__len__`` and ``__getitem__``, such as ``keras.utils.PyDataset``.

    >>> list(iterate(lambda: [[1, 2], (3, 4)]))
    [(1, 2), (3, 4)]
    """
    if isinstance(source, Iterable):
        batches = cast(Any, source)
    elif callable(source):
        batches = source()
    else:
        batches = (source[index] for index in range(len(source)))
    for batch in cast(Iterable[Any], batches):
        yield tuple(cast(list[Any], batch)) if isinstance(batch, list) else batch
