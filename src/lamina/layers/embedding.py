"""The embedding of ids."""

from __future__ import annotations

from typing import Any

import jax

from lamina import initializers
from lamina.layer import Layer
from lamina.layers.checks import check_count
from lamina.ops.lookup import lookup

__all__ = ["Embedding"]


class Embedding(Layer):
    """A vector for each id: ``y[..., :] = embeddings[x[...], :]``.

    Shapes: ``[...] -> [..., output_dim]``; weights ``embeddings [input_dim, output_dim]``. Floats
    are cast to int32. An id outside ``0 <= id < input_dim`` gives NaN, so that training names
    this layer instead of learning from a wrong row.

    Args:
        input_dim: how many ids there are, 0 included.
        output_dim: the size of a vector.
        embeddings_initializer: of ``embeddings``.
        mask_zero: whether id 0 is padding, which :meth:`compute_mask` tells the layers after it.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a dim is not a whole number above 0.
        UnknownNameError: the initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = Embedding(10, 4, mask_zero=True)
    >>> layer(jnp.array([[3, 1, 0]])).shape
    (1, 3, 4)
    >>> layer.compute_mask(jnp.array([[3, 1, 0]])).tolist()
    [[True, True, False]]
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: initializers.InitializerLike = "uniform",
        *,
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.input_dim = check_count(self, "input_dim", input_dim)
        self.output_dim = check_count(self, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.mask_zero = mask_zero

    def build(self, input_shape: Any) -> None:
        shape = (self.input_dim, self.output_dim)
        self.embeddings = self.add_weight(shape, self.embeddings_initializer)

    def call(self, inputs: jax.Array) -> jax.Array:
        return lookup(self.embeddings, inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0 if self.mask_zero else None
