"""`TextLayer`, the base class of layers of text, which work on the host before any program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core.building.transaction import outputs_of
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Symbolic, Tracked
from lamina.layer import Layer
from lamina.layers.bases.errors import refusal

__all__ = [
    "TextLayer",
    "as_text",
    "encoded_spec",
    "is_text",
    "rearrange",
    "rearranged_text",
    "rearranges",
]


class TextLayer(Layer):
    """The base class of layers of text. JAX has no arrays of text, so they run outside of programs.

    They take NumPy arrays, nested lists, or single strings. A `Sequential` whose first layers are
    such layers, and a graph with inputs of text, apply them before the program of the others.
    """

    _lamina_outside = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        options = {name: kwargs[name] for name in kwargs if name not in ("training", "rng")}
        for one in (*args, *options.values()):
            if isinstance(one, Symbolic):
                return one.apply(self, args, options)
            if isinstance(one, Tracer):
                raise _traced(self)
        return self.call(*args, **options)

    def _lamina_text_outputs(self, inputs: Any) -> Any:
        """The specs of the outputs for those of inputs; subclasses define it."""
        raise _traced(self)


def rearranged_text(layer: Any, inputs: Any, *options: Any) -> Spec | None:
    """Return the spec of the outputs of a layer that rearranges text; None without text.

    A class that has this as ``_lamina_text_outputs`` only moves elements. Text then goes as its
    numbers do, by :func:`rearrange`.

    Args:
        layer: the layer.
        inputs: the spec of its inputs.
        options: its other positional arguments.
    """
    if not isinstance(inputs, Spec) or not inputs.is_text or not _moves(layer):
        return None
    positions = Spec(inputs.shape, "int32")
    found = outputs_of(layer, Arguments((positions, *options), {}))
    return Spec(found.shape, "string")


def _moves(layer: Any) -> bool:
    return getattr(layer, "function", "getitem") in _MOVES


_MOVES = ("getitem", "ExpandDims", "GetItem", "Reshape", "Squeeze", "Transpose")


def rearrange(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer of a graph on the host; text that it rearranges goes as its positions.

    Args:
        layer: the layer.
        args: the positional arguments, an array of text first.
        kwargs: the keyword arguments.
    """
    if not rearranges(layer):
        return layer(*args, **kwargs)
    text = typed("np.ndarray[Any, Any]", args[0])
    positions = jnp.arange(text.size).reshape(text.shape)
    return text.reshape(-1)[np.asarray(layer.call(positions, *args[1:], **kwargs))]


def rearranges(layer: Any) -> bool:
    """Return whether the class of a layer has :func:`rearranged_text`."""
    kind: Any = layer.__class__
    return getattr(kind, "_lamina_text_outputs", None) is rearranged_text


def is_text(value: Any) -> bool:
    """Return whether a value is text: str, bytes, or a list, NumPy array or series of them.

    >>> is_text(["a", "b"]), is_text(np.array(["a"])), is_text([1]), is_text(np.ones(1))
    (True, True, False, False)
    """
    first = value
    while first.__class__ in (list, tuple) and first:
        first = first[0]
    if hasattr(first, "to_numpy"):  # of pandas
        first = first.to_numpy()
    if not isinstance(first, np.ndarray):
        return isinstance(first, str | bytes)
    array = typed("np.ndarray[Any, Any]", first)
    is_objects = array.dtype == object and array.size > 0
    return array.dtype.kind in "SUT" or (is_objects and is_text(array.flat[0]))


def encoded_spec(encode: Callable[[Any], jax.Array], shape: tuple[Any, ...]) -> Spec:
    """Return the spec of encoded indices, from two sizes of the unknown dims.

    Args:
        encode: encodes an array of indices.
        shape: the shape of the indices.

    >>> encoded_spec(lambda indices: jax.nn.one_hot(indices, 3), (None, 2))
    Spec((None, 2, 3), float32)
    """
    first, second = (
        jax.eval_shape(
            encode,
            jax.ShapeDtypeStruct(
                tuple(dim if isinstance(dim, int) else size for dim in shape),
                jax.dtypes.canonicalize_dtype(np.int64),
            ),
        )
        for size in (2, 3)
    )
    sizes = zip(first.shape, second.shape, strict=True)
    return Spec(tuple(a if a == b else None for a, b in sizes), first.dtype)


def as_text(layer: Tracked, value: Any, encoding: str) -> np.ndarray[Any, Any]:
    """Convert text to an array of objects that are str.

    Args:
        layer: the layer that gets the text.
        value: the text: str, bytes, nested lists or an array of them, or a pandas series.
        encoding: the encoding of bytes.

    Raises:
        InputError: it is not text, or its lists differ in length.
    """
    if isinstance(value, Symbolic | Tracer):
        raise _traced(layer)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "SUTO":
            raise TypeError(f"{array.dtype} of shape {array.shape}")
        flat = [_decoded(one, encoding) for one in array.astype(object).reshape(-1).tolist()]
    except (TypeError, ValueError) as error:
        raise refusal(
            layer,
            "got an input that is not text",
            expected="str or bytes, or an array or nested lists of them, of equal lengths",
            received=str(error).partition("\n")[0][:200],
            remedy="Pass an array of strings.",
        ) from None
    found = np.empty(array.shape, object)
    found.reshape(-1)[:] = flat
    return found


def _decoded(one: Any, encoding: str) -> str:
    if isinstance(one, bytes):
        return one.decode(encoding)
    if not isinstance(one, str):
        raise TypeError(f"a value of type {type(one).__name__}")
    return one


def _traced(layer: Tracked) -> Exception:
    return refusal(
        layer,
        "works on text, which JAX's programs do not hold",
        expected="an array or list of strings, or Input(shape, dtype='string')",
        received="a traced array, or a symbolic input of numbers",
        remedy="Call it on the data before the model, as in model.fit(layer(texts), ...); or make "
        "it the first layer of a Sequential or of Model(inputs, outputs), and call that on "
        "strings.",
    )
