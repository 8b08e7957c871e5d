"""Quantizers: objects that turn arrays of floats into integers and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jax.typing import ArrayLike

from lamina.configured import Configured
from lamina.errors import InputError, explain
from lamina.names import look_up
from lamina.ops.quantization import EPSILON
from lamina.quantizers.functions import abs_max_quantize

__all__ = ["AbsMaxQuantizer", "Quantizer", "quantizer_from"]

Range = Sequence[float]


class Quantizer(Configured):
    """The base class of quantizers: ``quantizer(x, axis=...)`` returns integers and scales.

    Args:
        output_dtype: name of the dtype of the integers; ``"int8"`` by default.

    >>> class Rounded(Quantizer):
    ...     def __call__(self, x, axis=None, to_numpy=False):
    ...         return x.round().astype(self.output_dtype), x.max(axis, keepdims=True) * 0 + 1
    >>> Rounded().output_dtype
    'int8'
    """

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __repr__(self) -> str:
        given = self.get_config().items()
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in given)})"

    def __call__(
        self, x: Any, axis: int | Sequence[int] | None = None, to_numpy: bool = False
    ) -> Any:
        """Quantize an array; the base class returns it.

        Args:
            x: the array.
            axis: the axis or axes that share a scale.
            to_numpy: bool, whether to compute with NumPy; False by default.

        Returns:
            The integers and their scales.
        """
        return x


class AbsMaxQuantizer(Quantizer):
    """Quantizes by the largest absolute value: ``q = round(s x)``, ``s = high / (max|x| + e)``.

    Args:
        axis: int, or sequence of int, axes that share a scale; None (default) for that of the call,
            or the last.
        value_range: sequence of two numbers, the lowest and the highest integer; (-127, 127) by
            default.
        epsilon: float, e; 1e-7 by default.
        output_dtype: name of the dtype of the integers; ``"int8"`` by default.

    Raises:
        InputError: the range exceeds that of int8.

    >>> import jax.numpy as jnp
    >>> integers, scale = AbsMaxQuantizer()(jnp.array([[1.0, -2.0]]))
    >>> integers.tolist(), scale.tolist()
    ([[64, -127]], [[63.5]])
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = None,
        value_range: Range = (-127, 127),
        epsilon: float = EPSILON,
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range = tuple(value_range)
        self.epsilon = epsilon
        low, high = self.value_range
        if output_dtype == "int8" and (low < -128 or high > 127):
            raise InputError(
                explain(
                    "AbsMaxQuantizer has a value_range that int8 does not hold.",
                    expected="numbers from -128 to 127",
                    received=repr(self.value_range),
                    remedy="Pass value_range=(-127, 127), for example.",
                )
            )

    def __call__(
        self, x: ArrayLike, axis: int | Sequence[int] | None = None, to_numpy: bool = False
    ) -> Any:
        """Quantize an array.

        Args:
            x: the array, floating.
            axis: int, or sequence of int, axes that share a scale; None (default) for those of the
                constructor, or the last.
            to_numpy: bool, whether to compute with NumPy; False by default.

        Returns:
            The integers, of the shape of x, and the scales, with size 1 on these axes.
        """
        axis = self.axis if axis is None else axis
        return abs_max_quantize(
            x,
            -1 if axis is None else axis,
            self.value_range,
            self.output_dtype,
            self.epsilon,
            to_numpy,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.axis is None:
            del config["axis"]
        return config


def quantizer_from(config: Mapping[str, Any]) -> Quantizer:
    """Return the quantizer of a config.

    Args:
        config: a dict of ``class_name`` and ``config``.

    Raises:
        UnknownNameError: no quantizer of Lamina has that name.
    """
    known = {"abs_max_quantizer": AbsMaxQuantizer, "quantizer": Quantizer}
    kind = look_up("quantizer", str(config.get("class_name")), known, {})
    return kind.from_config(config.get("config") or {})
