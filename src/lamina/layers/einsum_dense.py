"""The dense layer of any equation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from lamina import activations, initializers
from lamina.core.tree.node import Tracked
from lamina.errors import InputError
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.low_rank import Adaptable
from lamina.ops.einsum import einsum

__all__ = ["EinsumDense"]

Size = int | None

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(Adaptable):
    """A product by an equation, a bias and an activation: ``y = act(einsum(x, kernel) + bias)``.

    Shapes: as the equation says; weights ``kernel``, the sizes of its letters, and ``bias``, those
    of ``bias_axes``.

    Args:
        equation: ``"ab,bc->ac"``, ``"...b,bc->...c"`` or ``"ab...,bc->ac..."``: letters name axes,
            and dots stand for any more that input and output have, in front or at the end.
        output_shape: of the output without its first axis, the batch's, and without what dots
            stand for; None where it is the input's.
        activation: a name or a function of one array; None for none.
        bias_axes: the letters of the output that the bias has axes for; None for no bias.
        kernel_initializer: of ``kernel``; it counts the summed axes as inputs.
        bias_initializer: of ``bias``.
        **options: ``kernel_regularizer``, ``bias_regularizer``, ``kernel_constraint`` and
            ``bias_constraint``; ``lora_rank`` and ``lora_alpha``, of :meth:`enable_lora`; ``name``
            and the others of any layer.

    Raises:
        InputError: the equation is none of these, or the shapes do not fit it.
        UnknownNameError: an activation or initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
    >>> layer(jnp.ones((8, 5, 6))).shape
    (8, 5, 2, 4)
    >>> layer.kernel.shape, layer.bias.shape
    ((6, 2, 4), (2, 4))
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None] | None,
        activation: activations.ActivationLike = None,
        bias_axes: str | None = None,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
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
        if self.lora is not None and not _ends_alike(self.equation):
            outputs = einsum(self.equation, inputs, self._changed(), self.bias)
        else:
            outputs = einsum(self.equation, inputs, self.kernel, self.bias)
            outputs = self._with_change(outputs, lambda a: einsum(self.equation, inputs, a))
        return activations.get(self.activation)(outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the inputs, if the axes that it is for stay in front; else none."""
        if mask is None or mask.ndim > _kept_in_front(self.equation, inputs.ndim):
            return None
        return mask


class _Shapes(NamedTuple):
    """The shapes of the weights, and which of the kernel's axes are summed and which stay.

    What is not known is None. The bias has the last axes of the output, of size 1 where it has no
    axis of its own.
    """

    kernel: tuple[Size, ...]
    bias: tuple[Size, ...] | None
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]


def _ends_alike(equation: str) -> bool:
    """Whether the kernel's last axis is the output's, and not one of the input's."""
    inputs, kernel, outputs = re.split(",|->", equation)
    return kernel[-1] == outputs[-1] and kernel[-1] not in inputs


def _kept_in_front(equation: str, rank: int) -> int:
    """How many axes of an input of that rank are the output's first ones, too."""
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
            raise _refusal(layer, "each letter once in a term", term)
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
    """Note the sizes of the output's axes, which must be the input's where it has them."""
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
        "has an equation that does not work out",
        expected=expected,
        received=received,
        remedy="Correct the equation, or the shapes that it is used with.",
    )
