"""Embeddings of ids, and the reverse projection to logits."""

from __future__ import annotations

import math
import warnings
from typing import Any, Unpack, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from lamina import initializers
from lamina.core.running.precision import compute_dtype
from lamina.core.running.scope import decoding
from lamina.core.tree.variable import Variable
from lamina.errors import explain
from lamina.layers.bases.checks import check_count, check_shape, check_within
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.options import EmbeddingOptions
from lamina.layers.bases.quantized import form_of, stored
from lamina.ops.dense import dense
from lamina.ops.lookup import lookup
from lamina.ops.quantization import rows_of

__all__ = ["Embedding", "ReversibleEmbedding"]

_AXES = "input_dim, output_dim"


class Embedding(Adaptable):
    """A table of trainable vectors, one for each id: ``y[..., :] = embeddings[x[...], :]``.

    Shapes: ids ``[...] -> [..., output_dim]``; weight ``embeddings [input_dim, output_dim]``. Ids
    of a float dtype are cast to int32. An id outside ``[0, input_dim)`` gives NaN, so that training
    reports this layer instead of using a wrong row.

    Args:
        input_dim: positive integer, number of ids: the largest id plus 1.
        output_dim: positive integer, size of an embedding vector.
        embeddings_initializer: initializer of ``embeddings``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"uniform"`` by default.
        mask_zero: bool, whether id 0 is padding, which :meth:`compute_mask` masks for later layers;
            False by default.
        weights: array ``[input_dim, output_dim]``, or a list that holds one: initial value of
            ``embeddings``, used instead of the initializer; None by default.
        embeddings_regularizer: penalty on ``embeddings``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        embeddings_constraint: function applied to ``embeddings`` after each training step, a name,
            a :class:`lamina.constraints.Constraint` or a function ``array -> array``; None by
            default.
        lora_rank: positive integer, rank of a LoRA update of the frozen ``embeddings``, see
            :meth:`enable_lora`; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the update's scale ``lora_alpha / lora_rank``; the
            rank by default.
        quantization_config: a :class:`lamina.quantizers.Int8QuantizationConfig` or
            :class:`lamina.quantizers.Int4QuantizationConfig`, to store the table as integers, see
            :meth:`quantize`; None (default) for floats.
        input_length: of older versions of Keras; ignored with a warning. None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``.

    Raises:
        InputError: a dim is not a positive integer, or ``weights`` has another shape.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

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
        weights: ArrayLike | list[ArrayLike] | None = None,
        **options: Unpack[EmbeddingOptions],
    ) -> None:
        if "input_length" in options:
            _warn_of_input_length(self, options.pop("input_length"))
        super().__init__(**options)
        self.input_dim = check_count(self, "input_dim", input_dim)
        self.output_dim = check_count(self, "output_dim", output_dim)
        if weights is not None:
            matrix: Any = cast("Any", weights)[0] if isinstance(weights, list) else weights
            check_shape(self, "a matrix of weights", matrix, (input_dim, output_dim), _AXES)
            embeddings_initializer = initializers.Constant(matrix)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.mask_zero = self.supports_masking = mask_zero

    def build(self, input_shape: Any = (None,)) -> None:
        self.embeddings = self._kernel((self.input_dim, self.output_dim))

    @property
    def lora_embeddings_a(self) -> Variable:
        """The weight ``lora.a``, under its name in Keras; missing without LoRA."""
        return self._factor("a")

    @property
    def lora_embeddings_b(self) -> Variable:
        """The weight ``lora.b``, under its name in Keras; missing without LoRA."""
        return self._factor("b")

    def call(self, inputs: jax.Array) -> jax.Array:
        incremental = decoding()
        if incremental is not None:
            inputs = incremental.shifted(inputs)
        if self.quantization_config is None:
            outputs = lookup(self.embeddings, inputs)
        else:
            matrix, form = stored(self, "embeddings"), form_of(self.quantization_config)
            outputs = rows_of(matrix, inputs, form).astype(compute_dtype(self))
        return self._with_change(outputs, lambda embeddings: lookup(embeddings, inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0 if self.mask_zero else None

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        return {"embeddings": (0,)}


class ReversibleEmbedding(Embedding):
    """An embedding that also projects vectors back to logits of the ids.

    ``y[..., :] = embeddings[x[...], :]``; with ``reverse=True`` in the call, ``logits = h
    embeddings^T``, or ``c tanh(h embeddings^T / c)`` with a soft cap c. Shapes: ids ``[...] ->
    [..., output_dim]``, and in reverse ``[..., output_dim] -> [..., input_dim]``; weights
    ``embeddings [input_dim, output_dim]`` and, if they are not tied, ``reverse_embeddings
    [output_dim, input_dim]``.

    Args:
        input_dim: positive integer, number of ids: the largest id plus 1.
        output_dim: positive integer, size of an embedding vector.
        tie_weights: bool, whether the reverse projection uses the transposed ``embeddings``; True
            by default.
        embeddings_initializer: initializer of ``embeddings`` and ``reverse_embeddings``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"uniform"`` by default.
        mask_zero: bool, whether id 0 is padding, which :meth:`compute_mask` masks for later layers;
            False by default.
        reverse_dtype: dtype of the reverse projection; None (default) for that of its operands.
        logit_soft_cap: float > 0, c, the bound on the absolute value of logits; None (default) for
            no bound.
        embeddings_regularizer: penalty on ``embeddings``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        embeddings_constraint: function applied to ``embeddings`` after each training step, a name,
            a :class:`lamina.constraints.Constraint` or a function ``array -> array``; None by
            default.
        lora_rank: positive integer, rank of a LoRA update of the frozen ``embeddings``, see
            :meth:`enable_lora`; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the update's scale ``lora_alpha / lora_rank``; the
            rank by default.
        quantization_config: a :class:`lamina.quantizers.Int8QuantizationConfig` or
            :class:`lamina.quantizers.Int4QuantizationConfig`, to store the table as integers, see
            :meth:`quantize`; None (default) for floats.
        input_length: of older versions of Keras; ignored with a warning. None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``.

    Raises:
        InputError: a dim is not a positive integer, the cap is not positive, or an input in reverse
            has another last axis.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

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
        reverse_dtype: DTypeLike | None = None,
        logit_soft_cap: float | None = None,
        **options: Unpack[EmbeddingOptions],
    ) -> None:
        super().__init__(
            input_dim, output_dim, embeddings_initializer, mask_zero=mask_zero, **options
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = (
            None
            if logit_soft_cap is None
            else check_within(self, "logit_soft_cap", logit_soft_cap, high=math.inf, above=True)
        )

    def build(self, input_shape: Any = (None,)) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            if self.quantization_config is None:
                self.reverse_embeddings = self._weight("embeddings", shape)
            else:
                self.reverse_embeddings = self._integer_weight("reverse_embeddings", shape)

    def call(self, inputs: jax.Array, reverse: bool = False) -> jax.Array:
        if not reverse:
            return super().call(inputs)
        shape = (*inputs.shape[:-1], self.output_dim)
        check_shape(self, "an input in reverse", inputs, shape, "..., output_dim")
        if self.quantization_config is not None:
            name = "embeddings" if self.tie_weights else "reverse_embeddings"
            logits = self._multiplied(inputs, name)
        else:
            kernel = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
            if self.reverse_dtype is not None:
                inputs, kernel = (one.astype(self.reverse_dtype) for one in (inputs, kernel))
            logits = dense(inputs, kernel)
        if self.lora is not None and self.tie_weights:
            a, b = self._factors()
            logits += dense(dense(inputs, b.T), a.T).astype(logits.dtype)
        cap = self.logit_soft_cap
        return logits if cap is None else cap * jnp.tanh(logits / cap)

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        axes = super()._quantized_axes()
        return axes if self.tie_weights else axes | {"reverse_embeddings": (1,)}

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        ids = jnp.issubdtype(inputs.dtype, jnp.integer)
        return super().compute_mask(inputs, mask) if ids else None


def _warn_of_input_length(layer: Embedding, length: int | None) -> None:
    """Warn of an argument without effect, and leave it out of the layer's config."""
    layer._lamina.keywords.pop("input_length", None)
    if length is not None:
        warnings.warn(
            explain(
                "The argument input_length has no effect.",
                where=f"made at {layer._lamina.made_at}",
                received=repr(length),
                remedy="Leave it out: the length follows from the input.",
            ),
            UserWarning,
            stacklevel=3,
        )
