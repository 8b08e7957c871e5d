"""Comparing arrays that two programs computed."""

from typing import Any

import numpy as np

__all__ = ["assert_close"]


def assert_close(actual: Any, desired: Any, rtol: float = 1e-6) -> None:
    """Raise unless arrays differ by at most a part of the size of the array.

    ``|actual - desired| <= rtol |desired| + rtol max |desired|``: where numbers cancel, another
    order of the same additions leaves a difference that is small beside the others only.
    """
    wanted = np.asarray(desired, np.float64)
    sizes = np.abs(wanted[np.isfinite(wanted)])
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=rtol * sizes.max(initial=0))
