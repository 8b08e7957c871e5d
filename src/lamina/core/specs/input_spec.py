"""`InputSpec`: the ranks, sizes and dtypes that a layer accepts as its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain

__all__ = ["InputSpec"]

Sizes = tuple[Any, ...]


class InputSpec:
    """The ranks, sizes and dtypes that a layer accepts as its input.

    A layer that sets ``self.input_spec`` to one, or to a list or dict of them with one for each
    array, refuses a first input that does not fit. A dim of None, or of unknown size, always fits.

    Args:
        dtype: dtype of the array; None (default) for any.
        shape: shape of the array, with the batch axis and None for any size; None (default) for
            any shape. It sets ``ndim``.
        ndim: int, number of axes; None (default) for any.
        max_ndim: int, largest number of axes; None (default) for any.
        min_ndim: int, smallest number of axes; None (default) for any.
        axes: dict from int, the axis, to int, its size; None (default) for no sizes.
        allow_last_axis_squeeze: bool, whether a last axis of size 1 may be missing or added; False
            by default.
        name: str, the key of the array in a dict of inputs; None by default.
        optional: bool, whether the input may be None; False by default.

    Raises:
        InputError: an axis is not an integer, or larger than the number of axes allows.

    >>> from lamina import Layer
    >>> class Last(Layer):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.input_spec = InputSpec(ndim=3, axes={-1: 4})
    ...     def call(self, inputs):
    ...         return inputs[:, -1]
    >>> import numpy as np
    >>> Last()(np.ones((2, 5, 4))).shape
    (2, 4)
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else str(Spec((), dtype).dtype)
        self.shape = None if shape is None else Spec(shape).shape
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = _checked_axes(axes, max_ndim if self.ndim is None else self.ndim)
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Returns:
            A dict of the arguments by name.

        >>> InputSpec(ndim=2).get_config()["ndim"]
        2
        """
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create an equal object from a config.

        Args:
            config: the result of :meth:`get_config`.

        Returns:
            An `InputSpec`.

        >>> InputSpec.from_config({"ndim": 2})
        InputSpec(ndim=2)
        """
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputSpec) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = {
            name: value for name, value in vars(self).items() if value not in (None, {}, False)
        }
        return f"InputSpec({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def misfit(self, sizes: Sizes, dtype: Any) -> str | None:
        """Return what the spec expects and an array is not; None if the array fits.

        Args:
            sizes: the sizes of its axes; values that are not integers are unknown.
            dtype: its dtype.
        """
        rank = len(sizes)
        if self.ndim not in (None, rank) and not self.allow_last_axis_squeeze:
            return f"ndim={self.ndim}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"max_ndim={self.max_ndim}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"min_ndim={self.min_ndim}"
        if self.dtype not in (None, str(dtype)):
            return f"dtype={self.dtype}"
        for axis, size in self.axes.items():
            if not -rank <= axis < rank or not _fit(size, sizes[axis]):
                return f"size {size} of axis {axis}"
        return None if self._fits_shape(sizes) else f"shape={self.shape}"

    def _fits_shape(self, sizes: Sizes) -> bool:
        if self.shape is None:
            return True
        wanted: Sizes = self.shape
        if self.allow_last_axis_squeeze and len(wanted) != len(sizes):
            wanted, sizes = _without_last(wanted), _without_last(sizes)
        return len(wanted) == len(sizes) and all(map(_fit, wanted, sizes))


def _without_last(sizes: Sizes) -> Sizes:
    return sizes[:-1] if sizes and sizes[-1] in (1, None) else sizes


def _fit(wanted: Any, size: Any) -> bool:
    return not (isinstance(wanted, int) and isinstance(size, int)) or wanted == size


def _checked_axes(axes: Any, most: int | None) -> dict[int, int | None]:
    """Return the sizes by axis.

    Raises:
        InputError: an axis is not an integer, or there are fewer axes.
    """
    try:
        given = dict(axes or {})
        found = {int(axis): given[axis] for axis in given}
    except (TypeError, ValueError):
        raise _bad_axes("a dict from an axis, an integer, to its size", axes) from None
    if found and most is not None and max(found) >= most:
        raise _bad_axes(f"axes below {most}, the number of axes", axes)
    return cast("dict[int, int | None]", found)


def _bad_axes(expected: str, received: Any) -> InputError:
    return InputError(
        explain(
            "The axes of an InputSpec are not valid.",
            expected=expected,
            received=repr(received),
            remedy="Pass axes={-1: 64}, for example.",
        )
    )
