"""`TextLayer`, the base class of layers of text, which work on the host before any program."""

from __future__ import annotations

from typing import Any
from typing import cast as typed

import numpy as np
from jax.core import Tracer

from lamina.core.tree.node import Symbolic, Tracked
from lamina.layer import Layer
from lamina.layers.bases.errors import refusal

__all__ = ["TextLayer", "as_text", "is_text"]


class TextLayer(Layer):
    """The base class of layers of text. JAX has no arrays of text, so they run outside of programs.

    They take NumPy arrays, nested lists, or single strings; a `Sequential` whose first layers are
    such layers applies them before the program of the other layers.
    """

    _lamina_outside = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        options = {name: kwargs[name] for name in kwargs if name not in ("training", "rng")}
        if any(isinstance(one, Symbolic | Tracer) for one in (*args, *options.values())):
            raise _traced(self)
        return self.call(*args, **options)


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
        "works on text, which JAX's programs and symbolic inputs do not hold",
        expected="an array or list of strings",
        received="a traced array, or a symbolic input",
        remedy="Call it on the data before the model, as in model.fit(layer(texts), ...); or make "
        "it the first layer of a Sequential, and call that on strings.",
    )
