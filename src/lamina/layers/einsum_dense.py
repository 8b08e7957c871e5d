"""A dense layer whose product is an einsum equation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp

from lamina import activations, initializers
from lamina.core.running.precision import compute_dtype
from lamina.core.tree.node import Tracked
from lamina.errors import InputError
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.options import QuantizableOptions
from lamina.ops.arrays import cast
from lamina.ops.dense import dense
from lamina.ops.einsum import einsum

__all__ = ["EinsumDense"]

Size = int | None

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(Adaptable):
    """A dense layer defined by an einsum equation: ``y = act(einsum(x, kernel) + bias)``.

    Shapes: input and output as the equation says; weights ``kernel``, with the axes of its letters,
    and ``bias``, with the axes of ``bias_axes``.

    Args:
        equation: str, such as ``"ab,bc->ac"``, ``"...b,bc->...c"`` or ``"ab...,bc->ac..."``. A
            letter names an axis; dots mean any further axes of both input and output.
        output_shape: int or None, or a sequence of them: the output's sizes without the batch axis
            and the axes of the dots; None for a size of the input.
        activation: name of an activation or function of one array, applied to the output; None
            (default) for none.
        bias_axes: str, the letters of the output's axes that the bias has; None (default) for no
            bias.
        kernel_initializer: initializer of ``kernel``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"glorot_uniform"`` by default. The summed axes are the fan-in.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        kernel_regularizer, bias_regularizer: penalty on ``kernel`` and on ``bias``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        kernel_constraint, bias_constraint: function applied to ``kernel`` and to ``bias`` after
            each training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        lora_rank: positive integer, rank of a LoRA update of the frozen kernel, see
            :meth:`enable_lora`; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the update's scale ``lora_alpha / lora_rank``; the
            rank by default.
        quantization_config: a :class:`lamina.quantizers.Int8QuantizationConfig` or
            :class:`lamina.quantizers.Int4QuantizationConfig`, to store the kernel as integers, see
            :meth:`quantize`; None (default) for floats.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the equation has another form, or the shapes do not fit it.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.

    >>> import jax.numpy as jnp
    >>> layer = EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
    >>> layer(jnp.ones((8, 5, 6))).shape
    (8, 5, 2, 4)
    >>> layer.kernel.shape, layer.bias.shape
    ((6, 2, 4), (2, 4))
    """

    supports_masking = False

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None] | None,
        activation: activations.ActivationLike = None,
        bias_axes: str | None = None,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[QuantizableOptions],
    ) -> None:
        super().__init__(**options)
        self.equation = equation.replace(" ", "")
        several = isinstance(output_shape, Sequence)
        self.output_shape = tuple(output_shape) if several else (output_shape,)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        kernel, bias, inputs, outputs = _shapes(self, tuple(input_shape))
        initializer = initializers.with_axes(self.kernel_initializer, inputs, outputs)
        self.kernel = self._kernel(kernel, initializer)
        self.bias = None if bias is None else self._weight("bias", bias)

    def call(self, inputs: jax.Array) -> jax.Array:
        if self.quantization_config is not None:
            outputs = self._quantized_einsum(inputs)
            outputs = outputs if self.bias is None else outputs + cast(self.bias, outputs.dtype)
            if self.lora is not None:
                a, b = self._factors()
                update = einsum(self.equation, inputs, dense(a, b))
                outputs += cast(update, outputs.dtype)
        elif self.lora is not None and not _ends_alike(self.equation):
            outputs = einsum(self.equation, inputs, self._changed(), self.bias)
        else:
            outputs = einsum(self.equation, inputs, self.kernel, self.bias)
            outputs = self._with_change(outputs, lambda a: einsum(self.equation, inputs, a))
        return activations.get(self.activation)(outputs)

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        _, kernel, outputs = re.split(",|->", self.equation)
        return {"kernel": tuple(i for i, letter in enumerate(kernel) if letter in outputs)}

    def _quantized_einsum(self, inputs: jax.Array) -> jax.Array:
        """The sum with a kernel of integers, as one product of matrices if it is one."""
        terms = _labels(self.equation, inputs.ndim)
        summed = [one for one in terms.kernel if one not in terms.outputs]
        kept = [one for one in terms.kernel if one in terms.outputs]
        rest = [one for one in terms.inputs if one not in summed]
        if set(rest) & set(kept) or set(rest) - set(terms.outputs):
            return self._einsum_of_floats(inputs, terms)
        shape = dict(zip(terms.inputs, inputs.shape, strict=True))
        shape |= dict(zip(terms.kernel, self._shapes["kernel"], strict=True))
        x = inputs.transpose([terms.inputs.index(one) for one in (*rest, *summed)])
        y = self._multiplied(x.reshape(*[shape[one] for one in rest], -1))
        y = y.reshape([shape[one] for one in (*rest, *kept)])
        return y.transpose([(*rest, *kept).index(one) for one in terms.outputs])

    def _einsum_of_floats(self, inputs: jax.Array, terms: _Terms) -> jax.Array:
        """The sum of inputs and kernel, each rounded to integers and back."""
        assert self.quantization_config is not None
        quantizer: Any = self.quantization_config.activation_quantizer
        x = inputs
        if quantizer is not None:
            axes = tuple(i for i, one in enumerate(terms.inputs) if one not in terms.outputs)
            integers, scale = quantizer(inputs.astype(jnp.float32), axis=axes)
            rounded = integers.astype(jnp.float32) / scale
            x = inputs + jax.lax.stop_gradient(rounded - inputs)
        return einsum(self.equation, x, self._floats("kernel")).astype(compute_dtype(self))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' mask if its axes are the output's first axes, too; else None."""
        if mask is None or mask.ndim > _kept_in_front(self.equation, inputs.ndim):
            return None
        return mask


class _Terms(NamedTuple):
    """The labels of the axes of the operands and the output; the dots have labels of their own."""

    inputs: tuple[str, ...]
    kernel: tuple[str, ...]
    outputs: tuple[str, ...]


def _labels(equation: str, rank: int) -> _Terms:
    inputs, kernel, outputs = re.split(",|->", equation)
    count = rank - len(inputs.replace(".", ""))
    dots = "".join(chr(ord("0") + number) for number in range(count))
    given = (term.replace("...", dots) for term in (inputs, kernel, outputs))
    return _Terms(*map(tuple, given))


class _Shapes(NamedTuple):
    """The shapes of the weights, and which of the kernel's axes are summed and which are kept.

    Unknown sizes are None. The bias has the last axes of the output, with size 1 on those that
    ``bias_axes`` does not name.
    """

    kernel: tuple[Size, ...]
    bias: tuple[Size, ...] | None
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]


def _ends_alike(equation: str) -> bool:
    """Whether the kernel's last axis is the output's last one, and no axis of the input."""
    inputs, kernel, outputs = re.split(",|->", equation)
    return kernel[-1] == outputs[-1] and kernel[-1] not in inputs


def _kept_in_front(equation: str, rank: int) -> int:
    """The number of leading axes that an input of that rank shares with the output."""
    inputs, _, outputs = re.split(",|->", equation)
    dots = rank - len(inputs.replace(".", ""))
    before, after = (text.replace("...", "." * dots) for text in (inputs, outputs))
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    return len(list(same))


def _shapes(layer: EinsumDense, input_shape: tuple[Size, ...]) -> _Shapes:
    parts = _EQUATION.fullmatch(layer.equation)
    if parts is None or (parts[1], parts[3]) != (parts[5], parts[7]) or (parts[1] and parts[3]):
        forms = "'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...'"
        raise _refusal(layer, f"an equation such as {forms}", layer.equation)
    inputs, kernel, outputs = parts[2], parts[4], parts[6]
    _check_letters(layer, inputs, kernel, outputs)
    _check_rank(layer, len(inputs), not (parts[1] or parts[3]), input_shape)
    sizes = dict(
        zip(inputs, input_shape[-len(inputs) :] if parts[1] else input_shape, strict=False)
    )
    _add_outputs(layer, sizes, outputs if parts[1] else outputs[1:])  # after the batch's letter
    bias = None if layer.bias_axes is None else _bias(layer, layer.bias_axes, outputs, sizes)
    if bias is not None and parts[3]:
        bias += (1,) * (len(input_shape) - len(inputs))
    return _Shapes(
        tuple(sizes[letter] for letter in kernel),
        bias,
        tuple(axis for axis, letter in enumerate(kernel) if letter not in outputs),
        tuple(axis for axis, letter in enumerate(kernel) if letter in outputs),
    )


def _check_letters(layer: Tracked, inputs: str, kernel: str, outputs: str) -> None:
    for term in (inputs, kernel, outputs):
        if len(set(term)) < len(term):
            raise _refusal(layer, "each letter at most once in a term", term)
    for term, others, what in (
        (outputs, inputs + kernel, "the output in the input or the kernel"),
        (kernel, inputs + outputs, "the kernel in the input or the output"),
    ):
        for letter in term:
            if letter not in others:
                raise _refusal(layer, f"each letter of {what}", f"{letter!r} in {term!r} alone")


def _check_rank(layer: Tracked, rank: int, exactly: bool, shape: tuple[Size, ...]) -> None:
    if len(shape) < rank or (exactly and len(shape) > rank):
        expected = f"an input of {rank} axes" + ("" if exactly else " or more")
        raise _refusal(layer, expected, f"shape {shape}")


def _add_outputs(layer: EinsumDense, sizes: dict[str, Size], letters: str) -> None:
    """Adds the sizes of the output's axes; axes of the input keep their size."""
    given = layer.output_shape
    if len(given) != len(letters):
        expected = f"an output_shape of {len(letters)} sizes, for {letters!r}"
        raise _refusal(layer, expected, f"output_shape={given}")
    for letter, size in zip(letters, given, strict=True):
        known = sizes.get(letter)
        if known is not None and size is not None and known != size:
            raise _refusal(layer, f"{letter} = {known}, as in the input", f"{letter} = {size}")
        sizes[letter] = size if known is None else known


def _bias(layer: Tracked, axes: str, outputs: str, sizes: dict[str, Size]) -> tuple[Size, ...]:
    if not axes or not set(axes) <= set(outputs):
        raise _refusal(layer, f"bias_axes out of {outputs!r}", f"bias_axes={axes!r}")
    first = min(outputs.index(letter) for letter in axes)
    return tuple(sizes[letter] if letter in axes else 1 for letter in outputs[first:])


def _refusal(layer: Tracked, expected: str, received: str) -> InputError:
    return refusal(
        layer,
        "has an equation that does not match the shapes",
        expected=expected,
        received=received,
        remedy="Correct the equation, output_shape or bias_axes, or the input's shape.",
    )
