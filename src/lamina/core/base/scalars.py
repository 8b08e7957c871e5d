"""NumPy's integers and truth values as those of Python, as configs, files and reprs hold them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

__all__ = ["plain_numbers"]


def plain_numbers(value: Any, depth: int = 3) -> Any:
    """Return a NumPy integer or bool as one of Python; also those in lists and tuples.

    Other values, floats with their dtype included, and other containers are returned themselves.

    Args:
        value: anything.
        depth: of the nested lists and tuples that are searched.

    >>> plain_numbers((np.int64(3), "same", [np.bool_(True)]))
    (3, 'same', [True])
    """
    kind = value.__class__
    if depth and (kind is tuple or kind is list):
        items = cast("list[Any]", value)
        plain = [plain_numbers(item, depth - 1) for item in items]
        same = all(one is other for one, other in zip(plain, items, strict=True))
        return cast("Any", value if same else kind(plain))
    if isinstance(value, np.generic) and value.dtype.kind in "biu":
        return cast("Any", value).item()
    return cast("Any", value)
