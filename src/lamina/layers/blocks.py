"""Blocks of models, made of the other layers."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.core.specs.signature import method_of
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layers.attention.cache import Cache
from lamina.layers.attention.multi_head import MultiHeadAttention
from lamina.layers.bases.checks import check_count, check_multiple, check_rank, check_shape
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.inner_layers import check_layer
from lamina.layers.dense import Dense
from lamina.layers.normalization import LayerNormalization
from lamina.layers.regularization import Dropout

__all__ = ["Residual", "TransformerDecoderBlock", "TransformerEncoderBlock"]


class Residual(Layer):
    """What goes in, added to what a layer makes of it: ``y = x + layer(x)``.

    Shapes: the layer's, which must give back the shape that it takes.

    Args:
        layer: any layer of one input; a mask is handed on to it if its call takes one.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: the layer changes the shape.

    Source: He et al., arXiv 1512.03385.

    >>> import jax.numpy as jnp
    >>> Residual(Dense(2, kernel_initializer="ones"))(jnp.ones((1, 2))).tolist()
    [[3.0, 3.0]]
    """

    def __init__(self, layer: Layer, **options: Any) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        takes_mask = "mask" in method_of(type(self.layer), "call").signature.parameters
        options = {"mask": mask} if takes_mask and mask is not None else {}
        outputs = self.layer(inputs, **options)
        check_shape(self, "an inner output", outputs, inputs.shape, "the input's axes")
        return inputs + outputs


class TransformerBlock(Layer):
    """What the blocks share: each part of them has a norm, and a way around it."""

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: activations.ActivationLike = "relu",
        layer_norm_epsilon: float = 1e-5,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        normalize_first: bool = False,
        rotary: Layer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.intermediate_dim = check_count(self, "intermediate_dim", intermediate_dim)
        self.num_heads = check_count(self, "num_heads", num_heads)
        self.dropout = Dropout(dropout)
        self.activation = activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.normalize_first = normalize_first
        self.rotary = rotary

    def _attention(self, features: int, rotary: Layer | None = None) -> MultiHeadAttention:
        check_multiple(self, "features", features, "num_heads", self.num_heads)
        return MultiHeadAttention(
            self.num_heads,
            features // self.num_heads,
            dropout=self.dropout.rate,
            rotary=rotary,
            **self._initial(),
        )

    def _norm(self) -> LayerNormalization:
        return LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=self._lamina.dtype)

    def _make_network(self, features: int) -> None:
        self.intermediate = Dense(self.intermediate_dim, self.activation, **self._initial())
        self.output = Dense(features, **self._initial())
        self.output_norm = self._norm()

    def _initial(self) -> dict[str, Any]:
        return {
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "dtype": self._lamina.dtype,
        }

    def _attend(
        self,
        attention: MultiHeadAttention,
        norm: LayerNormalization,
        x: jax.Array,
        **options: Any,
    ) -> tuple[jax.Array, list[Any]]:
        """One attention, to x itself but for a ``value`` among the options, and what else it
        gives: scores if they are asked for, the new cache if there is one."""
        query = norm(x) if self.normalize_first else x
        found: Any = attention(query, **{"value": query, **options})
        several = options.get("cache") is not None or options.get("return_attention_scores")
        parts: list[Any] = list(found) if several else [found]
        total = x + self.dropout(parts[0])
        return total if self.normalize_first else norm(total), parts[1:]

    def _transform(self, x: jax.Array) -> jax.Array:
        """The small network on each place."""
        y = self.output_norm(x) if self.normalize_first else x
        total = x + self.dropout(self.output(self.intermediate(y)))
        return total if self.normalize_first else self.output_norm(total)


class TransformerEncoderBlock(TransformerBlock):
    """Attention of a sequence to itself, then a small network on each place.

    With every dropout D and norm N, by ``normalize_first``::

        after:   y = N(x + D(attention(x, x)));      out = N(y + D(network(y)))
        before:  y = x + D(attention(N(x), N(x)));   out = y + D(network(N(y)))

    where ``network(y) = output(act(intermediate(y)))``. Shapes: ``[batch, time, features]``,
    unchanged. Weights are those of ``self_attention`` (a MultiHeadAttention with ``key_dim =
    features / num_heads``), ``intermediate``, ``output`` and the norms.

    Args:
        intermediate_dim: the size of the network's hidden layer.
        num_heads: of the attention; a divisor of the features.
        dropout: the rate of D, and that of the attention's weights.
        activation: of the hidden layer: a name or a function of one array.
        layer_norm_epsilon: added to the norms' variance.
        kernel_initializer: of every ``kernel``.
        bias_initializer: of every ``bias``.
        normalize_first: whether norms stand before each part, or after its sum.
        rotary: a layer that places queries and keys, such as a RotaryEmbedding.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, time]``, False where the input is padding, and
    ``attention_mask``, bool, ``[batch, time, time]``, what each place may see.

    Raises:
        InputError: an option is out of range, the heads do not part the features, or a shape
            does not fit.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Vaswani et al., arXiv 1706.03762; norms before: Xiong et al., arXiv 2002.04745.

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
    """Attention of a sequence to what came before, to a memory, then a small network.

    As :class:`TransformerEncoderBlock`, with one more part in the middle where a memory is given
    when it is built, ``cross_attention`` with a norm of its own. Without a memory it is a block
    of a language model.

    Shapes: inputs ``[batch, time, features]``, unchanged; memory ``[batch, source, channels]``.

    Args:
        intermediate_dim, num_heads, dropout, activation, layer_norm_epsilon, kernel_initializer,
        bias_initializer, normalize_first: as for :class:`TransformerEncoderBlock`.
        rotary: a layer that places queries and keys of the attention to itself.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, time]``, ``memory_mask``, bool, ``[batch, source]``,
    False where they are padding, and ``attention_mask``, bool, ``[batch, time, time]``, what each
    place may see; ``use_causal_mask=False`` lets it see what comes after. With ``cache``, from
    :meth:`make_cache`, the inputs stand behind those that it holds, ``mask`` and
    ``attention_mask`` are over its places, and the outputs are ``(output, cache)``; the memory is
    in it. With ``return_attention_scores`` the weights of the attention to the memory, ``[batch,
    heads, time, source]``, come behind the output.

    Raises:
        InputError: an option is out of range, the heads do not part the features, a shape does
            not fit, or a memory is missing or was not there when the block was built.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

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
        held = dict(cache or {})
        options: dict[str, Any] = {
            "value_mask": mask,
            "attention_mask": attention_mask,
            "use_causal_mask": use_causal_mask,
            "cache": held.get("self_attention"),
        }
        x, own = self._attend(self.self_attention, self.self_attention_norm, inputs, **options)
        scores: list[Any] = []
        if self.cross_attention is not None:
            known = held.get("cross_attention")
            options = {
                "value": None if known else memory,
                "value_mask": memory_mask,
                "cache": known,
                "return_attention_scores": return_attention_scores,
            }
            x, scores = self._attend(self.cross_attention, self.cross_attention_norm, x, **options)
        elif memory is not None or return_attention_scores:
            raise self._refusal("a block that was built with a memory", "one that was not")
        caches = [held | {"self_attention": one} for one in own]
        outputs = (self._transform(x), *scores[:return_attention_scores], *caches)
        return outputs if len(outputs) > 1 else outputs[0]

    def make_cache(
        self, batch: int, room: int, memory: jax.Array | None = None, dtype: Any = None
    ) -> dict[str, Cache]:
        """A cache for sequences of up to ``room`` places, with what a memory gives, if any.

        Raises:
            InputError: the block is not built, or was built without a memory.
        """
        if not hasattr(self, "self_attention"):
            raise self._refusal("a built block", "one that is not")
        cache = {"self_attention": self.self_attention.make_cache(batch, room, dtype)}
        if memory is None:
            return cache
        if self.cross_attention is None:
            raise self._refusal("a block that was built with a memory", "one that was not")
        return cache | {"cross_attention": self.cross_attention.remember(memory)}

    def _refusal(self, expected: str, received: str) -> InputError:
        return refusal(
            self,
            "lacks the layers that this asks for",
            expected=expected,
            received=received,
            remedy="Build it for inputs, and a memory if there is one, by a call or build().",
        )
