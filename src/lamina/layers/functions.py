"""Layers that are a plain function of their inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.specs.spec import as_specs, shapes_of
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank

__all__ = ["Identity", "Lambda", "Masking"]


class Identity(Layer):
    """What comes in goes out: ``y = x``.

    Shapes: any, unchanged; a list or dict of arrays stays one.

    >>> import jax.numpy as jnp
    >>> Identity()(jnp.array([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def call(self, inputs: Any) -> Any:
        return inputs


class Lambda(Layer):
    """A function as a layer: ``y = function(x, **arguments)``.

    It may not hold weights of its own: what has weights is a :class:`lamina.Layer`. A model with
    a Lambda in it can be saved if the function has a name: one of Lamina's, of ``jax.numpy`` or
    ``jax.nn``, or one that a ``def`` in a module makes. `lamina.load` finds Lamina's and plain
    arithmetic by itself, and takes others as ``custom_objects``.

    Shapes: those of the function.

    Args:
        function: of one input. If it has parameters ``mask`` or ``training``, it is given those of
            the call, too.
        output_shape: what the output's shape must be, without the batch; or a function that gives
            the whole shape, for the input's.
        mask: what :meth:`compute_mask` gives, or a function ``(inputs, mask)`` of it.
        arguments: more arguments of the function, by name.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``function`` is not one, or the output has another shape than it must have.

    >>> import jax.numpy as jnp
    >>> Lambda(jnp.sum, arguments={"axis": -1})(jnp.ones((2, 3))).tolist()
    [3.0, 3.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise InputError(_no_function(function))
        self.function = function
        self.output_shape = output_shape
        self.mask = mask
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
        shape: Any = self.output_shape(came) if whole else self.output_shape
        expected = tuple(cast("list[Any]", shape)) if isinstance(shape, list | tuple) else (shape,)
        compared = found if whole else found[1:]
        pairs = zip(expected, compared, strict=False)
        fits = all(size is None or size == other for size, other in pairs)
        if len(expected) != len(compared) or not fits:
            raise InputError(
                explain(
                    "The function of a Lambda gave an output of another shape than it must have.",
                    where=f"made at {self._lamina.made_at}",
                    expected=f"output_shape={expected}" + ("" if whole else " after the batch"),
                    received=f"shape {found}",
                    remedy="Correct the function, or leave output_shape out: it is not needed.",
                )
            )


class Masking(Layer):
    """Hide steps that are all padding: they become zeros, and :meth:`compute_mask` tells of them.

    A step is kept where ``any(x[..., :] != mask_value)``. Shapes: ``[..., features]``, unchanged;
    the mask is ``[...]``.

    Args:
        mask_value: what padding is made of.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: the input is a scalar.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([[[1.0, 2.0], [-1.0, -1.0]]])
    >>> layer = Masking(-1.0)
    >>> layer(x).tolist(), layer.compute_mask(x).tolist()
    ([[[1.0, 2.0], [0.0, 0.0]]], [[True, False]])
    """

    def __init__(self, mask_value: Any = 0.0, **options: Any) -> None:
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
    except (TypeError, ValueError):  # some built-in functions do not tell
        return set()


def _no_function(given: Any) -> str:
    return explain(
        "A Lambda is made of a function.",
        expected="a function of one array",
        received=repr(cast("object", given)),
        remedy="Give jnp.square, for example, or a function of your own.",
    )
