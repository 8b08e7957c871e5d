"""Random choices among the other layers that augment images."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina.layers.augmentation.affine import RandomRotation, RandomShear, RandomTranslation
from lamina.layers.augmentation.base import Augmentation, Factor, no_masks
from lamina.layers.augmentation.brightness import (
    AutoContrast,
    Equalization,
    RandomBrightness,
    RandomContrast,
)
from lamina.layers.augmentation.color import RandomColorDegeneration
from lamina.layers.augmentation.filters import RandomSharpness
from lamina.layers.augmentation.tones import RandomPosterization, Solarization
from lamina.layers.bases.checks import check_count, check_each, check_within
from lamina.ops.augmentation.sampling import Interpolation
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["AugMix", "RandAugment"]

_lax: Any = lax


class Policy(Augmentation):
    """The base of random choices among layers that augment images.

    Args:
        value_range: pair of floats, lowest and highest value of images.
        factor: the range of the strengths.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        seed: int, mixed into the random key.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        colors: whether brightness, colors, contrast and sharpness are changed, for RGB images.
        **options: as for every :class:`lamina.Layer`.
    """

    floating_unchanged = True

    def __init__(
        self,
        value_range: tuple[float, float],
        factor: Factor,
        interpolation: Interpolation,
        seed: int | None,
        data_format: DataFormat | None,
        colors: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.value_range = self._range(value_range)
        self.factor = strength = self._factor("factor", factor, 0, 1)
        self.interpolation: Interpolation = interpolation
        moved: dict[str, Any] = {"data_format": self.data_format, "interpolation": interpolation}
        toned: dict[str, Any] = {"data_format": self.data_format, "value_range": self.value_range}
        self._choices = _Choices(
            RandomShear(strength, strength, **moved),
            RandomTranslation(strength, strength, **moved),
            RandomRotation(strength, **moved),
            RandomPosterization(max(1, int(8 * strength[1])), **toned),
            Solarization(strength, strength, **toned),
            AutoContrast(**toned),
            Equalization(**toned),
        )
        if colors:
            self._choices.layers += (
                RandomBrightness(strength, **toned),
                RandomColorDegeneration(strength, **toned),
                RandomContrast(strength, **toned),
                RandomSharpness(strength, **toned),
            )
            self.channels = (3,)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        raise no_masks(self)

    def _chain(self, images: jax.Array, indices: jax.Array, keys: jax.Array) -> jax.Array:
        """The images, transformed by several of the layers."""
        return _folded(partial(self._one, _transformed), images, indices, keys)

    def _one(
        self, change: Callable[..., jax.Array], images: jax.Array, index: jax.Array, key: jax.Array
    ) -> jax.Array:
        """The images, changed by one of the layers; unchanged for the index after the last."""
        steps = [*(partial(change, layer) for layer in self._choices.layers), _same]
        if not isinstance(index, Tracer):
            return steps[int(index)](key, images)
        return _lax.switch(index, steps, key, images)


def _folded(step: Callable[..., jax.Array], start: Any, *parts: jax.Array) -> jax.Array:
    """``start = step(start, *part)`` for each part; in a program, the step is compiled once."""
    if any(isinstance(one, Tracer) for one in parts):

        def body(made: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            return step(made, *part), None

        return _lax.scan(body, start, parts)[0]
    for part in zip(*parts, strict=True):
        start = step(start, *part)
    return start


class _Choices:
    """Layers that are not part of the tree, as they are not called: they draw and transform."""

    def __init__(self, *layers: Augmentation) -> None:
        self.layers = layers


def _transformed(layer: Augmentation, key: jax.Array, images: jax.Array) -> jax.Array:
    return layer.transform(images, layer.draw(key, images))


def _masks_moved(layer: Augmentation, key: jax.Array, masks: jax.Array) -> jax.Array:
    return layer.transform_masks(masks, layer.draw(key, masks))  # it draws by their size


def _same(key: jax.Array, images: jax.Array) -> jax.Array:
    return images


class RandAugment(Policy):
    """Transforms images by a few layers in training, which are drawn for each batch.

    Each of the ``num_ops`` layers is one of :class:`RandomShear`, :class:`RandomTranslation`,
    :class:`RandomRotation`, :class:`RandomBrightness`, :class:`RandomColorDegeneration`,
    :class:`RandomContrast`, :class:`RandomSharpness`, :class:`RandomPosterization`,
    :class:`Solarization`, :class:`AutoContrast` and :class:`Equalization`, with equal
    probabilities, and draws its numbers for each image. Outside of training ``y = x``.
    Shapes: ``[..., height, width, 3]`` for an image or a batch, or channels first, unchanged.
    Integers become floats.

    Args:
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        num_ops: integer >= 0, the number of layers; 2 by default.
        factor: float in [0, 1], the factor of the layers: f means the range [0, f]; or a pair of
            floats, the range itself; 0.5 by default.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    Source: Cubuk et al., RandAugment: practical automated data augmentation, arXiv 1909.13719.

    >>> layer = RandAugment()
    >>> layer(jnp.ones((2, 4, 4, 3)), training=True, rng=0).shape
    (2, 4, 4, 3)
    """

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        num_ops: int = 2,
        factor: Factor = 0.5,
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, **options)
        (self.num_ops,) = check_each(self, "num_ops", num_ops, 1, low=0)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        indices = jax.random.randint(first, (self.num_ops,), 0, len(self._choices.layers))
        return indices, jax.random.split(second, self.num_ops)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return self._chain(images, *drawn)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return _folded(partial(self._one, _masks_moved), masks, *drawn)


class AugMix(Policy):
    """Mixes images with several chains of transforms of them in training.

    ``y = clip(w x + (1 - w) sum_k v[k] chain_k(x))``, with w from Beta(alpha, alpha) and the
    weights v from a Dirichlet distribution, both drawn for each batch. A chain has ``chain_depth``
    steps, each one of the layers of :class:`RandAugment`, or none, with equal probabilities.
    Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
        num_chains: positive integer, the number of chains; 3 by default.
        chain_depth: positive integer, the largest number of layers in a chain; 3 by default.
        factor: float in [0, 1], the factor of the layers: f means the range [0, f]; or a pair of
            floats, the range itself; 0.3 by default.
        alpha: float > 0, the parameter of the two distributions; 1 by default.
        all_ops: bool, whether brightness, colors, contrast and sharpness are changed, for RGB
            images; True by default.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    Source: Hendrycks et al., AugMix: a simple data processing method to improve robustness and
    uncertainty, arXiv 1912.02781.

    >>> layer = AugMix()
    >>> layer(jnp.ones((2, 4, 4, 3)), training=True, rng=0).shape
    (2, 4, 4, 3)
    """

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Factor = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, all_ops, **options)
        self.num_chains = check_count(self, "num_chains", num_chains)
        self.chain_depth = check_count(self, "chain_depth", chain_depth)
        self.alpha = check_within(self, "alpha", alpha, high=math.inf, above=True)
        self.all_ops = all_ops

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, ...]:
        first, second, third, fourth = jax.random.split(key, 4)
        shares = jax.random.dirichlet(first, jnp.full(self.num_chains, self.alpha))
        own = jax.random.beta(second, self.alpha, self.alpha)
        shape = (self.num_chains, self.chain_depth)
        indices = jax.random.randint(third, shape, 0, len(self._choices.layers) + 1)
        return shares, own, indices, jax.random.split(fourth, shape)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        shares, own, *chains = drawn
        shares, own = shares.astype(images.dtype), own.astype(images.dtype)

        def add(mixed: jax.Array, share: jax.Array, *chain: jax.Array) -> jax.Array:
            return mixed + share * self._chain(images, *chain)

        mixed = _folded(add, jnp.zeros_like(images), shares, *chains)
        return jnp.clip(own * images + (1 - own) * mixed, *self.value_range)
