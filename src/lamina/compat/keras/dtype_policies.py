"""`keras.dtype_policies`: a policy as an object with its name, which `dtype` of layers takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import lamina
from lamina.compat.keras.missing import missing

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]


@dataclass(frozen=True)
class DTypePolicy:
    """A dtype policy: the dtypes of weights and of computation.

    Args:
        name: str, the name of a dtype, ``"mixed_bfloat16"`` or ``"mixed_float16"``. Default None:
            the global policy.

    >>> DTypePolicy("mixed_bfloat16").compute_dtype
    'bfloat16'
    """

    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is None:
            object.__setattr__(self, "name", lamina.dtype_policy())

    @property
    def compute_dtype(self) -> str:
        """The name of the dtype of computation."""
        return str(self.name).removeprefix("mixed_")

    @property
    def variable_dtype(self) -> str:
        """The name of the dtype of weights."""
        return "float32" if str(self.name).startswith("mixed_") else str(self.name)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Make a policy from :meth:`get_config`."""
        return cls(**config)


FloatDTypePolicy = DTypePolicy


def get(identifier: Any) -> DTypePolicy:
    """The policy of a name, a config or a policy; None for the global one."""
    if isinstance(identifier, dict):
        return deserialize(cast("dict[str, Any]", identifier))
    return identifier if isinstance(identifier, DTypePolicy) else DTypePolicy(identifier)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The class and the config of a policy."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": dtype_policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any]) -> DTypePolicy:
    """Make the policy that :func:`serialize` described."""
    return DTypePolicy(**config["config"])


def __getattr__(name: str) -> Any:
    raise missing("keras.dtype_policies", name, __all__)
