"""`keras.mixed_precision`: the global dtype policy."""

from __future__ import annotations

from typing import Any

import lamina
from lamina.compat.keras.dtype_policies import DTypePolicy
from lamina.compat.keras.missing import missing
from lamina.compat.tf.keras.optimizers import LossScaleOptimizer

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]

Policy = DTypePolicy


def dtype_policy() -> DTypePolicy:
    """The global policy."""
    return DTypePolicy()


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Set the policy of layers that are made from now on.

    Args:
        policy: a policy, or its name.

    >>> set_dtype_policy("float32")
    >>> dtype_policy().name
    'float32'
    """
    lamina.set_dtype_policy(str(policy.name) if isinstance(policy, DTypePolicy) else policy)


global_policy = dtype_policy
set_global_policy = set_dtype_policy


def __getattr__(name: str) -> Any:
    raise missing("keras.mixed_precision", name, __all__)
