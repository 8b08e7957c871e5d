"""`Sequential`: layers in a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.core.running.masks import mask_after, note_mask, with_masks
from lamina.core.specs.spec import Spec, map_specs
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.ends import Ended, as_declared
from lamina.models.model import Model
from lamina.models.symbol import Symbol

__all__ = ["Sequential"]


class Sequential(Ended, Model):
    """Layers applied one after the other: ``f_n(... f_2(f_1(x)))``.

    A mask that a layer computes from its inputs (``compute_mask``) is passed on to the layers
    whose `call` takes one, and from the last one to the loss and the metrics.

    Args:
        layers: the layers, in order. An Input may stand first, or the first layer be given an
            ``input_shape``: then the model is built when it is made.
        trainable: False freezes it and all below it.
        name: what reports call the model.

    Raises:
        InputError: something in the row is not a layer.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    >>> model(jnp.ones((3, 5))).shape
    (3, 2)
    """

    def __init__(
        self,
        layers: Iterable[Layer | Symbol] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        row = list(layers or ())
        self.start = _start(row[0]) if row else None
        self.layers: list[Layer] = [_checked(one) for one in row[_is_input(row) :]]
        if self.start is not None:
            self._become(self.layers)

    def add(self, layer: Layer | Symbol) -> None:
        """Put a layer at the end of the row; an Input may begin it, and then it is built."""
        begins = not self.layers and self.start is None
        self.start = _start(layer) if begins else self.start
        if not begins or not isinstance(layer, Symbol):
            self._become([*self.layers, _checked(layer)])

    def pop(self) -> Layer:
        """Take the last layer off the row."""
        *rest, last = self.layers
        self._become(rest)
        return last

    def _become(self, row: list[Layer]) -> None:
        self.layers = row
        if type(self) is Sequential:  # as if made of this row, so that a file can tell of it
            self._lamina.arguments = (list(row),)
            self._lamina.keywords.pop("layers", None)
        if self.start is not None and row:
            self.build(self.start)

    def _ends(self) -> tuple[Any, Any]:
        """A symbolic input, and what the layers give for it, one after the other."""
        row = tuple(self.layers)
        known = self._lamina.ends
        if known is not None and list(map(id, known[2])) == list(map(id, row)):
            return known[:2]
        for layer in row:
            layer._lamina.applied.clear()
        begin = end = map_specs(Symbol, self._expected())
        for layer in row:
            end = layer(end)
        self._lamina.ends = begin, end, row
        return begin, end

    def _expected(self) -> Any:
        """The specs of the input that it begins with, or was built for, in batches of any size."""
        built = self._lamina.built
        if self.start is not None:
            return self.start
        if built is not None:
            given = next(iter((*built.inputs.args, *built.inputs.kwargs.values())))
            return map_specs(
                lambda spec: Spec((None, *spec.shape[1:])[: spec.ndim], spec.dtype), given
            )
        raise AttributeError(
            explain(
                "This Sequential has no input and output as a graph of layers yet.",
                where=f"made at {self._lamina.made_at}",
                expected="a model that knows what it begins with",
                received="one that is not built",
                remedy="Put an Input first, or build it for a shape.",
            )
        )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if self.start is not None:
            inputs = as_declared(inputs, self.start)
        for layer in self.layers:
            outputs = layer(inputs, **with_masks(layer, {}, (mask,), {}))
            mask = mask_after(layer, (inputs,), mask)
            inputs = outputs
        note_mask(self, mask)
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        for layer in self.layers:
            mask = layer.compute_mask(inputs, mask)
        return mask

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(self.layers[index]) if isinstance(index, slice) else self.layers[index]


def _start(first: Any) -> Spec | None:
    """The spec of the inputs, as far as what stands first in a row tells."""
    if isinstance(first, Symbol):
        return first.spec
    expected: Spec | None = first._lamina.expects if isinstance(first, Layer) else None
    return expected


def _is_input(row: list[Any]) -> bool:
    return bool(row) and isinstance(row[0], Symbol)


def _checked(layer: Any) -> Layer:
    if isinstance(layer, Layer):
        return layer
    raise InputError(
        explain(
            "A Sequential holds layers only.",
            expected="layers, such as layers.Dense(10)",
            received=repr(layer),
            remedy="Wrap a plain function in layers.Activation(function).",
        )
    )
