"""Gradients of recorded operations."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, NamedTuple, Self, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import intercepted, outside_interception
from lamina.core.base.pytrees import map_tree, unflatten
from lamina.core.base.sites import site
from lamina.core.tree.values import SURROUNDING, Surrounding
from lamina.core.tree.variable import Variable, store
from lamina.errors import InputError, explain

__all__ = ["GradientTape"]

Unconnected = Literal["none", "zero"]


class _Record(NamedTuple):
    """An operation on watched arrays.

    Attributes:
        of_watched: the operation as a function of the watched arrays among its inputs.
        inputs: the watched arrays among its inputs.
        outputs: its results.
        pullback: from the gradients of the results to those of the inputs.
        is_list: whether the operation returns a list.
    """

    of_watched: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    pullback: Callable[[Any], Sequence[Any]]
    is_list: bool


class GradientTape:
    """A recording of operations, from which gradients are computed.

    Operations on arrays that run within the ``with`` block are recorded if they depend on a watched
    array: those of ``jax.numpy``, operators, layers and compiled functions. Trainable variables are
    watched when they are read. Gradients are those of the values that the operations had.

    Args:
        persistent: bool, whether gradients can be computed more than once; False by default.
        watch_accessed_variables: bool, whether trainable variables that are read are watched; True
            by default.

    >>> import jax.numpy as jnp
    >>> x = jnp.array(3.0)
    >>> with GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> float(tape.gradient(y, x))
    6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._watched: dict[int, Any] = {}  # arrays by identity; kept, so that ids stay theirs
        self._values: dict[int, list[Any]] = {}  # the watched values of each variable
        self._variables: dict[int, Variable] = {}
        self._records: list[_Record] = []
        self._recording: ExitStack | None = None
        self._used = False
        self._around: Surrounding | None = None

    def __enter__(self) -> Self:
        if self._recording is not None:
            raise _error("The tape is recording already.", "Enter each tape once at a time.")
        self._recording = ExitStack()
        self._start(self._recording)
        return self

    def __exit__(self, *_: object) -> None:
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _start(self, stack: ExitStack) -> None:
        self._around = SURROUNDING.get()
        token = SURROUNDING.set(_Reads(self, self._around))
        stack.callback(SURROUNDING.reset, token)
        stack.enter_context(intercepted(self._run))

    def watch(self, tensor: Any) -> None:
        """Watch arrays or variables.

        Args:
            tensor: a floating-point or complex array or variable, or a nest of them.

        Raises:
            InputError: a value is no array, or has no gradient.
        """
        for leaf in _leaves(tensor):
            if isinstance(leaf, Variable):
                self._note(leaf, leaf.value, always=True)
                continue
            if not isinstance(leaf, jax.Array) or not _has_gradient(leaf):
                raise InputError(
                    explain(
                        "A tape cannot watch this value.",
                        where=f"called at {site()}",
                        expected="a floating-point array or variable",
                        received=repr(leaf),
                        remedy="Pass jnp.asarray(value, 'float32'), and compute with that array.",
                    )
                )
            self._watched[id(leaf)] = leaf

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the variables that are watched, in the order in which they were first read."""
        return tuple(self._variables.values())

    def reset(self) -> None:
        """Forget what was recorded."""
        self._watched, self._values, self._variables, self._records = {}, {}, {}, []

    @contextmanager
    def stop_recording(self) -> Generator[None]:
        """Record nothing within a ``with`` block.

        Raises:
            InputError: the tape is not recording.
        """
        if self._recording is None:
            raise _error("The tape is not recording.", "Use it within the block of the tape.")
        token = SURROUNDING.set(cast(Any, SURROUNDING.get()).around)
        try:
            with outside_interception():
                yield
        finally:
            SURROUNDING.reset(token)

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Unconnected = "none",
    ) -> Any:
        """Return the gradients of the sum of all elements of the targets.

        Args:
            target: an array, or a nest of arrays.
            sources: an array or variable, or a nest of them.
            output_gradients: the gradient of each target; None (default) for ones.
            unconnected_gradients: the gradient of a source on which no target depends: ``"none"``
                (default) for None, ``"zero"`` for zeros.

        Returns:
            The gradient of each source, in their structure.

        Raises:
            InputError: gradients of a tape that is not persistent are computed a second time.
        """
        self._use()
        targets = [_array(leaf) for leaf in _leaves(target)]
        given = _leaves(output_gradients) if output_gradients is not None else [None] * len(targets)
        seeds = [
            jnp.ones_like(one) if seed is None else jnp.broadcast_to(_array(seed), one.shape)
            for one, seed in zip(targets, given, strict=True)
        ]
        return self._pulled(targets, seeds, sources, unconnected_gradients)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Unconnected = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the derivatives of each element of the target.

        Args:
            target: an array of shape ``[*target]``.
            sources: an array or variable of shape ``[*source]``, or a nest of them.
            unconnected_gradients: as in :meth:`gradient`.
            parallel_iterations: has no effect.
            experimental_use_pfor: has no effect: all elements are computed together.

        Returns:
            Arrays ``[*target, *source]``, in the structure of the sources.
        """
        self._use()
        array = _array(target)
        basis = jnp.eye(array.size, dtype=array.dtype).reshape(array.size, *array.shape)

        def row(seed: jax.Array) -> Any:
            return self._pulled([array], [seed], sources, unconnected_gradients)

        rows: Any = jax.vmap(row)(basis)
        return map_tree(lambda found: found.reshape(*array.shape, *found.shape[1:]), rows)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Unconnected = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the derivatives of each element of the target, for each example of a batch.

        Args:
            target: an array ``[batch, *target]``, each example of which depends on the same
                example of the source alone.
            source: an array ``[batch, *source]``.
            unconnected_gradients: as in :meth:`gradient`.
            parallel_iterations: has no effect.
            experimental_use_pfor: has no effect.

        Returns:
            An array ``[batch, *target, *source]``.

        Raises:
            InputError: the batch sizes differ.
        """
        self._use()
        array, given = _array(target), _array(source)
        if not array.ndim or not given.ndim or array.shape[0] != given.shape[0]:
            raise InputError(
                explain(
                    "batch_jacobian needs a target and a source of one batch.",
                    where=f"called at {site()}",
                    expected="arrays with the same first axis",
                    received=f"shapes {array.shape} and {given.shape}",
                    remedy="Use jacobian for other shapes.",
                )
            )
        size = array[0].size if array.shape[0] else 0
        basis = jnp.eye(size, dtype=array.dtype).reshape(size, 1, *array.shape[1:])

        def row(seed: jax.Array) -> Any:
            seeds = [jnp.broadcast_to(seed, array.shape)]
            return self._pulled([array], seeds, source, unconnected_gradients)

        rows = jax.vmap(row, out_axes=1)(basis)
        if rows is None:
            return None
        return rows.reshape(*array.shape, *given.shape[1:])

    def _use(self) -> None:
        if self._used and not self._persistent:
            raise _error(
                "The gradients of this tape were computed already.",
                "Make the tape with persistent=True to compute gradients more than once.",
            )
        self._used = True

    def _pulled(
        self, targets: list[Any], seeds: list[Any], sources: Any, unconnected: Unconnected
    ) -> Any:
        """Return gradients of the sources, in their structure, from those of the targets."""
        held = list(self._records)  # the operations here may be recorded, too
        # What a pullback keeps was computed outside of this tape, and of one that began later.
        now = SURROUNDING.get()
        again = isinstance(now, _Reads) and now is not self._around
        gradients: dict[int, Any] = {}

        def add(array: Any, gradient: Any) -> None:
            known = gradients.get(id(array))
            gradients[id(array)] = gradient if known is None else known + gradient

        for target, seed in zip(targets, seeds, strict=True):
            if _has_gradient(target):
                add(target, seed.astype(target.dtype))
        for record in reversed(held):
            if not any(id(output) in gradients for output in record.outputs):
                continue
            of_outputs = [_cotangent(output, gradients) for output in record.outputs]
            pullback = record.pullback
            if again:
                _, pullback = cast(Any, jax.vjp)(record.of_watched, *record.inputs)
            pulled = pullback(of_outputs if record.is_list else of_outputs[0])
            for array, gradient in zip(record.inputs, pulled, strict=True):
                add(array, gradient)
        leaves, structure = cast("tuple[list[Any], Any]", _flattened(sources))
        found = [self._of_source(leaf, gradients, unconnected) for leaf in leaves]
        return unflatten(structure, found)

    def _of_source(self, source: Any, gradients: dict[int, Any], unconnected: Unconnected) -> Any:
        values = self._values.get(id(source), []) if isinstance(source, Variable) else [source]
        found = [gradients[id(value)] for value in values if id(value) in gradients]
        if found:
            return sum(found[1:], found[0])
        return jnp.zeros_like(_array(source)) if unconnected == "zero" else None

    def _note(self, variable: Variable, value: Any, always: bool = False) -> None:
        """Watch the value of a variable that is read."""
        watched = always or (self._watch_accessed and variable.trainable)
        if watched and _has_gradient(value):
            self._variables.setdefault(id(variable), variable)
            values = self._values.setdefault(id(variable), [])
            if all(one is not value for one in values):
                values.append(value)
                self._watched[id(value)] = value

    def _run(self, run: Callable[[Sequence[Any]], Any], arrays: Sequence[Any]) -> Any:
        """Run an operation, and record it if it depends on a watched array."""
        indices = [i for i, array in enumerate(arrays) if id(array) in self._watched]
        if not indices:
            return run(arrays)

        def of_watched(*watched: Any) -> Any:
            operands = list(arrays)
            for index, array in zip(indices, watched, strict=True):
                operands[index] = array
            return run(operands)

        inputs = [arrays[index] for index in indices]
        results, pullback = cast("tuple[Any, Any]", cast(Any, jax.vjp)(of_watched, *inputs))
        is_list = isinstance(results, list | tuple)
        outputs: list[Any] = list(cast("list[Any]", results)) if is_list else [results]
        # An array stands for one value; but an operation may return an array that it got.
        seen = set(map(id, arrays))
        for index, output in enumerate(outputs):
            if id(output) in seen or id(output) in self._watched:
                outputs[index] = output = jnp.copy(output)
            seen.add(id(output))
            if _has_gradient(output):
                self._watched[id(output)] = output
        self._records.append(_Record(of_watched, inputs, outputs, pullback, is_list))
        return outputs if is_list else outputs[0]


class _Reads:
    """Notes the variables that are read while a tape records."""

    def __init__(self, tape: GradientTape, around: Surrounding | None) -> None:
        self.around = around
        self._tape = tape

    def read(self, variable: Variable) -> Any:
        value = variable.stored() if self.around is None else self.around.read(variable)
        self._tape._note(variable, value)
        return value

    def assign(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
        if self.around is None:
            store(variables, arrays)
        else:
            self.around.assign(variables, arrays)


def _cotangent(output: Any, gradients: dict[int, Any]) -> Any:
    """Return the gradient of a result; zeros if nothing depends on it."""
    if id(output) in gradients:
        return gradients[id(output)]
    if _has_gradient(output):
        return jnp.zeros_like(output)
    return np.zeros(output.shape, jax.dtypes.float0)


def _has_gradient(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.inexact)


def _flattened(tree: Any) -> Any:
    return cast(Any, jax.tree).flatten(tree, is_leaf=_is_variable)


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _leaves(tree: Any) -> list[Any]:
    return _flattened(tree)[0]


def _array(value: Any) -> Any:
    array = value.value if isinstance(value, Variable) else value
    return array if isinstance(array, jax.Array) else jnp.asarray(array)


def _error(symptom: str, remedy: str) -> InputError:
    return InputError(explain(symptom, where=f"called at {site()}", remedy=remedy))
