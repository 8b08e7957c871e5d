"""Metrics as pure accumulators: a state, an update that adds a batch, and a result.

The state is a tuple of arrays, so it passes through `jax.jit` and `jax.lax.scan`. A metric can
hold one, too, in variables.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.configured import Configured
from lamina.core.base.pytrees import map_tree
from lamina.core.tree.cell import Cell, cell_values
from lamina.counts import check_fields
from lamina.errors import InputError, explain
from lamina.losses.columns import as_columns
from lamina.losses.shapes import spread
from lamina.names import snake
from lamina.narrowing import array_of

__all__ = [
    "BuiltIn",
    "Mean",
    "MeanMetric",
    "Metric",
    "State",
    "Sum",
]

State: TypeAlias = tuple[jax.Array, ...]


class Metric(Configured):
    """The base class of metrics.

    A subclass defines the pure functions `init`, `update` and `result`; or, as in Keras, it
    declares accumulators with `add_weight` and defines ``update_state(self, ...)``,
    ``result(self)`` and, if they do not start from zeros, ``reset_state(self)``. Either has the
    methods of both: the pure ones take and return accumulators, the others use those in
    `variables`.

    Args:
        dtype: floating dtype of the result; None (default) for float32.
        name: name in logs; the class's name in snake case if empty (default).

    >>> class Largest(Metric):
    ...     def init(self):
    ...         return (jnp.array(-jnp.inf),)
    ...     def update(self, state, y_true, y_pred, /, sample_weight=None):
    ...         return (jnp.maximum(state[0], jnp.max(y_pred)),)
    ...     def result(self, state):
    ...         return state[0]
    >>> largest = Largest()
    >>> largest.result(largest.update(largest.init(), None, jnp.array([1.0, 3.0]))).item()
    3.0
    >>> largest.update_state(None, jnp.array([2.0]))
    >>> largest.result().item()
    2.0

    >>> class Count(Metric):
    ...     def __init__(self, name="count"):
    ...         super().__init__(name=name)
    ...         self.count = self.add_weight(name="count", initializer="zeros")
    ...     def update_state(self, y_true, y_pred=None, sample_weight=None):
    ...         self.count.assign_add(jnp.float32(len(y_true)))
    ...     def result(self):
    ...         return self.count.value
    >>> count = Count()
    >>> count.update_state(jnp.zeros(3))
    >>> count.result().item()
    3.0
    """

    name: str = ""
    dtype: Any = None
    direction: ClassVar[str | None] = None
    """`"up"` if larger results are better, `"down"` if smaller ones are, None if neither."""
    shaped: ClassVar[bool] = False
    """Whether `init` takes labels and predictions, whose last axis gives the state its shape."""
    state_names: ClassVar[tuple[str, ...]] = ()
    """The names of the accumulators, which are attributes of the metric, too."""
    _cells: list[Cell] | None = None

    def __init__(self, dtype: Any = None, name: str = "") -> None:
        self.dtype, self.name = dtype, name
        self.__post_init__()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "update" in own:
            cls._added = own["update"]
        elif "update_state" in own:
            cls.update = Metric.update
        if "result" in own:
            cls.result = _of_either_state(own["result"])

    def __post_init__(self) -> None:
        self.name = self.name or snake(type(self).__name__)
        self.dtype = getattr(self.dtype, "compute_dtype", self.dtype)  # of a dtype policy
        check_fields(self)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).state_names:
            for cell in self._own_cells():
                if cell.name == name:
                    return cell
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    def _cast(self, result: jax.Array) -> jax.Array:
        """Return a result in the dtype of the metric."""
        return result if self.dtype is None else result.astype(self.dtype)

    # Pure functions of accumulators.

    def init(self) -> State:
        """Return the state before the first batch.

        Returns:
            A tuple of arrays, the accumulators.
        """
        if type(self).update_state is Metric.update_state:
            raise NotImplementedError
        return tuple(jnp.asarray(array) for array in self.stateless_reset_state())

    def _restarted(self, state: State, initial: State) -> State:
        """Return the state at the beginning of an epoch, from those so far and from `init`."""
        if type(self).reset_state is Metric.reset_state:
            return initial
        with cell_values(self.variables, state) as after:
            self.reset_state()
        return tuple(after)

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        """Add a batch to the accumulators.

        Args:
            state: the accumulators so far.
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.
            sample_weight: ``[batch]`` or ``[batch, ...]``, weights of examples or of values;
                None (default) weights all equally.

        Returns:
            The new accumulators.
        """
        if type(self).update_state is Metric.update_state:
            raise NotImplementedError
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return tuple(self.stateless_update_state(state, y_true, y_pred, **weights))

    _added = update
    """The pure update of the class that defines one; `update_state` calls it."""

    def result(self, state: State) -> jax.Array:
        """Compute the metric from the accumulators.

        Args:
            state: the accumulators; those of `variables` by default.

        Returns:
            A scalar, or an array for a metric of several values.
        """
        raise NotImplementedError

    # The state that the metric holds.

    @property
    def variables(self) -> list[Any]:
        """The accumulators that the metric and those in its attributes hold, as variables."""
        found = {id(cell): cell for cell in self._own_cells()}
        pending: list[Any] = [value for name, value in vars(self).items() if name != "_cells"]
        while pending:
            value = pending.pop(0)
            if isinstance(value, list | tuple):
                pending[:0] = cast("list[Any]", value)
            elif isinstance(value, dict):
                pending[:0] = cast("dict[Any, Any]", value).values()
            elif isinstance(value, Metric):
                found |= {id(cell): cell for cell in value.variables}
            elif isinstance(value, Cell):
                found[id(value)] = value
        return list(found.values())

    @property
    def _is_declared(self) -> bool:
        """Whether add_weight declares the accumulators, instead of `init`."""
        return type(self).init is Metric.init

    def _own_cells(self) -> list[Cell]:
        if self._cells is None:
            unknown = self._is_declared or self.shaped
            cells = [] if unknown else _cells_of(self.init, self.state_names)
            if unknown:
                return cells
            self._cells = cells
        return self._cells

    def _held(self) -> State:
        """Return the accumulators that the metric holds; those of `init` before the first batch."""
        return tuple(_arrays(self._own_cells())) or self.init()

    def add_weight(
        self, shape: Any = (), initializer: Any = "zeros", dtype: Any = None, name: str = ""
    ) -> Any:
        """Declare an accumulator.

        Args:
            shape: the sizes of the axes; ``()`` by default.
            initializer: a name, an initializer, a number or an array that gives the first value;
                `"zeros"` by default.
            dtype: its dtype; None (default) for float32.
            name: its name; empty by default.

        Returns:
            The variable, with ``assign`` and ``assign_add``.
        """
        cell = Cell(shape, initializer, dtype=dtype, trainable=False, name=name or None)
        self._cells = [*(self._cells or []), cell]
        return cell

    def add_variable(
        self, shape: Any, initializer: Any = "zeros", dtype: Any = None, name: str = ""
    ) -> Any:
        """Declare an accumulator; see :meth:`add_weight`."""
        return self.add_weight(shape, initializer, dtype, name)

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add a batch to the state that the metric holds.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions; None (default) for metrics without.
            sample_weight: weights of examples or of values; None (default) weights all equally.

        Raises:
            TraceError: the values are traced outside of a step of training.
        """
        self._add(y_true, y_pred, sample_weight)

    def _add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        y_true, y_pred = _as_arrays(y_true), _as_arrays(y_pred)
        if self._cells is None and self.shaped:
            self._cells = _cells_of(self.init, self.state_names, y_true, y_pred)
        cells = self._own_cells()
        state = tuple(cell.value for cell in cells)
        new = type(self)._added(self, state, y_true, y_pred, sample_weight=sample_weight)
        for cell, array in zip(cells, new, strict=True):
            cell.assign(array)

    def reset_state(self) -> None:
        """Reset the state that the metric holds: accumulators of `add_weight` to zeros."""
        if self._is_declared:
            for cell in self.variables:
                cell.assign(jnp.zeros(cell.shape))
        elif self.shaped:
            self._cells = None  # the shape is that of the next batch
        else:
            for cell, array in zip(self._own_cells(), self.init(), strict=True):
                cell.assign(array)

    def reset_states(self) -> None:
        """Reset the state that the metric holds: the name of `reset_state` in Keras 2."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch to the state as `update_state`, and return the result so far."""
        self.update_state(*args, **kwargs)
        of_own_state: Any = self.result
        return of_own_state()

    def stateless_update_state(
        self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any
    ) -> list[Any]:
        """Call `update_state` as a pure function.

        Args:
            metric_variables: the values of `variables`, in order.
            *args: the arguments of `update_state`.
            **kwargs: its arguments by name.

        Returns:
            The new values of `variables`.

        >>> mean = Mean()
        >>> total, count = mean.stateless_update_state(mean.variables, jnp.array([1.0, 3.0]))
        >>> total.item(), mean.result().item()
        (4.0, 0.0)
        """
        cells = self._checked(metric_variables)
        with cell_values(cells, _arrays(metric_variables)) as after:
            self.update_state(*args, **kwargs)
        return after

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """Return the result for given values of `variables`.

        Args:
            metric_variables: the values, in order.
        """
        self._checked(metric_variables)
        return self.result(tuple(_arrays(metric_variables)))

    def stateless_reset_state(self) -> list[Any]:
        """Return the values of `variables` after `reset_state`."""
        cells = self.variables
        with cell_values(cells, [cell.stored() for cell in cells]) as after:
            self.reset_state()
        return after

    def _checked(self, values: Sequence[Any]) -> list[Cell]:
        cells = self.variables
        if len(cells) != len(values):
            raise InputError(
                explain(
                    f"The values of the metric {self.name} do not match its variables.",
                    expected=f"{len(cells)} arrays",
                    received=f"{len(values)} arrays",
                    remedy="Pass a value for each of metric.variables, in order.",
                )
            )
        return cells


def _arrays(values: Sequence[Any]) -> list[Any]:
    return [value.value if isinstance(value, Cell) else jnp.asarray(value) for value in values]


def _as_arrays(values: Any) -> Any:
    if _is_of_numbers(values):
        return jnp.asarray(values)
    return map_tree(lambda leaf: jnp.asarray(leaf), values)


def _is_of_numbers(values: Any) -> bool:
    """Whether the values are nested lists of numbers, which are one array."""
    while isinstance(values, list | tuple) and values:
        values = cast("list[Any]", values)[0]
    return isinstance(values, bool | int | float)


def _cells_of(init: Callable[..., State], names: Sequence[str], *shapes: Any) -> list[Cell]:
    """Variables for the accumulators of a metric that is a pure function."""
    with jax.ensure_compile_time_eval():  # they outlive a trace that is running
        pairs = itertools.zip_longest(init(*shapes), names)
        return [Cell(one.shape, one, dtype=one.dtype, trainable=False, name=n) for one, n in pairs]


def _of_either_state(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method `result` use given accumulators, or those of `variables` without them."""
    takes_state = len(inspect.signature(function).parameters) > 1

    @functools.wraps(function)
    def result(self: Metric, state: Any = None) -> Any:
        if takes_state:
            return function(self, self._held() if state is None else state)
        if state is None:
            return function(self)
        with cell_values(self.variables, state):
            return function(self)

    return result


class _OfValues(Metric):
    """A metric of values, without labels and predictions."""

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Add values to the state that the metric holds.

        Args:
            values: ``[batch, ...]``.
            sample_weight: ``[batch]`` or ``[batch, ...]``; None (default) weights all equally.
        """
        self._add(values, None, sample_weight)


class Sum(_OfValues):
    """The weighted sum of values: ``sum(w v)``.

    Values are ``[batch, ...]``, weights ``[batch]`` or ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> total = Sum()
    >>> total.result(total.update(total.init(), jnp.array([1.0, 3.0]))).item()
    4.0
    """

    def __init__(self, name: str = "", dtype: Any = None) -> None:
        super().__init__(dtype=dtype, name=name)

    state_names = ("total",)

    def init(self) -> State:
        return (jnp.zeros((), jnp.float32),)

    def update(
        self,
        state: State,
        values: Any,
        unused: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        v = array_of(values).astype(jnp.float32)
        w = 1.0 if sample_weight is None else spread(sample_weight, v)
        return (state[0] + jnp.sum(v * w),)

    def result(self, state: State) -> jax.Array:
        return self._cast(state[0])


class Mean(_OfValues):
    """The weighted mean of values over examples: ``sum(w v) / sum(w)``.

    Values are ``[batch, ...]``; those of one example are averaged first. Weights are ``[batch]``
    or ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> mean = Mean()
    >>> state = mean.update(mean.init(), jnp.array([1.0, 3.0]))
    >>> mean.result(mean.update(state, jnp.array([5.0]))).item()
    3.0
    """

    def __init__(self, name: str = "", dtype: Any = None) -> None:
        super().__init__(dtype=dtype, name=name)

    state_names = ("total", "count")

    def init(self) -> State:
        return jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)

    def update(
        self,
        state: State,
        values: Any,
        unused: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        total, count = state
        v = array_of(values).astype(jnp.float32)
        w = jnp.ones_like(v) if sample_weight is None else spread(sample_weight, v)
        inner = tuple(range(1, v.ndim))
        return total + (v * w).mean(inner).sum(), count + w.mean(inner).sum()

    def result(self, state: State) -> jax.Array:
        return self._cast(divide(*state))


class MeanMetric(Mean):
    """The base class of metrics that average values computed from labels and predictions.

    A subclass defines `values`; the result is ``sum(w v) / sum(w)``, as for :class:`Mean`. One
    value for a whole batch counts as the value of each of its examples.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> class MaxError(MeanMetric):
    ...     def values(self, y_true, y_pred):
    ...         return jnp.abs(y_true - y_pred).max(-1)
    >>> error = MaxError()
    >>> error.result(error.update(error.init(), jnp.zeros((2, 3)), jnp.ones((2, 3)))).item()
    1.0
    """

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the values to average; each subclass defines it.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            ``[batch, ...]``: one value or several per example.
        """
        raise NotImplementedError

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        values = array_of(self.values(y_true, y_pred))
        if not values.ndim:
            given = y_pred if sample_weight is None else sample_weight
            values = jnp.broadcast_to(values, jnp.shape(given)[: 1 if given is y_pred else None])
        return super().update(state, values, sample_weight=sample_weight)

    update_state = Metric.update_state  # pyright: ignore[reportAssignmentType]


@dataclass(eq=False)
class BuiltIn(MeanMetric):
    """The base class of metrics that average a function of this package with options."""

    name: str = ""
    dtype: Any = None
    function: ClassVar[Callable[..., jax.Array]]

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        names = [field.name for field in fields(self) if field.name not in ("name", "dtype")]
        function = type(self).function
        y_true, y_pred = as_columns(function, y_true, y_pred)
        return function(y_true, y_pred, **{name: getattr(self, name) for name in names})


def select_by_shape(
    functions: tuple[Callable[[Any, Any], jax.Array], ...], y_true: Any, y_pred: Any
) -> jax.Array:
    """Compute the values of the function whose shapes match: binary, sparse or categorical."""
    binary, sparse, categorical = functions
    y, p = array_of(y_true), array_of(y_pred)
    if p.ndim < 2 or p.shape[-1] == 1:
        return binary(y, p)
    return (sparse if y.ndim < p.ndim or y.shape[-1] == 1 else categorical)(y, p)


def divide(total: jax.Array, count: jax.Array) -> jax.Array:
    """Compute ``total / count``, and 0 where the count is 0."""
    return jnp.where(count == 0, 0.0, total / jnp.where(count == 0, 1.0, count))
