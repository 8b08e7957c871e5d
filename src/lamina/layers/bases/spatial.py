"""The base of layers over space: position of the channels, sizes for each spatial axis."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina.layer import Layer
from lamina.layers.bases.checks import (
    check_choice,
    check_data_format,
    check_each,
    check_rank,
    check_room,
)
from lamina.ops.spatial import DataFormat, channel_axis, spatial_axes

__all__ = ["Spatial"]


_AXES = {1: "time", 2: "height, width", 3: "depth, height, width"}


class Spatial(Layer):
    """The base of layers over ``[batch, space..., channels]``; a subclass sets its ``rank``.

    Args:
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        **options: as for every :class:`lamina.Layer`.

    Raises:
        InputError: ``data_format`` is neither, or the input has another number of axes or is so
            small that the output would be empty.

    >>> import jax.numpy as jnp
    >>> class Mirror(Spatial):
    ...     rank = 1
    ...     def call(self, inputs):
    ...         return jnp.flip(inputs, self._space)
    >>> Mirror("channels_first")(jnp.arange(3).reshape(1, 1, 3)).tolist()
    [[[2, 1, 0]]]
    """

    supports_masking = False

    rank: ClassVar[int]

    def __init__(self, data_format: DataFormat | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_format: DataFormat = check_data_format(self, data_format)
        self._least = (0,) * self.rank

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: a mask of the steps no longer fits."""
        return None

    @property
    def _space(self) -> tuple[int, ...]:
        return spatial_axes(self.rank + 2, self.data_format)

    def _channels(self, shape: Any) -> Any:
        return shape[channel_axis(self.rank + 2, self.data_format)]

    def _check(self, shape: Any) -> None:
        """Checks the number of axes and the spatial sizes of an input."""
        space = _AXES[self.rank]
        last = self.data_format == "channels_last"
        axes = f"batch, {space}, channels" if last else f"batch, channels, {space}"
        check_rank(self, shape, axes, exactly=True)
        check_room(self, tuple(shape[axis] for axis in self._space), self._least, space)

    def _sizes(self, name: str, value: Any) -> tuple[int, ...]:
        """Returns the option as one positive integer for each spatial axis."""
        return check_each(self, name, value, self.rank)

    def _lower(self, name: str, value: Any, *choices: str) -> Any:
        """Returns the option, a name in any case, as one of the choices."""
        return check_choice(self, name, value.lower() if isinstance(value, str) else value, choices)
