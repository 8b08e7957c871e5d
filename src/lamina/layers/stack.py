"""Several copies of a layer with stacked weights: in sequence, or in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from lamina.core.running.masks import masks_by_inner_layers
from lamina.core.running.scope import set_masks
from lamina.core.running.stacked_copies import InParallel, InSequence, run_copies
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_count
from lamina.layers.bases.inner_layers import check_layer
from lamina.lazy import lazily
from lamina.options import LayerOptions

if TYPE_CHECKING:
    from lamina import saving
else:
    saving = lazily("lamina.saving")

__all__ = ["Ensemble", "Stack"]


class _Copies(Layer):
    """The base of layers that hold several copies of one layer.

    Args:
        make: a function that makes one, or one that is not built, as a pattern.
        n: the number of copies.
        **options: those of :class:`lamina.Layer`.
    """

    def __init__(
        self, make: Callable[[], Layer] | Layer, n: int, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.n = check_count(self, "n", n)
        made = saving.recreated(make) if isinstance(make, Layer) else make()
        self.block = check_layer(self, "make", made)
        if any(variable.built for _, variable in walk(made).variables.values()):
            raise InputError(
                explain(
                    f"{type(self).__name__} got a layer that is built.",
                    where=f"made at {self._lamina.made_at}",
                    expected="a function that makes a layer without weights yet",
                    received=f"a {type(made).__name__} that has weights",
                    remedy="Make the layer without an input shape: each copy draws its weights "
                    "when all are built.",
                )
            )
        self.block._lamina.copies = self.n
        self._lamina.arguments, self._lamina.keywords = (self.block, self.n), dict(options)

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.block.compute_mask(inputs, mask)


class Stack(_Copies):
    """Equal blocks one after the other: ``x = block_i(x)`` for i = 0, ..., n - 1.

    The block is planned, traced and compiled once, whatever n is. Its weights have a first axis of
    n more, and `jax.lax.scan` runs over them. Initial values, outputs and random numbers are those
    of a list of n blocks that is kept as the same attribute. An optimizer sees one weight ``[n,
    ...]``: a norm of one weight, as of ``clipnorm`` or LAMB, is that of all n blocks.

    Shapes: those of a block, whose output has the shape and dtype of its first input; weights
    ``[n, ...]``.

    Args:
        make: a function that makes one block, such as ``lambda: TransformerEncoderBlock(1024, 8)``,
            or a block that is not built, as a pattern for all.
        n: the number of blocks, a positive integer.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: of the first block; each of the others gets the outputs of the one before.
        *others: more inputs, the same for all blocks.
        mask: a padding mask, the same for all blocks, if they take one; None by default.
        **named: inputs by name, the same for all blocks.

    Returns:
        The outputs of the last block.

    Raises:
        InputError: n is not a positive integer, `make` does not give a layer, or that is built; or
            a block's output differs from its input in shape or dtype.
        TraceError: a block assigns a variable that it shares with the others.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> deep = Stack(lambda: layers.Residual(layers.Dense(8)), 48)
    >>> deep(jnp.ones((2, 8))).shape, deep.block.layer.kernel.shape
    ((2, 8), (48, 8, 8))
    """

    def call(self, inputs: Any, *others: Any, mask: Any = None, **named: Any) -> Any:
        set_masks(inputs, mask)
        runner = InSequence(self, self.n, inputs)
        return run_copies(self.block, runner, lambda x: self.block(x, *others, **named))


class Ensemble(_Copies):
    """Equal layers side by side on the same inputs: ``y[i] = layer_i(x)``.

    The layer is planned and compiled once. Its weights have a first axis of n more, and `jax.vmap`
    runs over them. Initial values and random numbers are those of a list of n layers that is kept
    as the same attribute.

    Shapes: what a layer makes of its inputs, with a first axis of n more: ``[batch, ...] -> [n,
    batch, ...]``; weights ``[n, ...]``.

    Args:
        make: a function that makes one layer, or a layer that is not built, as a pattern for all.
        n: the number of layers, a positive integer.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: of every layer.
        *others: more inputs, the same for all.
        mask: a padding mask, if the layers take one; None by default.
        **named: inputs by name.

    Returns:
        The outputs of all layers, stacked on a new first axis.

    Raises:
        InputError: n is not a positive integer, `make` does not give a layer, or that is built.
        TraceError: a layer assigns a variable that it shares with the others.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> five = Ensemble(lambda: layers.Dense(3), 5)
    >>> five(jnp.ones((2, 4))).shape, five.block.kernel.shape
    ((5, 2, 3), (5, 4, 3))
    """

    def call(self, inputs: Any, *others: Any, mask: Any = None, **named: Any) -> Any:
        set_masks(inputs, mask)
        runner = InParallel(self.n, inputs)
        return run_copies(self.block, runner, lambda x: self.block(x, *others, **named))

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None
