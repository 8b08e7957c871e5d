"""Images, and their labels, mixed with others of the batch."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, no_masks, uniform
from lamina.layers.bases.checks import check_within
from lamina.ops.augmentation.regions import Boxes, beta_weights, box_masks, mix
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["CutMix", "MixUp"]

_LEAST = 1e-6  # smallest parameter of a beta distribution


class MixUp(Augmentation):
    """Mixes each image with a random other of its batch in training: ``y = w x + (1 - w) x'``.

    w is drawn from Beta(alpha, alpha) for each image; labels are mixed alike. Outside of training
    ``y = x``. Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels
    first, unchanged; or a dict of ``"images"`` and ``"labels"`` ``[..., classes]``. Integers become
    floats.

    Args:
        alpha: float > 0, parameter of the beta distribution: a small one gives w close to 0 or 1;
            0.2 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    Source: Zhang et al., mixup: beyond empirical risk minimization, arXiv 1710.09412.

    >>> data = {"images": jnp.ones((2, 4, 4, 3)), "labels": jnp.eye(2)}
    >>> mixed = MixUp()(data, training=True, rng=0)
    >>> mixed["labels"].sum(-1).tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        alpha: float = 0.2,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.alpha = check_within(self, "alpha", alpha, high=math.inf, above=True)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        batch = images.shape[0]
        weights = beta_weights(first, jnp.full(batch, self.alpha, jnp.float32))
        return jax.random.permutation(second, batch), weights

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return mix(images, *drawn)

    def transform_labels(self, labels: jax.Array, drawn: Any) -> jax.Array:
        return mix(labels, *drawn)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        raise no_masks(self)


class CutMix(Augmentation):
    """Replaces a random box of each image by that of a random other of its batch in training.

    The box has ``sqrt(1 - w) width`` and ``sqrt(1 - w) height`` and a uniform place, with w from
    Beta(a, a) for each image and a uniform in the range ``factor``. Labels are mixed by area:
    ``w l + (1 - w) l'``. Outside of training ``y = x``. Shapes: ``[..., height, width, channels]``
    for an image or a batch, or channels first, unchanged; or a dict of ``"images"`` and
    ``"labels"`` ``[..., classes]``. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    Source: Yun et al., CutMix: regularization strategy to train strong classifiers with localizable
    features, arXiv 1905.04899.

    >>> data = {"images": jnp.ones((2, 4, 4, 3)), "labels": jnp.eye(2)}
    >>> mixed = CutMix()(data, training=True, rng=0)
    >>> mixed["labels"].sum(-1).tolist()
    [1.0, 1.0]
    """

    floating_unchanged = True

    def __init__(
        self,
        factor: Factor = 1.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, Boxes, jax.Array]:
        first, second, third, fourth = jax.random.split(key, 4)
        batch, (height, width) = images.shape[0], self._size(images)
        alpha = uniform(first, self.factor, (batch,)) + _LEAST
        shares = jnp.sqrt(1 - beta_weights(second, alpha))
        places = jax.random.uniform(third, (batch, 2))
        boxes = Boxes.within(jnp.stack([shares, shares], -1), places, height, width)
        weights = 1 - boxes.area() / (height * width)
        return jax.random.permutation(fourth, batch), boxes, weights

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        order, boxes, _ = drawn
        masks = box_masks(boxes, *self._size(images), data_format=self.data_format)
        return jnp.where(masks, images[order], images)

    def transform_labels(self, labels: jax.Array, drawn: Any) -> jax.Array:
        order, _, weights = drawn
        return mix(labels, order, weights)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self.transform(masks, drawn)
