"""The embedding of ids, and the way back."""

from __future__ import annotations

import math
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina import initializers
from lamina.layers.bases.checks import check_count, check_shape, check_within
from lamina.layers.bases.low_rank import Adaptable
from lamina.ops.dense import dense
from lamina.ops.lookup import lookup

__all__ = ["Embedding", "ReversibleEmbedding"]

_AXES = "input_dim, output_dim"


class Embedding(Adaptable):
    """A vector for each id: ``y[..., :] = embeddings[x[...], :]``.

    Shapes: ``[...] -> [..., output_dim]``; weights ``embeddings [input_dim, output_dim]``. Floats
    are cast to int32. An id outside ``0 <= id < input_dim`` gives NaN, so that training names
    this layer instead of learning from a wrong row.

    Args:
        input_dim: how many ids there are, 0 included.
        output_dim: the size of a vector.
        embeddings_initializer: of ``embeddings``.
        mask_zero: whether id 0 is padding, which :meth:`compute_mask` tells the layers after it.
        weights: a matrix that ``embeddings`` starts as, bare or in a list.
        **options: ``embeddings_regularizer`` and ``embeddings_constraint``; ``lora_rank`` and
            ``lora_alpha``, of :meth:`enable_lora`; ``name`` and the others of any layer.

    Raises:
        InputError: a dim is not a whole number above 0, or ``weights`` have another shape.
        UnknownNameError: the initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = Embedding(10, 4, mask_zero=True)
    >>> layer(jnp.array([[3, 1, 0]])).shape
    (1, 3, 4)
    >>> layer.compute_mask(jnp.array([[3, 1, 0]])).tolist()
    [[True, True, False]]
    """

    _weights = ("embeddings",)
    _adapted = "embeddings"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: initializers.InitializerLike = "uniform",
        *,
        mask_zero: bool = False,
        weights: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.input_dim = check_count(self, "input_dim", input_dim)
        self.output_dim = check_count(self, "output_dim", output_dim)
        if weights is not None:
            matrix: Any = cast("Any", weights)[0] if isinstance(weights, list) else weights
            check_shape(self, "a matrix of weights", matrix, (input_dim, output_dim), _AXES)
            embeddings_initializer = initializers.Constant(matrix)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.mask_zero = mask_zero

    def build(self, input_shape: Any = (None,)) -> None:
        self.embeddings = self._kernel((self.input_dim, self.output_dim))

    def call(self, inputs: jax.Array) -> jax.Array:
        outputs = lookup(self.embeddings, inputs)
        return self._with_change(outputs, lambda embeddings: lookup(embeddings, inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0 if self.mask_zero else None


class ReversibleEmbedding(Embedding):
    """A vector for each id, and with ``reverse`` a logit of each id for a vector.

    ``y[..., :] = embeddings[x[...], :]``, and back ``logits = h embeddings^T``, or ``c tanh(h
    embeddings^T / c)`` with a cap c. Shapes: ``[...] -> [..., output_dim]``, and back ``[...,
    output_dim] -> [..., input_dim]``; weights ``embeddings [input_dim, output_dim]`` and, if they
    are not tied, ``reverse_embeddings [output_dim, input_dim]``.

    Args:
        input_dim: how many ids there are, 0 included.
        output_dim: the size of a vector.
        tie_weights: whether the way back takes the same weights.
        embeddings_initializer: of ``embeddings``, and of ``reverse_embeddings``.
        mask_zero: whether id 0 is padding, which :meth:`compute_mask` tells the layers after it.
        reverse_dtype: of the way back; that in which its operands meet if None.
        logit_soft_cap: c, which no logit's size exceeds.
        **options: ``embeddings_regularizer`` and ``embeddings_constraint``; ``name`` and the
            others of any layer.

    Call takes ``reverse``, whether to go back.

    Raises:
        InputError: a dim or the cap is not above 0, or what goes back has another last axis.
        UnknownNameError: the initializer has no such name.

    Source: Press, Wolf, Using the output embedding to improve language models, arXiv 1608.05859.

    >>> import jax.numpy as jnp
    >>> layer = ReversibleEmbedding(10, 4)
    >>> hidden = layer(jnp.array([[3, 1, 0]]))
    >>> layer(hidden, reverse=True).shape
    (1, 3, 10)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: initializers.InitializerLike = "uniform",
        *,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            input_dim, output_dim, embeddings_initializer, mask_zero=mask_zero, **options
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        least = math.ulp(0.0)  # the smallest number above 0
        self.logit_soft_cap = (
            None
            if logit_soft_cap is None
            else check_within(self, "logit_soft_cap", logit_soft_cap, least, math.inf)
        )

    def build(self, input_shape: Any = (None,)) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = self._weight("embeddings", shape)

    def call(self, inputs: jax.Array, reverse: bool = False) -> jax.Array:
        if not reverse:
            return super().call(inputs)
        shape = (*inputs.shape[:-1], self.output_dim)
        check_shape(self, "an input in reverse", inputs, shape, "..., output_dim")
        kernel = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        if self.reverse_dtype is not None:
            inputs, kernel = inputs.astype(self.reverse_dtype), kernel.astype(self.reverse_dtype)
        logits = dense(inputs, kernel)
        if self.lora is not None and self.tie_weights:
            a, b = self.lora(self.embeddings.value)
            logits += dense(dense(inputs, b.T), a.T).astype(logits.dtype)
        cap = self.logit_soft_cap
        return logits if cap is None else cap * jnp.tanh(logits / cap)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        ids = jnp.issubdtype(inputs.dtype, jnp.integer)
        return super().compute_mask(inputs, mask) if ids else None
