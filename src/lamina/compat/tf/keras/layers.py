"""`tf.keras.layers`: Lamina's layers, and a `Layer` with Keras's signatures of `add_weight`."""

from __future__ import annotations

import abc
from typing import Any

import lamina
from lamina import Input, InputSpec, Variable, deserialize, serialize
from lamina import layers as _layers
from lamina.compat.tf.missing import missing
from lamina.compat.tf.running_layer import marked
from lamina.errors import InputError, explain
from lamina.layers import *  # noqa: F403 - all layers  # pyright: ignore[reportAssignmentType]
from lamina.models import InputLayer

__all__ = [*_layers.__all__, "Input", "InputLayer", "InputSpec", "deserialize", "serialize"]  # pyright: ignore

_KERAS_2 = ("name", "shape", "dtype", "initializer", "regularizer", "trainable", "constraint")
_KERAS_3 = ("shape", "initializer", "dtype")
_SUPPORTED = {*_KERAS_2, "autocast"}
_WITHOUT_EFFECT = {"aggregation", "synchronization", "use_resource"}


class Layer(lamina.Layer, abc.ABC):
    """`lamina.Layer` with Keras's signatures of `add_weight`. Every layer is an instance of it.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", shape=[input_shape[-1]], initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> layer = Scale()
    >>> layer.build((None, 3))
    >>> layer.variables
    [Variable(shape=(3,), dtype=float32)]
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("call", "train_loss"):
            if name in vars(cls):
                setattr(cls, name, marked(vars(cls)[name]))

    def add_weight(self, *args: Any, **options: Any) -> Variable:
        """Declare a weight, with the arguments of Keras 3, or of Keras 2 if the first is a name.

        Raises:
            InputError: an argument, such as a partitioner, is not supported, or is passed twice.
        """
        order = _KERAS_2 if args and isinstance(args[0], str) else _KERAS_3
        by_position = dict(zip(order, args, strict=False))
        given = by_position | options
        given = {
            name: value
            for name, value in given.items()
            if value is not None and name not in _WITHOUT_EFFECT
        }
        unknown = sorted(set(given) - _SUPPORTED | set(by_position) & set(options))
        if unknown or len(args) > len(order):
            raise InputError(
                explain(
                    f"add_weight of {type(self).__name__} does not support these arguments.",
                    expected=", ".join(sorted(_SUPPORTED)),
                    received=", ".join(unknown) or f"{len(args)} positional arguments",
                    remedy="Omit them, and pass each other argument once.",
                )
            )
        return super().add_weight(given.pop("shape", ()), **given)

    def _build_at_init(self) -> None:
        """Nothing: a layer whose weights are all declared in ``__init__`` needs no other build."""

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, lamina.Layer) if cls is Layer else NotImplemented


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.layers", name, __all__)
