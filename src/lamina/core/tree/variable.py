"""Variables: the weights and other state of layers."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from lamina import constraints, initializers, regularizers
from lamina.core.base.jax_internals import is_traced
from lamina.core.base.lock import LOCK
from lamina.core.base.processes import to_host
from lamina.core.base.pytrees import as_array
from lamina.core.base.sites import Site, site
from lamina.core.initial.fixed import fixed_value
from lamina.core.tree.array_methods import ArrayMethods
from lamina.core.tree.assigned_arithmetic import AssignedArithmetic
from lamina.core.tree.trainable_flag import TrainableFlag
from lamina.core.tree.values import SURROUNDING, assign_together
from lamina.core.tree.variable_shape import known_spec
from lamina.errors import BuildError, InputError, TraceError, explain

__all__ = ["SCOPE", "Loan", "Variable", "VariableScope", "assign_all", "store"]

_FLOAT32 = np.dtype("float32")


class _Values(Protocol):
    """The part of a call's interpreter that variables use."""

    def read(self, variable: Variable) -> Any: ...

    def assign(self, variable: Variable, value: Any) -> None: ...

    def shape_of(self, variable: Variable) -> tuple[int, ...]: ...


class VariableScope(Protocol):
    """The part of the running layer's scope that variables use."""

    @property
    def call(self) -> _Values: ...

    @property
    def dtype(self) -> Any: ...


SCOPE: ContextVar[VariableScope | None] = ContextVar("lamina_scope", default=None)
"""The scope of the innermost running layer; None outside of calls."""


class Loan(Protocol):
    """A placeholder in a variable while training holds its array; `recall` restores the arrays."""

    def recall(self) -> None: ...


class Variable(TrainableFlag, AssignedArithmetic, ArrayMethods):
    """A weight or another array of a layer's state, which works as an array in ``jax.numpy``.

    It has the attributes, methods and operators of a ``jax.Array``. Functions of ``jax.lax`` need
    its ``value``. Its array is created when the layer that holds it is built.

    Args:
        shape: tuple of int, sizes of the axes. It is required.
        initializer: a name, an initializer of :mod:`lamina.initializers`, a callable
            ``(key, shape, dtype)``, a number, or an array that broadcasts to the shape;
            ``"glorot_uniform"`` by default.
        dtype: dtype of the array; float32 by default.
        trainable: bool, whether optimizers update the variable; True by default.
        name: str, name in the layer's paths if no attribute of the layer holds the variable; None
            by default.
        regularizer: penalty added to the loss, a name or a function of the array; None by default.
            See `lamina.regularizers`.
        constraint: function of the array that is applied after each training step, or its name;
            None by default. See `lamina.constraints`.
        autocast: bool, whether mixed precision casts the value to the compute dtype; True by
            default.

    Raises:
        BuildError: a size of the shape is unknown.
        InputError: the shape is missing, or is an array.
        UnknownNameError: no initializer, regularizer or constraint has that name.

    >>> import jax.numpy as jnp
    >>> from lamina import Layer
    >>> class Shift(Layer):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.offset = Variable((3,), "ones")
    ...     def call(self, inputs):
    ...         return inputs + self.offset
    >>> layer = Shift()
    >>> layer(jnp.zeros((2, 3))).shape, layer.offset.numpy().tolist()
    ((2, 3), [1.0, 1.0, 1.0])
    """

    def __init__(
        self,
        shape: Any = None,
        initializer: Any = "glorot_uniform",
        *,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
        autocast: bool = True,
    ) -> None:
        spec = known_spec(shape, _FLOAT32 if dtype is None else dtype)
        self._shape: tuple[int, ...] = spec.shape  # pyright: ignore[reportAttributeAccessIssue]
        self.weight_dtype: Any = spec.dtype
        self.initializer = initializers.get(initializer)
        self.given_name = None if name is None else str(name)
        self.regularizer = None if regularizer is None else regularizers.get(regularizer)
        self.constraint = None if constraint is None else constraints.get(constraint)
        self.path: str | None = None  # in the tree that it was built in
        self.declared_at: Site = site()
        TrainableFlag.__init__(self, bool(trainable))
        floating = spec.dtype is _FLOAT32 or jnp.issubdtype(spec.dtype, jnp.floating)
        self._lowered = self._trainable and floating and autocast
        self._value: Any = None
        self.is_weight = True  # False for the state of a stateful layer, which no file needs
        self.copies: tuple[int, ...] = ()  # sizes of the first axes if copies are stacked in it
        self.is_encoded = False  # whether the numbers mean nothing to other layers
        self.attached = False  # whether an attribute of a layer holds it

    @property
    def built(self) -> bool:
        """Whether the variable has a value."""
        return self._value is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes; in the call of one of several stacked copies, those of one."""
        if not self.copies:
            return self._shape
        scope = SCOPE.get()
        return self._shape if scope is None else scope.call.shape_of(self)

    @property
    def copy_shape(self) -> tuple[int, ...]:
        """The shape that the layer declared: that of one copy."""
        return self._shape[len(self.copies) :] if self.copies else self._shape

    def stack(self, copies: tuple[int, ...]) -> None:
        """Add leading axes for the copies of its layer; the variable must not have a value yet."""
        self._shape = (*copies, *self.copy_shape)
        self.copies = copies

    def over_copies(self, function: Callable[[Any], Any], value: Any) -> Any:
        """Apply a function to each copy in a stacked value."""
        for _ in self.copies:
            function = jax.vmap(function)
        return function(value)

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return self.size * int(np.dtype(self.weight_dtype).itemsize)

    @property
    def size(self) -> int:
        """The number of scalars."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The name that was given, else that of the attribute which holds the variable."""
        own = self.given_name or (self.path or "").rpartition(".")[2]
        return own or "variable"

    def describe(self) -> str:
        """Return the name of the variable in errors."""
        known = self.path or self.given_name
        return f"Variable {known!r} {self.shape}" if known else f"Variable {self.shape}"

    @property
    def value(self) -> jax.Array:
        """The array of the variable, in the running call or outside of calls.

        In ``apply``, ``lamina.jit`` and training it is the value passed for the variable, often a
        tracer; under mixed precision it is cast to the compute dtype.

        Raises:
            BuildError: the variable has no value yet, and its initial value will be random.
        """
        scope = SCOPE.get()
        if scope is None:
            return self.surrounded()
        value: jax.Array = scope.call.read(self)
        lowered = scope.dtype is not None and self._lowered
        return value.astype(scope.dtype) if lowered else value

    @property
    def dtype(self) -> Any:
        """The dtype of ``value``: in mixed precision the compute dtype, else the variable's."""
        scope = SCOPE.get()
        around = None if scope is None else scope.dtype
        return self.weight_dtype if around is None or not self._lowered else jnp.dtype(around)

    def surrounded(self) -> jax.Array:
        """Return the value outside of calls: the stored array, or that of `SURROUNDING`."""
        around = SURROUNDING.get()
        return self.stored() if around is None else around.read(self)

    def stored(self) -> jax.Array:
        """Return the stored array, independent of the running call.

        Before the build it is the initial value, if that is not random.
        """
        value = self._value
        if isinstance(value, jax.Array):
            return value
        if value is None:
            fixed = fixed_value(self.initializer, self._shape, self.weight_dtype)
            if fixed is not None:
                return jnp.asarray(fixed)
            raise BuildError(
                explain(
                    f"{self.describe()} has no value yet.",
                    where=f"declared at {self.declared_at}",
                    expected="a built layer",
                    received="a read before the build",
                    remedy="Call the model or its build(...) once before reading its weights.",
                )
            )
        value.recall()
        return self._value

    def assign(self, value: Any) -> Variable:
        """Set the value of the variable.

        In a call, the new value is an effect of the call: ``apply`` returns it.

        Args:
            value: an array, or nested lists of numbers, of the variable's shape; it is cast to the
                variable's dtype.

        Returns:
            The variable.

        Raises:
            InputError: the value is not an array, or has another shape.
            TraceError: the value is a tracer and no call is running, or an inner transform of the
                call is running.

        >>> import jax.numpy as jnp
        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> layer.bias.assign([3.0]).numpy().tolist()
        [3.0]
        """
        array = value if isinstance(value, jax.Array) else as_array(value, self.describe())
        if array is None or array.shape != self.shape:
            raise InputError(
                explain(
                    f"{self.describe()} was assigned "
                    + (
                        "a value that is not an array."
                        if array is None
                        else "an array of another shape."
                    ),
                    where=f"declared at {self.declared_at}",
                    expected=f"an array of shape {self.shape}",
                    received=repr(value) if array is None else f"shape {array.shape}",
                    remedy="Assign an array of the variable's shape.",
                )
            )
        self._set(array.astype(self.weight_dtype))
        return self

    def _set(self, array: jax.Array) -> None:
        scope = SCOPE.get()
        if scope is not None:
            scope.call.assign(self, array)
        else:
            assign_all([self], [array])

    def numpy(self) -> np.ndarray:
        """Return the value as a NumPy array; if several processes hold it, all must call this."""
        return to_host(self.value)

    def __jax_array__(self) -> jax.Array:
        return self.value

    def __array__(  # pyright: ignore[reportIncompatibleMethodOverride] - NumPy passes no context
        self, dtype: Any = None, copy: bool | None = None
    ) -> np.ndarray:
        value: Any = self.value
        value = value if is_traced(value) or value.is_fully_addressable else to_host(value)
        return np.array(value, dtype=dtype, copy=copy)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__ | {"_value": self._kept()})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        value = self._kept()
        is_here = value is None or value.is_fully_addressable
        return self.__dict__ | {"_value": value if is_here else to_host(value)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        value = state["_value"]
        is_array = value is None or isinstance(value, jax.Array)
        self.__dict__.update(state | {"_value": value if is_array else jnp.asarray(value)})

    def _kept(self) -> Any:
        return None if self._value is None else self.stored()

    def __repr__(self) -> str:
        state = "" if self.built else ", not built"
        frozen = "" if self.trainable else ", not trainable"
        return f"Variable(shape={self.shape}, dtype={self.weight_dtype}{frozen}{state})"

    def _repr_html_(self) -> str | None:
        """Return the array as `treescope` draws it, for a notebook; None if that is missing."""
        value = self._value
        if not isinstance(value, jax.Array) or is_traced(value) or not value.is_fully_addressable:
            return None
        if not value.size or importlib.util.find_spec("treescope") is None:
            return None
        return importlib.import_module("treescope").render_array(value)._repr_html_()


def assign_all(variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
    """Store arrays in variables as :func:`store`, or assign them in `SURROUNDING`."""
    around = SURROUNDING.get()
    if around is None:
        store(variables, arrays)
    else:
        around.assign(variables, arrays)


def store(variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
    """Store concrete arrays in variables, atomically.

    Raises:
        TraceError: one of the arrays is a tracer; nothing was changed.
    """
    for variable, array in zip(variables, arrays, strict=True):
        if is_traced(array):
            raise TraceError(
                explain(
                    f"{variable.path or variable.describe()} was assigned a traced value, which "
                    "does not exist after the transform.",
                    where=f"declared at {variable.declared_at}",
                    expected="a concrete array",
                    received=f"a tracer, {type(array).__name__}",
                    remedy="Use outputs, new_values = layer.apply(values, ...) inside jit, grad "
                    "and vmap, and set_values(new_values) outside.",
                )
            )
    with LOCK:  # arrays that training holds are restored first, and stay so in this block
        for variable in variables:
            if variable.built:
                variable.stored()
        assign_together(variables, list(map(_placed, variables, arrays)))


def _placed(variable: Variable, array: Any) -> Any:
    """Return an array on the devices of the variable's present one, if that is on a mesh."""
    before: Any = variable._value
    if before is None or array.sharding.num_devices > 1:
        return array
    on_mesh = isinstance(before.sharding, jax.sharding.NamedSharding)
    return jax.device_put(array, before.sharding) if on_mesh else array


# In JAX functions a variable is a pytree of one leaf; unflattening gives an array.
def _as_tree(variable: Variable) -> tuple[tuple[Any], None]:
    return (variable.value,), None


def _from_tree(_: None, leaves: tuple[Any]) -> Any:
    return leaves[0]


jax.tree_util.register_pytree_node(Variable, _as_tree, _from_tree)
