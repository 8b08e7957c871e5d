"""The options of quantization: which integers, and how weights and inputs are rounded to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

from lamina.configured import Configured
from lamina.errors import InputError, explain
from lamina.named_configs import serialize
from lamina.quantizers.quantizer import AbsMaxQuantizer, Quantizer, quantizer_from

__all__ = [
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "resolve",
]

QuantizerLike = Quantizer | Mapping[str, Any] | None


class QuantizationConfig(Configured):
    """The base class of the options of :meth:`lamina.Layer.quantize`.

    Args:
        weight_quantizer: a :class:`Quantizer` of weights, or its config; None (default) for
            :class:`AbsMaxQuantizer`.
        activation_quantizer: a :class:`Quantizer` of inputs, or its config; None (default) to leave
            them as floats.

    >>> Int8QuantizationConfig().mode
    'int8'
    """

    mode: str = ""
    """``"int8"`` or ``"int4"``."""

    def __init__(
        self,
        weight_quantizer: QuantizerLike = None,
        activation_quantizer: QuantizerLike = None,
    ) -> None:
        self.weight_quantizer = _quantizer(weight_quantizer)
        self.activation_quantizer = _quantizer(activation_quantizer)

    def get_config(self) -> dict[str, Any]:
        return {
            "weight_quantizer": serialize(self.weight_quantizer),
            "activation_quantizer": serialize(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        given = vars(self).items()
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in given)})"

    def _check(self, low: float, high: float) -> None:
        """Check that a quantizer of weights gives integers that are stored."""
        quantizer: Any = self.weight_quantizer
        if quantizer is None:
            return
        found = getattr(quantizer, "value_range", (low, high))
        if quantizer.output_dtype != "int8" or not low <= min(found) <= max(found) <= high:
            raise InputError(
                explain(
                    f"{type(self).__name__} has a weight_quantizer of other integers.",
                    expected=f"output_dtype='int8' and values from {low} to {high}",
                    received=f"output_dtype={quantizer.output_dtype!r}, value_range={found}",
                    remedy=f"Pass AbsMaxQuantizer(value_range=({low}, {high})).",
                )
            )


class Int8QuantizationConfig(QuantizationConfig):
    """Weights as integers of 8 bits, with a scale for each output.

    Args:
        weight_quantizer: a :class:`Quantizer` of weights, or its config; None (default) for
            :class:`AbsMaxQuantizer`.
        activation_quantizer: a :class:`Quantizer` of inputs, or its config; None to leave them as
            floats; ``"default"`` for :class:`AbsMaxQuantizer`, with a scale for each row.

    Raises:
        InputError: the quantizer of weights does not give int8.

    >>> Int8QuantizationConfig(activation_quantizer=None).activation_quantizer
    """

    mode = "int8"

    def __init__(
        self,
        weight_quantizer: QuantizerLike = None,
        activation_quantizer: QuantizerLike | str = "default",
    ) -> None:
        super().__init__(weight_quantizer, _or(AbsMaxQuantizer(), activation_quantizer))
        self._check(-128, 127)


class Int4QuantizationConfig(QuantizationConfig):
    """Weights as integers of 4 bits, with a scale for each block of inputs of each output.

    Args:
        weight_quantizer: a :class:`Quantizer` of weights, or its config; None (default) for
            :class:`AbsMaxQuantizer`. Blocks take none.
        activation_quantizer: a :class:`Quantizer` of inputs, or its config; None, or ``"default"``,
            to leave them as floats. Blocks take none.
        block_size: positive integer, number of inputs that share a scale and a zero point, 128 by
            default; None or -1 for one scale for each output, without a zero point.

    Raises:
        InputError: the block size is not positive, or there are blocks and a quantizer; or the
            quantizer of weights gives other integers.

    >>> Int4QuantizationConfig().block_size
    128
    """

    mode = "int4"

    def __init__(
        self,
        weight_quantizer: QuantizerLike = None,
        activation_quantizer: QuantizerLike | str = "default",
        block_size: int | None = 128,
    ) -> None:
        super().__init__(weight_quantizer, _or(None, activation_quantizer))
        self._check(-8, 7)
        whole = isinstance(block_size, int) and not isinstance(block_size, bool)
        if block_size is not None and (not whole or (block_size < 1 and block_size != -1)):
            raise _bad_block("a positive integer, None or -1", repr(block_size))
        given = self.weight_quantizer is not None or self.activation_quantizer is not None
        if block_size not in (None, -1) and given:
            raise _bad_block("None together with quantizers", repr(block_size))
        self.block_size = block_size

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"block_size": self.block_size}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{"block_size": None, **config})


_REFUSED = {
    "float8": "Training in float8 is not supported: use the dtype policy 'mixed_bfloat16'.",
    "gptq": "Weights are not calibrated on data: use 'int4' with a small block_size.",
    "awq": "Weights are not calibrated on data: use 'int4' with a small block_size.",
}


def resolve(mode: str | None, config: QuantizationConfig | None = None) -> QuantizationConfig:
    """Return the options of quantization for a mode.

    Args:
        mode: ``"int8"`` or ``"int4"``; None for that of `config`.
        config: the options; None (default) for the defaults of the mode.

    Raises:
        InputError: the mode is unknown, or that of the options is another.

    >>> resolve("int4").block_size
    128
    """
    if isinstance(config, str):
        mode, config = config, None
    known = {"int8": Int8QuantizationConfig, "int4": Int4QuantizationConfig}
    given: Any = config
    if given is None and mode in known:
        return known[mode]()
    if isinstance(given, QuantizationConfig) and given.mode in known and mode in (None, given.mode):
        return given
    received = f"mode={mode!r}" if given is None else f"mode={mode!r}, config={given!r}"
    raise InputError(
        explain(
            "This is not a mode of quantization.",
            expected="'int8' or 'int4', or an Int8QuantizationConfig or Int4QuantizationConfig",
            received=received,
            remedy=_REFUSED.get(str(mode), "Pass quantize('int8')."),
        )
    )


def _quantizer(given: Any) -> Any:
    if isinstance(given, Mapping):
        given = quantizer_from(cast("Mapping[str, Any]", given))
    if given is None or callable(given):
        return given
    raise InputError(
        explain(
            "A quantizer is expected.",
            expected="a lamina.quantizers.Quantizer, or None",
            received=repr(given),
            remedy="Pass lamina.quantizers.AbsMaxQuantizer(), for example.",
        )
    )


def _or(default: QuantizerLike, given: QuantizerLike | str) -> QuantizerLike:
    if given == "default":
        return default
    if not isinstance(given, str):
        return given
    raise InputError(
        explain(
            "activation_quantizer has an unknown name.",
            expected="'default', a quantizer, or None",
            received=repr(given),
            remedy="Pass lamina.quantizers.AbsMaxQuantizer(), for example.",
        )
    )


def _bad_block(expected: str, received: str) -> InputError:
    return InputError(
        explain(
            "Int4QuantizationConfig has a block_size that does not fit.",
            expected=expected,
            received=received,
            remedy="Leave block_size out, or pass block_size=None.",
        )
    )
