"""Residual connections and Transformer blocks."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.core.specs.signature import method_of
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layers.attention.cache import Cache
from lamina.layers.bases.checks import check_rank, check_shape
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.inner_layers import check_layer
from lamina.layers.transformer_block import TransformerBlock
from lamina.options import LayerOptions

__all__ = ["Residual", "TransformerDecoderBlock", "TransformerEncoderBlock"]


class Residual(Layer):
    """Add a layer's input to its output: ``y = x + layer(x)``.

    Shapes: those of the layer, whose output must have the shape of its input.

    Args:
        layer: any layer of one input.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: the layer's input.
        mask: passed to the layer if its `call` takes a mask; None by default.

    Returns:
        The sum, in the shape of the input.

    Raises:
        InputError: ``layer`` is not a layer, or it changes the shape.

    Source: He et al., arXiv 1512.03385.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import Dense
    >>> Residual(Dense(2, kernel_initializer="ones"))(jnp.ones((1, 2))).tolist()
    [[3.0, 3.0]]
    """

    supports_masking = True

    def __init__(self, layer: Layer, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        takes_mask = "mask" in method_of(type(self.layer), "call").signature.parameters
        options = {"mask": mask} if takes_mask and mask is not None else {}
        outputs = self.layer(inputs, **options)
        check_shape(self, "an inner output", outputs, inputs.shape, "the input's axes")
        return inputs + outputs


class TransformerEncoderBlock(TransformerBlock):
    """Self-attention, then a feed-forward network at each position.

    With D the dropout, N a layer normalization and ``network(y) =
    output(activation(intermediate(y)))``::

        y = N(x + D(attention(x, x)));      out = N(y + D(network(y)))      by default
        y = x + D(attention(N(x), N(x)));   out = y + D(network(N(y)))      normalize_first

    Shapes: ``[batch, time, features]``, unchanged. Weights: those of ``self_attention`` (a
    MultiHeadAttention with ``key_dim = features / num_heads``), of the dense layers
    ``intermediate`` and ``output``, and of the normalizations.

    Args:
        intermediate_dim: size of the feed-forward network's hidden layer, a positive integer.
        num_heads: number of attention heads, a divisor of the features.
        dropout: dropout rate of each part's output and of the attention weights, a number in
            [0, 1]; 0 by default.
        activation: activation of the hidden layer, a name or a function of one array; ``"relu"``
            by default.
        layer_norm_epsilon: number added to the variance in the normalizations; 1e-5 by default.
        kernel_initializer: initializer of every ``kernel``; ``"glorot_uniform"`` by default.
        bias_initializer: initializer of every ``bias``; ``"zeros"`` by default.
        normalize_first: normalize the input of each part instead of its output; False by default.
        rotary: layer applied to queries and keys of the self-attention, such as RotaryEmbedding;
            None by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, time, features]``.
        mask: bool ``[batch, time]``, False at padding; None by default.
        attention_mask: bool ``[batch, time, time]``, True where the first position may attend to
            the second; None by default.

    Returns:
        ``[batch, time, features]``.

    Raises:
        InputError: an option is out of range, ``num_heads`` does not divide the features, or a
            shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation or initializer is unknown.

    Source: Vaswani et al., arXiv 1706.03762; normalize_first: Xiong et al., arXiv 2002.04745.

    >>> import jax.numpy as jnp
    >>> TransformerEncoderBlock(16, num_heads=2)(jnp.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def build(self, inputs_shape: Any) -> None:
        check_rank(self, inputs_shape, "batch, time, features", exactly=True)
        self.self_attention = self._attention(inputs_shape[-1], self.rotary)
        self.self_attention_norm = self._norm()
        self._make_network(inputs_shape[-1])

    def call(
        self,
        inputs: jax.Array,
        mask: jax.Array | None = None,
        attention_mask: jax.Array | None = None,
    ) -> jax.Array:
        masks: dict[str, Any] = {"value_mask": mask, "attention_mask": attention_mask}
        x, _ = self._attend(self.self_attention, self.self_attention_norm, inputs, **masks)
        return self._transform(x)


class TransformerDecoderBlock(TransformerBlock):
    """Causal self-attention, cross-attention to a memory, then a feed-forward network.

    The equations are those of :class:`TransformerEncoderBlock`, with one more part between the
    two, ``cross_attention`` with its own normalization, if the block is built with a memory.
    Without a memory it is a block of a language model.

    Shapes: inputs ``[batch, time, features]``, unchanged; memory ``[batch, source, channels]``.
    Weights: those of :class:`TransformerEncoderBlock` and of ``cross_attention``.

    Args:
        intermediate_dim: size of the feed-forward network's hidden layer, a positive integer.
        num_heads: number of attention heads, a divisor of the features.
        dropout: dropout rate of each part's output and of the attention weights, a number in
            [0, 1]; 0 by default.
        activation: activation of the hidden layer, a name or a function of one array; ``"relu"``
            by default.
        layer_norm_epsilon: number added to the variance in the normalizations; 1e-5 by default.
        kernel_initializer: initializer of every ``kernel``; ``"glorot_uniform"`` by default.
        bias_initializer: initializer of every ``bias``; ``"zeros"`` by default.
        normalize_first: normalize the input of each part instead of its output; False by default.
        rotary: layer applied to queries and keys of the self-attention, such as RotaryEmbedding;
            None by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, time, features]``.
        memory: ``[batch, source, channels]``, such as an encoder's output; None by default.
        mask: bool ``[batch, time]``, False at padding of the inputs; None by default.
        memory_mask: bool ``[batch, source]``, False at padding of the memory; None by default.
        attention_mask: bool ``[batch, time, time]``, True where the first position may attend to
            the second; None by default.
        use_causal_mask: let position t attend to positions 0 to t only; True by default.
        cache: cache of :meth:`make_cache`, to which the inputs are appended. It holds the memory;
            ``mask`` and ``attention_mask`` are over its positions. None by default.
        return_attention_scores: return the weights of the cross-attention as well; False by
            default.

    Returns:
        The output, or a tuple of the output, the weights ``[batch, heads, time, source]`` if they
        were requested, and the new cache if one was passed.

    Raises:
        InputError: an option is out of range, ``num_heads`` does not divide the features, a shape
            does not fit, or there is a memory in the call and none in the build, or none in the
            call and one in the build.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation or initializer is unknown.

    Source: Vaswani et al., arXiv 1706.03762.

    >>> import jax.numpy as jnp
    >>> block = TransformerDecoderBlock(16, num_heads=2)
    >>> block(jnp.ones((3, 5, 8)), memory=jnp.ones((3, 7, 6))).shape
    (3, 5, 8)
    >>> cache = block.make_cache(3, room=5, memory=jnp.ones((3, 7, 6)))
    >>> y, cache = block(jnp.ones((3, 1, 8)), cache=cache)
    >>> y.shape, int(cache["self_attention"]["length"])
    ((3, 1, 8), 1)
    """

    _mask_of_first_input = True

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        check_rank(self, inputs_shape, "batch, time, features", exactly=True)
        self.self_attention = self._attention(inputs_shape[-1], self.rotary)
        self.self_attention_norm = self._norm()
        self.cross_attention = None
        if memory_shape is not None:
            self.cross_attention = self._attention(inputs_shape[-1])
            self.cross_attention_norm = self._norm()
        self._make_network(inputs_shape[-1])

    def call(
        self,
        inputs: jax.Array,
        memory: jax.Array | None = None,
        mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None,
        attention_mask: jax.Array | None = None,
        use_causal_mask: bool = True,
        cache: dict[str, Cache] | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        cached = dict(cache or {})
        options: dict[str, Any] = {
            "value_mask": mask,
            "attention_mask": attention_mask,
            "use_causal_mask": use_causal_mask,
            "cache": cached.get("self_attention"),
        }
        x, new_caches = self._attend(
            self.self_attention, self.self_attention_norm, inputs, **options
        )
        scores: list[Any] = []
        if self.cross_attention is not None:
            cached_memory = cached.get("cross_attention")
            options = {
                "value": None if cached_memory else memory,
                "value_mask": memory_mask,
                "cache": cached_memory,
                "return_attention_scores": return_attention_scores,
            }
            x, scores = self._attend(self.cross_attention, self.cross_attention_norm, x, **options)
        elif memory is not None or return_attention_scores:
            raise self._missing("a block that was built with a memory", "one built without")
        caches = [cached | {"self_attention": new} for new in new_caches]
        outputs = (self._transform(x), *scores[:return_attention_scores], *caches)
        return outputs if len(outputs) > 1 else outputs[0]

    def make_cache(
        self, batch: int, room: int, memory: jax.Array | None = None, dtype: Any = None
    ) -> dict[str, Cache]:
        """Returns an empty cache of the self-attention, with a memory's keys and values if any.

        Args:
            batch: size of the batch.
            room: number of positions that the cache can hold.
            memory: ``[batch, source, channels]``; None by default.
            dtype: dtype of keys and values; the layer's dtype if None (default).

        Raises:
            InputError: the block is not built, or was built without a memory.
        """
        if not hasattr(self, "self_attention"):
            raise self._missing("a built block", "one that is not built")
        cache = {"self_attention": self.self_attention.make_cache(batch, room, dtype)}
        if memory is None:
            return cache
        if self.cross_attention is None:
            raise self._missing("a block that was built with a memory", "one built without")
        return cache | {"cross_attention": self.cross_attention.remember(memory)}

    def _missing(self, expected: str, received: str) -> InputError:
        return refusal(
            self,
            "lacks layers that this method needs",
            expected=expected,
            received=received,
            remedy="Build it by a call or build() with the inputs, and the memory if any.",
        )
