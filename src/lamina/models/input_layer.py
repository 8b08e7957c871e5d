"""`Input` and `InputLayer`: the symbolic inputs of a graph of layers."""

from __future__ import annotations

from typing import Any

import jax

from lamina.core.base.pytrees import map_tree
from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.symbol import Symbol

__all__ = ["Input", "InputLayer", "shapes"]


def Input(  # noqa: N802 - Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    *,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    tensor: Symbol | None = None,
    optional: bool = False,
) -> Symbol:
    """A symbolic input of a graph of layers, or the first entry of a `Sequential`.

    Args:
        shape: the shape of one example, without the batch axis. A dimension is None, or a name such
            as `"time"`, where its size is open.
        batch_size: the size of the batch axis. Default None: any.
        dtype: the dtype of the array. Arrays of other dtypes are cast to a floating dtype, and
            narrower integers to an integer dtype. ``"string"`` for text, which layers such as
            `StringLookup` convert before programs. Default None: `"float32"`.
        name: the name under which the array is found in a dict of inputs. Default None.
        sparse: False or None (default); sparse arrays are not supported.
        ragged: False or None (default); ragged arrays are not supported.
        batch_shape: the shape with the batch axis, instead of `shape` and `batch_size`. Default
            None.
        tensor: a symbolic value to use as the input; the other arguments describe it, or are left
            out. Default None: a new one.
        optional: whether None may be passed in the place of the array. Default False.

    Returns:
        A symbolic value of shape ``(batch_size, *shape)``, on which layers can be called.

    Raises:
        InputError: neither of `shape` and `batch_shape` is given, or both are; `sparse` or `ragged`
            is True; or `tensor` is no symbolic value of the given shape and dtype.

    >>> Input((28, 28, 1))
    <Symbol of shape (None, 28, 28, 1), float32>
    """
    if sparse or ragged:
        raise InputError(
            explain(
                "An Input is a dense array.",
                expected="sparse=False and ragged=False",
                received="sparse=True" if sparse else "ragged=True",
                remedy="Convert the data to dense arrays, with a mask where rows are padded.",
            )
        )
    if tensor is not None:
        return _checked(tensor, shape, batch_size, dtype, batch_shape)
    if (shape is None) == (batch_shape is None) or (batch_shape is not None and batch_size):
        raise InputError(
            explain(
                "An Input takes either shape or batch_shape.",
                expected="shape=, without the batch axis, or batch_shape=, with it",
                received="neither" if shape is batch_shape else "both",
                remedy="Write Input((28, 28, 1)).",
            )
        )
    whole = batch_shape
    if whole is None:
        whole = (batch_size, *Spec(shape).shape)
    spec = Spec(tuple(whole), "float32" if dtype is None else dtype)
    return Symbol(spec, name=name, optional=optional)


def _checked(tensor: Any, shape: Any, batch_size: Any, dtype: Any, batch_shape: Any) -> Symbol:
    """Return a symbolic value that other arguments of `Input` describe.

    Raises:
        InputError: it has another shape or dtype, or is no symbolic value.
    """
    if isinstance(tensor, Symbol):
        known = tensor.spec
        fits = [
            shape is None or Spec(shape).shape == known.shape[1:],
            batch_size is None or batch_size == known.shape[0],
            batch_shape is None or Spec(tuple(batch_shape)).shape == known.shape,
            dtype is None or Spec((), dtype).dtype == known.dtype,
        ]
        if all(fits):
            return tensor
    raise InputError(
        explain(
            "The tensor of an Input does not match its other arguments.",
            expected="a symbolic value of the given shape and dtype",
            received=repr(tensor),
            remedy="Leave out shape and dtype.",
        )
    )


class InputLayer(Layer):
    """An input of a graph of layers as a layer, as `Model.layers` lists it. It has no weights.

    It can be the first layer of a `Sequential`; ``InputLayer(...).output`` is the symbolic value
    that `Input` returns.

    Args:
        shape: the shape of one example, without the batch axis.
        batch_size: the size of the batch axis. Default None: any.
        dtype: the dtype of the array. Default None: `"float32"`.
        sparse: False or None (default).
        ragged: False or None (default).
        batch_shape: the shape with the batch axis, instead of `shape` and `batch_size`. Default
            None.
        input_tensor: a symbolic value to use as the input. Default None: a new one.
        optional: whether None may be passed in the place of the array. Default False.
        name: the name of the input. Default None.
        **options: ``input_shape`` or ``batch_input_shape``, other names of `shape` and
            `batch_shape`.

    Call arguments:
        inputs: an array.

    Raises:
        InputError: the arguments do not fit together, as for `Input`.

    >>> from lamina import Input, Model, layers
    >>> x = Input((4,), name="image")
    >>> Model(x, layers.Dense(2)(x)).layers[0].name
    'image'
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Symbol | None = None,
        optional: bool = False,
        name: str | None = None,
        **options: Any,
    ) -> None:
        shape = options.pop("input_shape", shape)
        batch_shape = options.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **options)
        self.symbol = Input(
            shape,
            batch_size,
            dtype,
            name,
            sparse=sparse,
            ragged=ragged,
            batch_shape=batch_shape,
            tensor=input_tensor,
            optional=optional,
        )
        self.optional = optional or self.symbol.optional

    @property
    def output(self) -> Symbol:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The symbolic input."""
        return self.symbol

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The shape of the input; None for an unknown size."""
        return shapes(self.symbol)

    @property
    def dtype(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The dtype of the input."""
        return str(self.symbol.dtype)

    @property
    def built(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True: an input has no weights."""
        return True

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }

    def call(self, inputs: jax.Array) -> jax.Array:
        return inputs


def shapes(symbols: Any) -> Any:
    """Return the shape of each symbolic value in a tree; an unknown size is None."""

    def shape(symbol: Any) -> tuple[int | None, ...]:
        return tuple(size if isinstance(size, int) else None for size in symbol.shape)

    return map_tree(shape, symbols, is_leaf=lambda leaf: isinstance(leaf, Symbol))
