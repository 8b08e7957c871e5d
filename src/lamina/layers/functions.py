"""Identity, functions as layers, and masking of padded steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.core.specs.spec import as_specs, shapes_of
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank
from lamina.options import LayerOptions

__all__ = ["Identity", "Lambda", "Masking"]

Shape = Sequence[int | None]


class Identity(Layer):
    """Returns its input: ``y = x``.

    Shapes: any, unchanged; a list or dict of arrays is returned as it is.

    Args:
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    >>> import jax.numpy as jnp
    >>> Identity()(jnp.array([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    supports_masking = True

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def call(self, inputs: Any) -> Any:
        return inputs


class Lambda(Layer):
    """Wraps a function as a layer: ``y = function(x, **arguments)``.

    The function must not hold weights: write a :class:`lamina.Layer` for that. A model with a
    Lambda can be saved if its function has a name: one of Lamina, ``jax.numpy`` or ``jax.nn``, or
    one defined by ``def`` in a module. `lamina.load` finds Lamina's functions and plain arithmetic;
    pass others as ``custom_objects``.

    Shapes: those of the function.

    Args:
        function: callable of one input. If it has parameters named ``mask`` or ``training``, it
            gets those of the call, too.
        output_shape: expected shape of the output, without the batch axis, or a function from the
            input's shape to the output's, with the batch axis; None (default) for no check.
        mask: output mask, or a function ``(inputs, mask) -> mask``; None (default) for no mask.
        arguments: dict of further keyword arguments of the function; None (default) for none.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``function`` is not callable, or the output does not have ``output_shape``.

    >>> import jax.numpy as jnp
    >>> Lambda(jnp.sum, arguments={"axis": -1})(jnp.ones((2, 3))).tolist()
    [3.0, 3.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: int | Shape | Callable[[Any], Shape] | None = None,
        mask: jax.Array | Callable[[Any, Any], Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise InputError(_no_function(function))
        self.function = function
        self.output_shape = output_shape
        self.mask = mask
        self.supports_masking = mask is not None
        self.arguments = dict(arguments or {})
        known = _parameters(function)
        self._passed = tuple(name for name in ("mask", "training") if name in known)

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        given = {"mask": mask, "training": training}
        given = {name: given[name] for name in self._passed}
        outputs = self.function(inputs, **self.arguments, **given)
        if self.output_shape is not None:
            self._check(inputs, outputs)
        return outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def _check(self, inputs: Any, outputs: Any) -> None:
        came, found = (shapes_of(as_specs(value)) for value in (inputs, outputs))
        whole = callable(self.output_shape)
        shape: Any = self.output_shape(came) if callable(self.output_shape) else self.output_shape
        expected = tuple(cast("list[Any]", shape)) if isinstance(shape, list | tuple) else (shape,)
        compared = found if whole else found[1:]
        pairs = zip(expected, compared, strict=False)
        fits = all(size is None or size == other for size, other in pairs)
        if len(expected) != len(compared) or not fits:
            raise InputError(
                explain(
                    "The function of a Lambda returned an output of an unexpected shape.",
                    where=f"made at {self._lamina.made_at}",
                    expected=f"output_shape={expected}" + ("" if whole else " after the batch"),
                    received=f"shape {found}",
                    remedy="Correct the function, or leave output_shape out, which is optional.",
                )
            )


class Masking(Layer):
    """Masks steps whose features all equal a value: they become zeros, and later layers skip them.

    A step is kept where ``any(x[..., :] != mask_value)``. Shapes: ``[..., features]``, unchanged;
    the mask, which :meth:`compute_mask` returns, is ``[...]``.

    Args:
        mask_value: float, value of the features of padding; 0 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input is a scalar.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([[[1.0, 2.0], [-1.0, -1.0]]])
    >>> layer = Masking(-1.0)
    >>> layer(x).tolist(), layer.compute_mask(x).tolist()
    ([[[1.0, 2.0], [0.0, 0.0]]], [[True, False]])
    """

    def __init__(self, mask_value: ArrayLike = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.mask_value = mask_value

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "features")

    def call(self, inputs: jax.Array) -> jax.Array:
        return jnp.where(self.compute_mask(inputs)[..., None], inputs, 0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return jnp.any(jnp.asarray(inputs) != self.mask_value, axis=-1)


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return set()


def _no_function(given: Any) -> str:
    return explain(
        "Lambda takes a function.",
        expected="a function of one array",
        received=repr(cast("object", given)),
        remedy="Pass a function such as jnp.square.",
    )
