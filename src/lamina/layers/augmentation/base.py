"""The base of layers that augment images in training, and checks of their options."""

from __future__ import annotations

import math
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
from jax.core import Tracer

from lamina.core.building.seeds import next_key
from lamina.core.running.keys import NoKeyError
from lamina.core.running.precision import compute_dtype
from lamina.core.specs.signature import either_mode
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layers.bases.checks import check_data_format, check_rank
from lamina.layers.bases.errors import bad_option, refusal
from lamina.ops.arrays import cast as cast_array
from lamina.ops.images import image_axes
from lamina.ops.spatial import DataFormat

__all__ = ["Augmentation", "Factor", "Pair", "chosen", "no_masks", "uniform"]

Factor = float | tuple[float, float] | list[float]
Pair = tuple[float, float]

_RANGE = "a pair of different numbers"
_LAST, _FIRST = "height, width, channels", "channels, height, width"


class Augmentation(Layer):
    """The base of layers that change images in training only: otherwise ``y = x``.

    A subclass defines ``draw(key, images)``, which gives random parameters of each image, and
    ``transform(images, drawn)``; both get ``[batch, height, width, channels]``, or channels first.

    The input is one image, a batch of images, or a dict of ``"images"``, ``"labels"``,
    ``"segmentation_masks"`` and other arrays, of which the images are transformed, the labels if
    the subclass mixes them, and the masks if it moves pixels.

    Args:
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> class Dim(Augmentation):
    ...     def draw(self, key, images):
    ...         return jax.random.uniform(key, (len(images), 1, 1, 1))
    ...     def transform(self, images, drawn):
    ...         return images * drawn
    >>> layer = Dim()
    >>> layer(jnp.ones((1, 2, 1))).ravel().tolist()
    [1.0, 1.0]
    >>> x, y = layer(jnp.ones((1, 2, 1)), training=True, rng=0).ravel().tolist()
    >>> x == y != 1
    True
    """

    supports_masking = False

    always: ClassVar[bool] = False
    """Whether images are changed outside of training, too."""
    floating: ClassVar[bool] = True
    """Whether integers become floats."""
    floating_unchanged: ClassVar[bool] = False
    """Whether integers become floats outside of training."""
    random: ClassVar[bool] = True
    """Whether the layer draws random numbers."""

    channels: tuple[int, ...] = ()
    """Numbers of channels that images may have; all if empty."""

    seed: int | None = None

    def __init__(
        self, data_format: DataFormat | None = None, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.data_format: DataFormat = check_data_format(self, data_format)
        self.seed = seed

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def draw(self, key: jax.Array, images: jax.Array) -> Any:
        """Returns random parameters for each image of a batch."""
        return None

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        """Returns a batch of images, transformed by the parameters."""
        raise NotImplementedError

    def transform_labels(self, labels: jax.Array, drawn: Any) -> jax.Array:
        """Returns the labels of a batch of images, transformed by the parameters."""
        return labels

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        """Returns the classes of the pixels of a batch of images, moved as the pixels are."""
        return masks

    @either_mode
    def call(self, inputs: Any, training: bool = False) -> Any:
        given = self._items(inputs)
        images = given["images"]
        self._check(images.shape)
        if not training and not self.always:
            given["images"] = self._unchanged(images)
            if "segmentation_masks" in given:
                given["segmentation_masks"] = self._unchanged_masks(given["segmentation_masks"])
            return given if isinstance(inputs, dict) else given["images"]
        single = images.ndim == 3
        batch = images[None] if single else images
        batch = self._float(batch) if self.floating else batch
        drawn = self.draw(self._key(), batch) if self.random else None
        made = self.transform(batch, drawn)
        given["images"] = made[0] if single else made
        if not isinstance(inputs, dict):
            return given["images"]
        if "labels" in given:
            labels = given["labels"]
            mixed = self.transform_labels(labels[None] if single else labels, drawn)
            given["labels"] = mixed[0] if single else mixed
        if "segmentation_masks" in given:
            masks = given["segmentation_masks"]
            moved = self.transform_masks(masks[None] if single else masks, drawn)
            given["segmentation_masks"] = moved[0] if single else moved
        return given

    def _items(self, inputs: Any) -> dict[str, Any]:
        """A new dict of the inputs, with the images under their name."""
        if not isinstance(inputs, dict):
            return {"images": inputs}
        given = dict(cast("dict[str, Any]", inputs))
        lacking = getattr(given.get("images"), "shape", None) is None
        if lacking or "bounding_boxes" in given:
            raise refusal(
                self,
                "got a dict of inputs that it cannot augment",
                expected="images, and labels, segmentation masks or arrays that stay as they are",
                received=", ".join(map(str, given)) or "an empty dict",
                remedy="Pass the images as 'images', and leave out bounding boxes.",
            )
        if "segmentation_masks" in given:
            self._check_masks(given["images"].shape, given["segmentation_masks"].shape)
        return given

    def _check_masks(self, images: Any, masks: Any) -> None:
        """Checks that masks have the shape of the images, but for the channels."""
        channel = -1 if self.data_format == "channels_last" else -3
        sizes = [[*shape] for shape in (images, masks)]
        if len(masks) == len(images):
            for shape in sizes:
                del shape[channel]
        if len(masks) != len(images) or sizes[0] != sizes[1]:
            raise refusal(
                self,
                "got segmentation masks that do not fit the images",
                expected=f"the shape of the images, {tuple(images)}, with one channel",
                received=f"shape {tuple(masks)}",
                remedy="Pass a class for each pixel, with an axis of one channel.",
            )

    def _check(self, shape: Any) -> None:
        """Checks the number of axes and of channels of images."""
        last = self.data_format == "channels_last"
        axes = _LAST if last else _FIRST
        check_rank(self, shape, f"batch, {axes}" if len(shape) > 3 else axes, exactly=True)
        channels = shape[-1 if last else -3]
        if self.channels and channels not in self.channels:
            raise refusal(
                self,
                "got images with the wrong number of channels",
                expected=f"{' or '.join(map(str, self.channels))} channels",
                received=f"{channels} channels, for data_format={self.data_format!r}",
                remedy="Pass RGB images, or correct data_format.",
            )

    def _unchanged(self, images: jax.Array) -> jax.Array:
        """The images outside of training."""
        return self._float(images) if self.floating_unchanged else images

    def _unchanged_masks(self, masks: jax.Array) -> jax.Array:
        """The segmentation masks outside of training."""
        return masks

    def _float(self, images: jax.Array) -> jax.Array:
        """The images as floats: integers get the compute dtype of the layer."""
        if jnp.issubdtype(images.dtype, jnp.floating):
            return images
        dtype = compute_dtype(self)
        return cast_array(images, dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32)

    def _key(self) -> jax.Array:
        """The random key of the call; without one, on the host, the next of the global seed."""
        try:
            key = self.rng()
        except NoKeyError:
            if isinstance(jnp.zeros(()), Tracer):
                raise
            key = next_key()
        return key if self.seed is None else jax.random.fold_in(key, self.seed)

    def _size(self, images: jax.Array) -> tuple[int, int]:
        """Height and width of images."""
        height, width = image_axes(self.data_format)
        return images.shape[height], images.shape[width]

    def _factor(self, name: str, value: Any, low: float, high: float) -> Pair:
        """Returns the option as a range: a number f means [-f, f], cut off at ``low``.

        A pair has to overlap ``[low, high]``, and may exceed it.
        """
        several = isinstance(value, list | tuple)
        numbers = self._numbers(name, value if several else [value], _wanted(low, high))
        if not several:
            (number,) = numbers
            if low <= number <= high:
                return max(-abs(number), low), abs(number)
        elif len(numbers) == 2 and min(numbers) <= high and max(numbers) >= low:
            return min(numbers), max(numbers)
        raise bad_option(self, name, value, _wanted(low, high))

    def _within(self, name: str, value: Any, low: float, high: float, least: float) -> Pair:
        """Returns the option as a range: a number f in [low, high] means [least f, f].

        A pair has to be within ``[min(low, least high), high]``, so that it may be such a range.
        """
        several = isinstance(value, list | tuple)
        numbers = self._numbers(name, value if several else [value], _wanted(low, high))
        floor = min(low, least * high) if several else low
        if len(numbers) != 1 + several or not all(floor <= one <= high for one in numbers):
            raise bad_option(self, name, value, _wanted(low, high))
        if several:
            return min(numbers), max(numbers)
        return least * abs(numbers[0]), abs(numbers[0])

    def _range(self, value: Any) -> Pair:
        """Returns the option ``value_range``, two numbers in ascending order."""
        several = isinstance(value, list | tuple)
        numbers = self._numbers("value_range", value if several else [], _RANGE)
        if len(numbers) != 2 or numbers[0] == numbers[1]:
            raise bad_option(self, "value_range", value, _RANGE)
        return min(numbers), max(numbers)

    def _numbers(self, name: str, values: Any, wanted: str) -> list[float]:
        """Returns the values as finite numbers."""
        found: list[float] = []
        for value in values:
            try:
                number = math.nan if isinstance(value, bool | str) else float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise bad_option(self, name, value, wanted)
            found.append(number)
        return found


def uniform(key: jax.Array, between: Pair, shape: tuple[int, ...]) -> jax.Array:
    """Draws float32 numbers that are uniform in a range.

    >>> uniform(jax.random.key(0), (2.0, 2.0), (2,)).tolist()
    [2.0, 2.0]
    """
    low, high = between
    return jax.random.uniform(key, shape, jnp.float32, low, high)


def _wanted(low: float, high: float) -> str:
    return f"a number in [{low:g}, {high:g}], or a pair of numbers"


def chosen(key: jax.Array, between: Pair, shape: tuple[int, ...]) -> jax.Array:
    """Draws booleans that are true with a probability that is uniform in a range.

    >>> chosen(jax.random.key(0), (1.0, 1.0), (2,)).tolist()
    [True, True]
    """
    first, second = jax.random.split(key)
    return jax.random.uniform(first, shape) < uniform(second, between, shape)


def no_masks(layer: Augmentation) -> InputError:
    """The error of a layer that mixes images, where classes of pixels cannot be mixed.

    Args:
        layer: the layer.
    """
    return refusal(
        layer,
        "got segmentation masks, which cannot be mixed as it mixes images",
        expected="images, and labels or other arrays",
        received="segmentation_masks",
        remedy="Leave out the masks, or use RandAugment or CutMix.",
    )
