"""Prompts of different lengths as one array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.errors import InputError, explain

__all__ = ["Prompts", "as_rows", "padded", "width_for"]

_SMALLEST = 8


class Prompts(NamedTuple):
    """Prompts, aligned at their ends.

    Attributes:
        tokens: int32 ``[batch, width]``, padded on the left.
        padding: the number of tokens of padding of each row, int32 ``[batch]``.
    """

    tokens: np.ndarray
    padding: np.ndarray


def as_rows(prompts: Any, mask: Any = None) -> list[np.ndarray]:
    """Returns the token ids of each prompt, int32.

    Args:
        prompts: a list of sequences of ids, or an integer array ``[batch, time]``.
        mask: bool ``[batch, time]``, False at padding of an array; None for no padding.

    Raises:
        InputError: a prompt is empty or does not consist of integers, there is no prompt, or the
            mask has another shape than the prompts.

    >>> [row.tolist() for row in as_rows([[5, 6], [7]])]
    [[5, 6], [7]]
    >>> [row.tolist() for row in as_rows(np.array([[0, 5]]), np.array([[False, True]]))]
    [[5]]
    """
    try:
        rows: list[Any] = [np.asarray(row) for row in prompts]
    except (TypeError, ValueError) as error:
        raise _invalid(repr(prompts)[:80]) from error
    if mask is not None:
        masks = np.asarray(mask, bool)
        if masks.shape != np.shape(prompts):
            raise _invalid(f"prompts of shape {np.shape(prompts)}, a mask of {masks.shape}")
        rows = [row[valid] for row, valid in zip(rows, masks, strict=True)]
    if not rows:
        raise _invalid("no prompt")
    for index, row in enumerate(rows):
        if row.ndim != 1 or row.size == 0 or not np.issubdtype(row.dtype, np.integer):
            raise _invalid(f"prompt {index} of shape {row.shape} and dtype {row.dtype}")
        if row.min() < 0 or row.max() > np.iinfo(np.int32).max:
            raise _invalid(f"prompt {index} with ids from {row.min()} to {row.max()}")
    return [row.astype(np.int32) for row in rows]


def _invalid(received: str) -> InputError:
    return InputError(
        explain(
            "Tokens cannot be generated after these prompts.",
            expected="a list of non-empty lists of token ids, or an integer array [batch, time], "
            "with a mask of the same shape if it is padded",
            received=received,
            remedy="Pass one list of ids for each prompt: [[15, 7, 2], [4]].",
        )
    )


def width_for(length: int) -> int:
    """Returns the next power of two, at least 8, so that few widths are compiled.

    >>> width_for(3), width_for(32), width_for(33)
    (8, 32, 64)
    """
    return max(_SMALLEST, 1 << (length - 1).bit_length())


def padded(rows: list[np.ndarray], width: int, pad: int) -> Prompts:
    """Returns rows of at most ``width`` ids as one array.

    >>> padded([np.array([5, 6]), np.array([7])], 3, 0).tokens.tolist()
    [[0, 5, 6], [0, 0, 7]]
    """
    tokens = np.full((len(rows), width), pad, np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[width - len(ids) :] = ids
    return Prompts(tokens, np.array([width - len(ids) for ids in rows], np.int32))
