"""The base of layers with weights: initializer, regularizer and constraint of each."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina import constraints, regularizers
from lamina.core.tree.variable import Variable
from lamina.layer import Layer

__all__ = ["Weighted"]


class Weighted(Layer):
    """The base of layers whose weights take a regularizer and a constraint.

    A subclass names its weights in `_weights`, keeps an initializer for each, and declares them
    with `_weight`.

    Args:
        **options: for each of the weights, such as ``kernel``, a ``kernel_regularizer`` and a
            ``kernel_constraint``, None by default; and those of every :class:`lamina.Layer`.

    Raises:
        UnknownNameError: there is no regularizer or constraint of that name.

    >>> class Scale(Weighted):
    ...     _weights = ("gamma",)
    ...     gamma_initializer = "ones"
    ...     def build(self, input_shape):
    ...         self.gamma = self._weight("gamma", input_shape[-1:])
    ...     def call(self, inputs):
    ...         return inputs * self.gamma
    >>> layer = Scale(gamma_regularizer="l2")
    >>> layer.build((None, 3))
    >>> layer.gamma.regularizer
    L2(l2=0.01)
    """

    _weights: ClassVar[tuple[str, ...]] = ("kernel", "bias")

    def __init__(self, **options: Any) -> None:
        for name in self._weights:
            penalty = options.pop(f"{name}_regularizer", None)
            limit = options.pop(f"{name}_constraint", None)
            setattr(self, f"{name}_regularizer", regularizers.get(penalty))
            setattr(self, f"{name}_constraint", constraints.get(limit))
        super().__init__(**options)

    def _weight(self, kind: str, shape: Any, initializer: Any = None) -> Variable:
        """Declares a weight with the layer's options for weights of this kind."""
        return self.add_weight(
            shape,
            getattr(self, f"{kind}_initializer") if initializer is None else initializer,
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def _options_of(self, *kinds: str) -> dict[str, Any]:
        """The options of these weights, for an inner layer with weights of the same names."""
        rules = ("initializer", "regularizer", "constraint")
        names = [f"{kind}_{rule}" for kind in kinds for rule in rules]
        return {name: getattr(self, name) for name in names}
