"""`keras.dtype_policies`: a policy as an object with its name, which `dtype` of layers takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import lamina
from lamina.compat.keras.missing import missing
from lamina.errors import InputError, explain

__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "deserialize",
    "get",
    "serialize",
]

_QUANTIZED = re.compile(r"(int8|int4(?:/-?\d+)?)_from_(.+)")


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

    @property
    def quantization_mode(self) -> str | None:
        """``"int8"`` or ``"int4"``; None for a policy of floats."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Make a policy from :meth:`get_config`."""
        return cls(**config)


FloatDTypePolicy = DTypePolicy


class QuantizedDTypePolicy(DTypePolicy):
    """The dtype policy of a layer whose kernel is stored as integers.

    Args:
        mode: str, ``"int8"``, or ``"int4"`` for one scale for each output.
        source_name: str, the name of the policy of the other weights and of computation. Default
            None: the global policy.

    Raises:
        InputError: the mode is another.

    >>> QuantizedDTypePolicy("int8", "mixed_bfloat16").compute_dtype
    'bfloat16'
    """

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        source = lamina.dtype_policy() if source_name is None else source_name
        found = _QUANTIZED.fullmatch(f"{mode}_from_{source}")
        if found is None or found[1] != mode:
            raise InputError(
                explain(
                    "Invalid quantization mode.",
                    expected="'int8', 'int4' or 'int4/<block_size>'",
                    received=repr(mode),
                    remedy="Pass 'int8', for example.",
                )
            )
        super().__init__(f"{mode}_from_{source}")
        self.__dict__.update(mode=mode, source_name=source)

    @property
    def compute_dtype(self) -> str:
        """The name of the dtype of computation."""
        return DTypePolicy(self.__dict__["source_name"]).compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The name of the dtype of weights that are no integers."""
        return DTypePolicy(self.__dict__["source_name"]).variable_dtype

    @property
    def quantization_mode(self) -> str:
        """``"int8"`` or ``"int4"``."""
        return self.__dict__["mode"].partition("/")[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {name: self.__dict__[name] for name in ("mode", "source_name")}


class Int4DTypePolicy(QuantizedDTypePolicy):
    """The dtype policy of a layer whose kernel is stored as integers of 4 bits.

    Args:
        mode: str, ``"int4/128"`` for blocks of 128 inputs, ``"int4/-1"`` for none.
        source_name: str, the name of the policy of the other weights and of computation. Default
            None: the global policy.

    Raises:
        InputError: the mode is another.
    """


_KINDS = {kind.__name__: kind for kind in (DTypePolicy, QuantizedDTypePolicy, Int4DTypePolicy)}


def get(identifier: Any) -> DTypePolicy:
    """The policy of a name, a config or a policy; None for the global one."""
    if isinstance(identifier, dict):
        return deserialize(cast("dict[str, Any]", identifier))
    found = _QUANTIZED.fullmatch(identifier) if isinstance(identifier, str) else None
    if found is not None:
        kind = Int4DTypePolicy if "/" in found[1] else QuantizedDTypePolicy
        return kind(found[1], found[2])
    return identifier if isinstance(identifier, DTypePolicy) else DTypePolicy(identifier)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The class and the config of a policy."""
    return {
        "module": "keras" if type(dtype_policy) is DTypePolicy else "keras.dtype_policies",
        "class_name": type(dtype_policy).__name__,
        "config": dtype_policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any]) -> DTypePolicy:
    """Make the policy that :func:`serialize` described."""
    name = str(config.get("class_name", "DTypePolicy"))
    if name not in _KINDS and name != "FloatDTypePolicy":
        raise missing("keras.dtype_policies", name, __all__)
    return _KINDS.get(name, DTypePolicy)(**config["config"])


def __getattr__(name: str) -> Any:
    raise missing("keras.dtype_policies", name, __all__)
