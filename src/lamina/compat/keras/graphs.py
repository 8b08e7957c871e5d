"""Names of the module `keras` for graphs of layers: symbols, functions and operations."""

from __future__ import annotations

import abc
from typing import Any

import jax

import lamina
from lamina.compat.tf.keras.layers import Layer
from lamina.models import Input
from lamina.models.model import Functional
from lamina.models.symbol import Symbol

__all__ = ["Function", "KerasTensor", "Operation", "get_source_inputs"]


_jax: Any = jax


class KerasTensor(Symbol, abc.ABC):
    """A symbol of a graph, as :func:`lamina.Input` makes it. All symbols are instances of it.

    Args:
        shape: the shape with the batch axis; None where a size is open.
        dtype: the dtype. Default ``"float32"``.
        sparse: False (default); sparse arrays are not supported.
        ragged: False (default); ragged arrays are not supported.
        record_history: has no effect.
        name: the name. Default None.

    >>> KerasTensor((None, 3)).shape
    (None, 3)
    """

    def __new__(  # pyright: ignore[reportInconsistentConstructor] - it returns another class
        cls,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> Any:
        return Input(batch_shape=shape, dtype=dtype, sparse=sparse, ragged=ragged, name=name)

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, Symbol) if cls is KerasTensor else NotImplemented


class Operation(Layer):
    """A computation with the methods `call` and `compute_output_spec`. Every layer is one.

    >>> class Double(Operation):
    ...     def call(self, x):
    ...         return 2 * x
    >>> Double()(KerasTensor((None, 3))).shape
    (None, 3)
    """

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, lamina.Layer) if cls is Operation else NotImplemented


class Function(Operation):
    """The computation between symbols, as a :class:`lamina.Model`. All graphs are instances of it.

    Args:
        inputs: symbols.
        outputs: symbols that depend on `inputs` alone.
        name: the name. Default None.

    >>> import jax.numpy as jnp
    >>> x = KerasTensor((None, 2))
    >>> Function(x, x * 2 + 1)(jnp.ones((1, 2))).tolist()
    [[3.0, 3.0]]
    """

    def __new__(  # pyright: ignore[reportInconsistentConstructor] - it returns another class
        cls, inputs: Any, outputs: Any, name: str | None = None
    ) -> Any:
        return lamina.Model(inputs, outputs, name=name)

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, Functional) if cls is Function else NotImplemented


def get_source_inputs(tensor: Any) -> Any:
    """The inputs that a symbol is computed from.

    Args:
        tensor: the symbol. Other values are returned as they are.

    >>> x, y = KerasTensor((None, 2)), KerasTensor((None, 2))
    >>> get_source_inputs(x + y) == [x, y]
    True
    """
    if not isinstance(tensor, Symbol):
        return tensor
    found: dict[int, Symbol] = {}
    seen: set[int] = set()
    pending = [tensor]
    while pending:
        symbol = pending.pop()
        if id(symbol) in seen:
            continue
        seen.add(id(symbol))
        if symbol.call is None:
            found[id(symbol)] = symbol
        else:
            given = _jax.tree.leaves((symbol.call.args, symbol.call.kwargs))
            pending += [one for one in reversed(given) if isinstance(one, Symbol)]
    return list(found.values())
