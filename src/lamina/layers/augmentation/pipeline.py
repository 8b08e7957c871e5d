"""Layers in sequence, for the preparation of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from lamina.core.running.masks import masks_by_inner_layers
from lamina.core.running.scope import set_masks
from lamina.layer import Layer
from lamina.layers.bases.errors import bad_option
from lamina.layers.bases.inner_layers import check_layer
from lamina.options import LayerOptions

__all__ = ["Pipeline"]


class Pipeline(Layer):
    """Applies layers one after the other: ``y = layer_n(... layer_1(x))``.

    Alone it is called in training unless it is told otherwise, as for the preparation of data;
    within a model it is called in the mode of the model.

    Shapes: those of the layers.

    Args:
        layers: list of layers.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Call args:
        inputs: of the first layer.
        training: bool, the mode of the layers; True by default.
        mask: a padding mask of the inputs; None by default.

    Returns:
        The outputs of the last layer.

    Raises:
        InputError: an entry is not a layer.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> images = jnp.array([[[10.0], [20.0]]])
    >>> Pipeline([layers.AutoContrast(), layers.Rescaling(1 / 255)])(images).ravel().tolist()
    [0.0, 1.0]
    """

    def __init__(self, layers: Sequence[Layer], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not isinstance(layers, list | tuple):
            raise bad_option(self, "layers", layers, "a list of layers")
        self.steps = [check_layer(self, "layers", layer) for layer in layers]

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return self.steps

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        set_masks(inputs, mask)
        for step in self.steps:
            inputs = step(inputs, training=training)
        return inputs

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask
