"""A named cell of state: shape, dtype, initializer, and once built an array."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from lamina import constraints, initializers, regularizers
from lamina.core.base.jax_internals import is_traced
from lamina.core.base.lock import LOCK
from lamina.core.base.pytrees import as_array
from lamina.core.base.sites import Site, site
from lamina.core.specs.spec import Spec
from lamina.core.tree.values import assign_together
from lamina.errors import BuildError, InputError, TraceError, explain
from lamina.narrowing import array_of

__all__ = ["SCOPE", "Loan", "Variable", "VariableScope", "store"]

_FLOAT32 = np.dtype("float32")


class _Values(Protocol):
    """What a variable reads and assigns in the call that is running."""

    def read(self, variable: Variable) -> Any: ...

    def assign(self, variable: Variable, value: Any) -> None: ...

    def shape_of(self, variable: Variable) -> tuple[int, ...]: ...


class VariableScope(Protocol):
    """What a variable needs to know of the call that is running."""

    @property
    def call(self) -> _Values: ...

    @property
    def dtype(self) -> Any: ...


SCOPE: ContextVar[VariableScope | None] = ContextVar("lamina_scope", default=None)
"""The scope of the innermost layer that is running; None outside of calls."""


class Loan(Protocol):
    """Stands in a variable while its array is lent out; `recall` puts the arrays back."""

    def recall(self) -> None: ...


class Variable:
    """One cell of a layer's state; it works as an array in jnp functions and in arithmetic.

    Args:
        shape: sizes of the axes.
        initializer: a name, an initializer, or a callable ``(key, shape, dtype)``.
        dtype: of the array; float32 where none is given.
        trainable: whether optimizers change it.
        name: its path within the layer where no attribute holds it.
        regularizer: its penalty in training; a name or a function, see `lamina.regularizers`.
        constraint: what a step of training puts it back with; see `lamina.constraints`.

    >>> Variable((2, 3), "zeros").shape
    (2, 3)
    """

    __array_priority__ = 1000  # NumPy leaves arithmetic with a variable to the variable

    def __init__(
        self,
        shape: Any,
        initializer: Any = "glorot_uniform",
        *,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
    ) -> None:
        spec = Spec(shape, _FLOAT32 if dtype is None else dtype)
        if not spec.known:
            raise BuildError(
                explain(
                    f"A weight of shape {spec.shape} depends on a dim that is not known.",
                    where=f"declared at {site()}",
                    expected="a size on every axis",
                    received=str(spec.shape),
                    remedy="Give that dim a size in the spec, or make the weight independent "
                    "of it.",
                )
            )
        self._shape: tuple[int, ...] = spec.shape  # pyright: ignore[reportAttributeAccessIssue]
        self.weight_dtype: Any = spec.dtype
        self.initializer = initializers.get(initializer)
        self.name = None if name is None else str(name)
        self.regularizer = regularizers.get(regularizer)
        self.constraint = constraints.get(constraint)
        self.path: str | None = None  # in the tree that it was built in
        self.declared_at: Site = site()
        self._trainable = bool(trainable)
        floating = spec.dtype is _FLOAT32 or jnp.issubdtype(spec.dtype, jnp.floating)
        self._lowered = self._trainable and floating
        self._value: Any = None
        self.copies: tuple[int, ...] = ()  # the first axes, where it holds those of several layers
        self.attached = False  # whether an attribute of a layer holds it

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    @property
    def built(self) -> bool:
        return self._value is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes; within the call of one of several copies, those of its value."""
        if not self.copies:
            return self._shape
        scope = SCOPE.get()
        return self._shape if scope is None else scope.call.shape_of(self)

    @property
    def copy_shape(self) -> tuple[int, ...]:
        """The shape as the layer declared it, which is that of one copy."""
        return self._shape[len(self.copies) :]

    def stack(self, copies: tuple[int, ...]) -> None:
        """Let the variable, which has no value yet, hold those of several copies of its layer."""
        self._shape = (*copies, *self.copy_shape)
        self.copies = copies

    def over_copies(self, function: Callable[[Any], Any], value: Any) -> Any:
        """A function of the value of each copy."""
        for _ in self.copies:
            function = jax.vmap(function)
        return function(value)

    @property
    def nbytes(self) -> int:
        return self.size * int(np.dtype(self.weight_dtype).itemsize)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def describe(self) -> str:
        """What an error calls this variable."""
        known = self.path or self.name
        return f"Variable {known!r} {self.shape}" if known else f"Variable {self.shape}"

    @property
    def value(self) -> jax.Array:
        """The array that stands for the variable in the call that is running."""
        scope = SCOPE.get()
        if scope is None:
            return self.stored()
        value: jax.Array = scope.call.read(self)
        lowered = scope.dtype is not None and self._lowered
        return value.astype(scope.dtype) if lowered else value

    @property
    def dtype(self) -> Any:
        """The dtype of ``value``: that of the weight, or in mixed precision of the arithmetic."""
        scope = SCOPE.get()
        around = None if scope is None else scope.dtype
        return self.weight_dtype if around is None or not self._lowered else jnp.dtype(around)

    def stored(self) -> jax.Array:
        """The array kept here, whatever call is running."""
        value = self._value
        if isinstance(value, jax.Array):
            return value
        if value is None:
            raise BuildError(
                explain(
                    f"{self.describe()} has no value yet.",
                    where=f"declared at {self.declared_at}",
                    expected="a layer that is built",
                    received="a read before the build",
                    remedy="Call the model once, or build(...) it, before reading its weights.",
                )
            )
        value.recall()
        return self._value

    def assign(self, value: Any) -> Variable:
        """Give the variable a new value of the same shape; it is cast to the variable's dtype."""
        array = value if isinstance(value, jax.Array) else as_array(value, self.describe())
        if array is None or array.shape != self.shape:
            raise InputError(
                explain(
                    f"{self.describe()} was assigned "
                    + ("what is no array." if array is None else "an array of another shape."),
                    where=f"declared at {self.declared_at}",
                    expected=str(self.shape),
                    received=repr(value) if array is None else str(array.shape),
                    remedy="Assign an array of the variable's shape.",
                )
            )
        array = array.astype(self.weight_dtype)
        scope = SCOPE.get()
        if scope is not None:
            scope.call.assign(self, array)
        else:
            store([self], [array])
        return self

    def assign_add(self, value: Any) -> Variable:
        return self.assign(self.value + array_of(value))

    def assign_sub(self, value: Any) -> Variable:
        return self.assign(self.value - array_of(value))

    def numpy(self) -> np.ndarray:
        return np.asarray(self.value)

    def __jax_array__(self) -> jax.Array:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype, copy=copy)

    if TYPE_CHECKING:  # what arrays have besides; see below

        def __getattr__(self, name: str) -> Any: ...

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __getitem__(self, index: Any) -> jax.Array:
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

    def __round__(self, digits: int = 0) -> Any:
        return self.value.round(digits)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__ | {"_value": self._kept()})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_value": self._kept()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _kept(self) -> Any:
        return None if self._value is None else self.stored()

    def __repr__(self) -> str:
        state = "" if self.built else ", not built"
        frozen = "" if self.trainable else ", not trainable"
        return f"Variable(shape={self.shape}, dtype={self.weight_dtype}{frozen}{state})"


def store(variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
    """Keep concrete arrays in variables, all of them at once.

    Raises:
        TraceError: one exists only while JAX traces; nothing was changed.
    """
    for variable, array in zip(variables, arrays, strict=True):
        if is_traced(array):
            raise TraceError(
                explain(
                    f"{variable.path or variable.describe()} was assigned a value that exists only "
                    "while JAX traces.",
                    where=f"declared at {variable.declared_at}",
                    expected="a concrete array",
                    received=f"a tracer, {type(array).__name__}",
                    remedy="Use outputs, new_values = layer.apply(values, ...) inside jit, grad "
                    "and vmap, and set_values(new_values) outside.",
                )
            )
    with LOCK:  # what is lent out comes back first, and is not lent again meanwhile
        for variable in variables:
            if variable.built:
                variable.stored()
        assign_together(variables, arrays)


def _forward(operation: Callable[[Any, Any], Any]) -> Callable[[Variable, Any], Any]:
    def method(self: Variable, other: Any) -> Any:
        return operation(self.value, other.value if isinstance(other, Variable) else other)

    return method


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Variable, Any], Any]:
    def method(self: Variable, other: Any) -> Any:
        return operation(array_of(other), self.value)

    return method


def _unary(operation: Callable[[Any], Any]) -> Callable[[Variable], Any]:
    return lambda self: operation(self.value)


Variable.__divmod__ = _forward(divmod)  # type: ignore[attr-defined]
Variable.__rdivmod__ = _reflected(divmod)  # type: ignore[attr-defined]
for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]:
    _operation = getattr(operator, f"__{_name}__")
    setattr(Variable, f"__{_name}__", _forward(_operation))
    setattr(Variable, f"__r{_name}__", _reflected(_operation))
for _name in ["lt", "le", "gt", "ge"]:
    setattr(Variable, f"__{_name}__", _forward(getattr(operator, f"__{_name}__")))
for _name in ["neg", "pos", "abs", "invert"]:
    setattr(Variable, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))

# What arrays have besides (T, astype, reshape, at, ...) is the value's. They are properties, since
# with a `__getattr__` Python would look up every attribute of a variable the slow way.
for _name in {name for name in dir(jax.Array) if not name.startswith("_")} - {"shape"}:
    if _name not in vars(Variable):
        setattr(Variable, _name, property(operator.attrgetter(f"value.{_name}")))


# To JAX's functions a variable is a tree of one leaf, and what they make of that is an array.
def _as_tree(variable: Variable) -> tuple[tuple[Any], None]:
    return (variable.value,), None


def _from_tree(_: None, leaves: tuple[Any]) -> Any:
    return leaves[0]


jax.tree_util.register_pytree_node(Variable, _as_tree, _from_tree)
