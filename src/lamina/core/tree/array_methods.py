"""The attributes, methods and operators of JAX arrays, for objects that hold an array."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.narrowing import array_of

__all__ = ["ArrayMethods"]

_NOT_ON_TRACERS = {"block_until_ready", "tobytes", "tolist"}
"""Methods that JAX declares for arrays, but not on the class `jax.Array`."""

_VALUES = (bool, int, float, complex, np.ndarray, np.generic, jax.Array)
"""What an object is compared with by its elements."""


def _binary(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: ArrayMethods, other: Any) -> Any:
        return operation(self.value, other.value if isinstance(other, ArrayMethods) else other)

    return method


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: ArrayMethods, other: Any) -> Any:
        return operation(array_of(other), self.value)

    return method


def _compared(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: ArrayMethods, other: Any) -> Any:
        return operation(self.value, other) if isinstance(other, _VALUES) else NotImplemented

    return method


def _unary(operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: operation(self.value)


if TYPE_CHECKING:
    _Array = jax.Array
else:
    _Array = object


class ArrayMethods(_Array):
    """The base of a class whose objects work as the array ``value``, read at each use.

    To a type checker such an object is a ``jax.Array``, so that functions of ``jax.numpy`` accept
    it. At runtime it is not: ``isinstance`` is False, and functions of ``jax.lax`` need ``.value``.
    Two objects are equal only if they are the same object; with numbers and arrays, ``==`` and
    ``!=`` compare the elements.

    >>> class Cell(ArrayMethods):
    ...     def __init__(self, value):
    ...         self.value = value
    >>> cell = Cell(jax.numpy.ones((2, 3)))
    >>> cell.T.shape, (2 * cell).sum().item(), (cell == 1).all().item()
    ((3, 2), 12.0, True)
    """

    __array_priority__ = 1000  # NumPy defers arithmetic with such an object to the object

    if TYPE_CHECKING:

        @property
        def value(self) -> jax.Array: ...
        def __eq__(self, other: object) -> bool: ...  # pyright: ignore[reportIncompatibleMethodOverride]
        def __ne__(self, other: object) -> bool: ...  # pyright: ignore[reportIncompatibleMethodOverride]
        def __hash__(self) -> int: ...

    else:
        __eq__, __ne__ = _compared(operator.eq), _compared(operator.ne)
        __hash__ = object.__hash__
        __neg__, __pos__ = _unary(operator.neg), _unary(operator.pos)
        __abs__, __invert__ = _unary(operator.abs), _unary(operator.invert)
        __lt__, __le__ = _binary(operator.lt), _binary(operator.le)
        __gt__, __ge__ = _binary(operator.gt), _binary(operator.ge)
        __add__, __radd__ = _binary(operator.add), _reflected(operator.add)
        __sub__, __rsub__ = _binary(operator.sub), _reflected(operator.sub)
        __mul__, __rmul__ = _binary(operator.mul), _reflected(operator.mul)
        __matmul__, __rmatmul__ = _binary(operator.matmul), _reflected(operator.matmul)
        __truediv__, __rtruediv__ = _binary(operator.truediv), _reflected(operator.truediv)
        __floordiv__, __rfloordiv__ = _binary(operator.floordiv), _reflected(operator.floordiv)
        __mod__, __rmod__ = _binary(operator.mod), _reflected(operator.mod)
        __divmod__, __rdivmod__ = _binary(divmod), _reflected(divmod)
        __pow__, __rpow__ = _binary(operator.pow), _reflected(operator.pow)
        __lshift__, __rlshift__ = _binary(operator.lshift), _reflected(operator.lshift)
        __rshift__, __rrshift__ = _binary(operator.rshift), _reflected(operator.rshift)
        __and__, __rand__ = _binary(operator.and_), _reflected(operator.and_)
        __or__, __ror__ = _binary(operator.or_), _reflected(operator.or_)
        __xor__, __rxor__ = _binary(operator.xor), _reflected(operator.xor)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return iter(self.value)

    def __getitem__(self, index: Any, /) -> jax.Array:
        return self.value[index]

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __round__(self, ndigits: int | None = None) -> jax.Array:
        return self.value.round(ndigits or 0)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else repr(self)


# Properties, because a `__getattr__` would slow down the lookup of every attribute. Not `shape`,
# which subclasses know before they have a value.
for _name in _NOT_ON_TRACERS.union(dir(jax.Array)) - {"shape"}:
    if not _name.startswith("_"):
        setattr(ArrayMethods, _name, property(operator.attrgetter(f"value.{_name}")))
