"""Optimizers as objects that hold their state and update variables, as those of Keras do."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, StateError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.excluded import Excluded
from lamina.training.optimizers.initial_state import initial_state
from lamina.training.optimizers.learning_rate import learning_rate_name, of_step
from lamina.training.optimizers.state_cells import (
    CountCell,
    Holder,
    RateCell,
    StateCell,
    state_cell,
)
from lamina.training.optimizers.weight_averages import average_names

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Applying", "OptaxOptimizer", "paths_of"]

RATE = "learning_rate"
_STATE = ("_of", "_names", "_structure", "_cells", "_holder", "_first", "_early")
"""The attributes that a new optimizer with the same options does not share."""


class Applying:
    """The methods of Keras's optimizers, for an optax transformation.

    It is a transformation itself, with `init` and `update`, which hold no state. The state belongs
    to the variables that the optimizer is built for: by `build`, by the first `apply`, or by the
    training of the model that is compiled with it.
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]
    options: dict[str, Any]
    """The arguments that the optimizer was made with; none for a transformation of optax."""

    excluded: Excluded | None = None
    """The variables without weight decay; None for an optimizer without weight decay."""

    loss_scale: float | None = None
    """The constant factor of the loss; None for none."""

    _of: list[Any] | None = None  # the variables that it updates
    _names: list[str]
    _structure: Any
    _cells: list[StateCell] | None = None  # the arrays of the state, once they are asked for
    _holder: Holder | None = None  # training, while it holds the state
    _first = 0  # the position of the state's first array in the holder
    _early: dict[str, StateCell]  # cells that were read before the state came into being

    def __iter__(self) -> Iterator[Any]:
        """Iterate over `init` and `update`, as over a transformation of optax."""
        return iter((self.init, self.update))

    def __getattr__(self, name: str) -> Any:
        """Return an option that the optimizer was made with, such as `weight_decay`."""
        options: dict[str, Any] = self.__dict__.get("options", {})
        if name not in options:
            raise AttributeError(_no_attribute(self, name))
        return options[name]

    def _take(self, transformation: Any) -> None:
        """Become a transformation."""
        self.init, self.update = transformation
        self.__dict__.update(getattr(transformation, "__dict__", {}))

    # The state.

    @property
    def built(self) -> bool:
        """Whether the optimizer has a state; assigning it has no effect."""
        return self._of is not None

    @built.setter
    def built(self, _: Any) -> None:
        pass

    def build(self, variables: Iterable[Any], paths: Sequence[str] | None = None) -> None:
        """Create the state for the variables that the optimizer updates.

        Args:
            variables: the variables, such as ``model.trainable_variables`` of a built model.
            paths: their names in the state. Default None: the paths where they were built.
        """
        of = list(variables)
        self.attach(dict(zip(paths_of(of, paths), of, strict=True)))
        self._create()

    def _create(self) -> None:
        """Create the state for the variables that are attached."""
        of, paths = cast("list[Any]", self._of), self._names
        with jax.ensure_compile_time_eval():
            values = [_stored(one) for one in of]
            state = initial_state(self.init, dict(zip(paths, values, strict=True)))
            leaves = [jnp.asarray(leaf) for leaf in leaves_of(state)]
        self.begin(state)
        self._cells = self._made(leaves)

    def attach(self, variables: Mapping[str, Any]) -> None:
        """Set the variables that the optimizer updates, by path; the learning rate stays."""
        for path, one in variables.items():
            if getattr(one, "overwrite_with_gradient", False):
                raise InputError(
                    explain(
                        f"{path} is to be overwritten with its gradient, which is not supported.",
                        expected="variables that optimizers update",
                        received="overwrite_with_gradient=True",
                        remedy="Assign the variable in call instead.",
                    )
                )
        self.detach()
        self._of, self._names = list(variables.values()), list(variables)
        if self.excluded is not None:
            self.excluded.attach(variables)

    def detach(self) -> None:
        """Forget the state, except for the learning rate."""
        cells = self._cells or []
        if not cells and self._holder is not None:
            cells = [cell for cell in self._checked() if isinstance(cell, RateCell)]
        for cell in cells:
            cell.hold(None)
        if self._of is not None and not self._has_schedule():
            self._early = {cell.name: cell for cell in cells if isinstance(cell, RateCell)}
        self._of = self._cells = self._holder = None

    def restart(self, arrays: Mapping[str, Any]) -> None:
        """Forget the state, and expect another one.

        Args:
            arrays: its arrays by name, of which the count and the learning rate can be read before
                training begins.
        """
        self.detach()
        for name, array in arrays.items():
            last = name.rpartition("/")[2]
            if last == "count" or (last == "learning_rate" and not self._has_schedule()):
                if name not in self._early:
                    self._early[name] = state_cell(name, array)
                self._early[name]._value = jnp.asarray(array)

    def begin(self, state: Any) -> None:
        """Set the form of the state."""
        self._structure = flatten(state)[1]

    def names(self) -> list[str]:
        """The names of the arrays of the state, in order."""
        return _names(self.state_of(range(self._structure.num_leaves)))

    def hold(self, holder: Holder, first: int = 0) -> None:
        """Let training keep the arrays of the state.

        Args:
            holder: the training.
            first: the position of the state's first array.
        """
        self._holder, self._first = holder, first
        for index, cell in enumerate(self._cells or []):
            cell.hold(holder, first + index)
        if self._early:
            self._checked()

    @property
    def has_state(self) -> bool:
        """Whether there is a state; not after an interrupt of its beginning."""
        return self._cells is not None or self._holder is not None

    @property
    def is_held(self) -> bool:
        """Whether training keeps the arrays of the state."""
        return self._holder is not None

    def _has_schedule(self) -> bool:
        rate = self.__dict__.get("options", {}).get("learning_rate")
        return callable(rate) and not isinstance(rate, Variable)

    def release(self) -> None:
        """Take the arrays of the state back from training."""
        if self._holder is not None:
            for cell in self._checked():
                cell.hold(None)
            self._holder = None

    def early(self) -> Mapping[str, Any]:
        """The values that were assigned before the state came into being, by name of the array."""
        return {n: cell.stored() for n, cell in self._early.items() if cell._value is not None}

    def fresh(self) -> Self:
        """Return an optimizer with the same options, without a state."""
        twin = copy.copy(self)
        for name in _STATE:
            twin.__dict__.pop(name, None)
        twin._early = {}
        return twin

    def of_model(self, model: Any) -> Self:
        """Return the optimizer, or a fresh one if another model trains with this one."""
        if self._holder is None:
            return self
        if cast(Any, self._holder).model is not model:
            return self.fresh()
        self.release()
        return self

    @property
    def weights(self) -> dict[str, Any]:
        """The variables that the optimizer updates, by path; none before `build`."""
        return dict(zip(self._names, self._of, strict=True)) if self._of is not None else {}

    def is_of(self, variables: Sequence[Any]) -> bool:
        """Whether the optimizer was built for these variables."""
        return self._of is not None and list(map(id, self._of)) == list(map(id, variables))

    def state_of(self, leaves: Sequence[Any]) -> Any:
        """The state of the transformation, with given leaves."""
        return unflatten(self._structure, list(leaves))

    def _made(self, leaves: Sequence[Any]) -> list[StateCell]:
        """The cells of arrays, or of their shapes and dtypes."""
        names = _names(self.state_of(leaves))
        cells: list[StateCell] = []
        for name, leaf in zip(names, leaves, strict=True):
            cell, early = state_cell(name, leaf), self._early.pop(name, None)
            if early is not None:
                early._value = cell._value if early._value is None else early._value
                cell = early
            cells.append(cell)
        counts = [cell for cell in cells if isinstance(cell, CountCell)]
        if counts:
            counts[0].others = tuple(counts[1:])
        return cells

    def _checked(self) -> list[StateCell]:
        if self._of is None:
            raise InputError(
                explain(
                    f"{type(self).__name__} is not built.",
                    expected="optimizer.build(variables) first",
                    received="an optimizer without a state",
                    remedy="Call optimizer.build(model.trainable_variables) after the model's "
                    "build.",
                )
            )
        if self._cells is None:
            holder, first = cast(Any, self._holder), self._first
            count = self._structure.num_leaves
            arrays = [holder.state_array(first + index) for index in range(count)]
            shapes = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in arrays]
            self._cells = self._made(shapes)
            for index, cell in enumerate(self._cells):
                cell.hold(holder, first + index)
        return self._cells

    def _cell(self, find: Callable[[list[str]], str]) -> StateCell:
        """The cell of a name, which may be read before the state comes into being."""
        if self._of is not None:
            cells = dict(zip(self.names(), self._checked(), strict=True))
            return cells[find(list(cells))]
        named = self._initial()
        name = find(list(named))
        if name not in self._early:
            leaf = jnp.asarray(named[name])
            shape = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
            self._early[name] = state_cell(name, shape, np.asarray(leaf))
        return self._early[name]

    def _initial(self) -> dict[str, Any]:
        """The state for no weights, by name."""
        with jax.ensure_compile_time_eval():
            initial = self.init({})
        return dict(zip(_names(initial), leaves_of(initial), strict=True))

    @property
    def variables(self) -> list[Any]:
        """The arrays of the state as variables; before `build` those that need no weights."""
        if self._of is not None:
            return list(self._checked())
        counts = [name for name in self._initial() if name.rpartition("/")[2] == "count"]
        rates = [] if self._has_schedule() else [n for n in self._initial() if n.endswith(RATE)]
        return [self._cell(lambda _, name=name: name) for name in [*counts[:1], *rates[:1]]]

    @property
    def iterations(self) -> Any:
        """The number of updates, an integer variable.

        Raises:
            InputError: the optimizer does not count its updates.
        """

        def find(names: list[str]) -> str:
            found = [name for name in names if name.rpartition("/")[2] == "count"]
            if not found:
                raise InputError(
                    explain(
                        f"{type(self).__name__} does not count its updates.",
                        remedy="Use an optimizer by name, or of tf.keras.optimizers.",
                    )
                )
            return found[0]

        return self._cell(find)

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a variable that can be assigned, or the present value of a schedule.

        Raises:
            InputError: the optimizer has no learning rate in its state.
        """
        if self._has_schedule():
            return jnp.asarray(of_step(self.options["learning_rate"])(self._batches()))
        return self._cell(learning_rate_name)

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if callable(rate) and not isinstance(rate, Variable):
            self._follow(rate)
            return
        cell = self._cell(lambda names: learning_rate_name(names, to_set=True))
        cell.assign(rate)

    def _batches(self) -> Any:
        """The number of gradients so far, which is the step of a schedule."""
        batches = self.options.get("gradient_accumulation_steps") or 1
        step = self.iterations.value * batches
        if batches > 1 and self._of is not None:
            step += self._cell(lambda names: "mini_step").value
        return step

    def _follow(self, schedule: Any) -> None:
        """Let the learning rate follow a schedule, before there is a state."""
        if self._of is not None or "learning_rate" not in self.__dict__.get("options", {}):
            raise StateError(
                explain(
                    f"{type(self).__name__} cannot follow another schedule now.",
                    expected="a schedule before build, apply and fit",
                    received="one after it, or an optax transformation",
                    remedy="Make a new optimizer with the schedule, and compile with it.",
                )
            )
        self._early = {}
        self._make_again(self.options | {"learning_rate": schedule})

    def _make_again(self, options: dict[str, Any]) -> None:
        """Become the transformation of other options."""
        self._take(cast(Any, self).make(**options))

    # Updates.

    def scale_loss(self, loss: Any) -> Any:
        """Return a loss times the factor of the loss, by which `apply` divides its gradients.

        Args:
            loss: the loss.
        """
        scale = self._scale(self.variables)
        return loss if scale is None else loss * scale

    def _scale(self, state: Sequence[Any]) -> Any:
        """The factor of the loss; None for none."""
        return self.loss_scale

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Any],
        grads: Sequence[Any],
        trainable_variables: Sequence[Any],
    ) -> tuple[list[Any], list[Any]]:
        """Update values of the variables as a pure function.

        A variable without a gradient keeps its value, and the arrays of its state theirs.

        Args:
            optimizer_variables: the values of `variables`, in order.
            grads: the gradient of each variable; None for none.
            trainable_variables: the values of the variables passed to `build`, in order.

        Returns:
            The new values of the variables, and those of `variables`.

        Raises:
            InputError: the optimizer is not built, the lists have other lengths, or there is no
                gradient at all.

        >>> from lamina import layers
        >>> from lamina.training.optimizers.definitions import sgd
        >>> layer, optimizer = layers.Dense(1, use_bias=False), sgd(0.5)
        >>> layer.build((None, 1))
        >>> optimizer.build(layer.trainable_variables)
        >>> state = [one.value for one in optimizer.variables]
        >>> one = jnp.ones((1, 1))
        >>> (kernel,), state = optimizer.stateless_apply(state, [one], [one])
        >>> kernel.tolist()
        [[0.5]]
        """
        cells = self._checked()
        assert self._of is not None
        lengths = len(optimizer_variables), len(grads), len(trainable_variables)
        expected = len(cells), len(self._of), len(self._of)
        if lengths != expected:
            raise InputError(
                explain(
                    f"The arguments of {type(self).__name__}.stateless_apply do not fit its state.",
                    expected="{} optimizer variables, {} gradients, {} variables".format(*expected),
                    received="{} optimizer variables, {} gradients, {} variables".format(*lengths),
                    remedy="Call optimizer.build with the variables that it updates.",
                )
            )
        self._check_gradients(map(id, self._of), grads)
        return self._applied(
            list(map(_array, optimizer_variables)), grads, list(map(_array, trainable_variables))
        )

    def _applied(
        self, leaves: list[Any], grads: Sequence[Any], values: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """The new values of the variables and of the state."""
        of, cells = cast("list[Any]", self._of), self._checked()
        scale, weights = self._scale(leaves), dict(zip(self._names, values, strict=True))
        gradients: dict[str, Any] = {}
        for name, value, one in zip(self._names, values, grads, strict=True):
            gradient = jnp.zeros_like(value) if one is None else _array(one)
            gradients[name] = gradient if scale is None else gradient / scale
        updates, state = self.update(gradients, self.state_of(leaves), weights)
        new: Any = optax.apply_updates(weights, updates)
        after = [_constrained(v, new[n]) for v, n in zip(of, self._names, strict=True)]
        after_state = [jnp.asarray(leaf) for leaf in leaves_of(state)]
        without = [n for n, one in zip(self._names, grads, strict=True) if one is None]
        if without:  # they keep their values
            pairs = zip(values, grads, after, strict=True)
            after = [value if one is None else new for value, one, new in pairs]
            after_state = [
                old if self._belongs(cell, name, without) else one
                for cell, name, old, one in zip(
                    cells, self.names(), leaves, after_state, strict=True
                )
            ]
        return after, after_state

    def _belongs(self, cell: StateCell, name: str, paths: Sequence[str]) -> bool:
        """Whether an array of the state belongs to one of some variables."""
        return any(name == path or name.endswith(f"/{path}") for path in paths)

    def _check_gradients(self, given: Iterable[int], grads: Sequence[Any]) -> None:
        """Warn that some of the given variables, by identity, have no gradient.

        Raises:
            InputError: none has.
        """
        paths = dict(zip(map(id, cast("list[Any]", self._of)), self._names, strict=True))
        without = [paths[key] for key, one in zip(given, grads, strict=True) if one is None]
        if without and len(without) == len(grads):
            raise InputError(
                explain(
                    f"{type(self).__name__} got no gradient for any variable.",
                    received="None for each",
                    remedy="Compute the gradients of a loss that depends on the variables.",
                )
            )
        if without:
            warnings.warn(
                f"There is no gradient for {', '.join(without)}, which keep their values.",
                UserWarning,
                stacklevel=3,
            )

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the variables and the state.

        Args:
            grads: the gradient of each variable; None for none.
            trainable_variables: the variables; None (default) for those passed to `build`, which
                the first call does itself.

        Raises:
            InputError: the optimizer is not built, was built for other variables, or there is no
                gradient at all.
        """
        grads = list(grads)
        if not grads:
            return
        if self._of is None and trainable_variables is not None:
            self.build(trainable_variables)
        cells = self._checked()
        assert self._of is not None
        given = self._of if trainable_variables is None else list(trainable_variables)
        if len(given) != len(grads):
            raise InputError(
                explain(
                    f"{type(self).__name__} got another number of gradients than of variables.",
                    expected=f"{len(given)} gradients",
                    received=f"{len(grads)}",
                    remedy="Pass a gradient for each variable; None for none.",
                )
            )
        by_id = {id(one): gradient for one, gradient in zip(given, grads, strict=True)}
        if not by_id.keys() <= set(map(id, self._of)):
            raise InputError(
                explain(
                    f"{type(self).__name__} was built for other variables.",
                    expected="variables that were passed to build",
                    received=f"{len(given)} variables, some of them others",
                    remedy="Make an optimizer for each group of variables.",
                )
            )
        self._check_gradients(by_id, grads)
        every = [by_id.get(id(one)) for one in self._of]
        new, state = self._applied(list(map(_array, cells)), every, list(map(_array, self._of)))
        for variable, value in zip([*self._of, *cells], [*new, *state], strict=True):
            variable.assign(value)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]], **_: Any) -> Any:
        """Update variables: :meth:`apply` of pairs of a gradient and a variable.

        Args:
            grads_and_vars: the pairs.

        Returns:
            The number of updates, as `iterations`.
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave variables out of weight decay.

        Args:
            var_list: variables; None (default) for none.
            var_names: regular expressions that the names of variables contain, such as
                ``["bias"]``; None (default) for none.

        Raises:
            StateError: a model was trained with the optimizer.
        """
        if self.is_held:
            raise StateError(
                explain(
                    f"A model was trained with {type(self).__name__}: its weight decay is settled.",
                    expected="exclude_from_weight_decay before fit",
                    received="a call after it",
                    remedy="Call it on a new optimizer.",
                )
            )
        if self.excluded is not None:
            self.excluded.set(var_list or (), var_names or ())

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Replace variables by their moving averages, if the optimizer keeps them.

        Args:
            var_list: the variables.
        """
        if self._of is None:
            return
        cells = dict(zip(self.names(), self._checked(), strict=True))
        found = average_names(cells)
        paths = {id(one): path for one, path in zip(self._of, self._names, strict=True)}
        for variable in var_list if found else ():
            variable.assign(cells[found[paths[id(variable)]]].value)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the values of `variables`.

        Args:
            weights: the values, in order.

        Raises:
            InputError: their number or a shape is another.
        """
        cells = self._checked()
        if len(weights) != len(cells):
            raise InputError(
                explain(
                    f"{type(self).__name__} has another number of variables.",
                    expected=f"{len(cells)} arrays",
                    received=f"{len(weights)}",
                    remedy="Pass the values of an optimizer that was built for equal variables.",
                )
            )
        for cell, value in zip(cells, weights, strict=True):
            cell.assign(value)

    def save_own_variables(self, store: Any) -> None:
        """Write the values of `variables` to a dict under their numbers.

        Args:
            store: the dict.
        """
        for index, cell in enumerate(self.variables):
            store[str(index)] = cell.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Set the values of `variables` from what :meth:`save_own_variables` wrote.

        Args:
            store: the dict.

        Raises:
            InputError: their number or a shape is another.
        """
        self.set_weights([store[str(index)] for index in range(len(store))])


class OptaxOptimizer(Applying):
    """An optax transformation with the methods of Keras's optimizers.

    Args:
        transformation: the transformation.
        options: what attributes of these names return; None (default) for nothing.

    >>> import optax
    >>> OptaxOptimizer(optax.adam(1e-3)).built
    False
    """

    def __init__(
        self,
        transformation: optax.GradientTransformation,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._early, self.options = {}, dict(options or {})
        self._take(transformation)


def _names(state: Any) -> list[str]:
    tools: Any = jax.tree_util
    pairs = tools.tree_flatten_with_path(state)[0]
    return [tools.keystr(path, simple=True, separator="/") for path, _ in pairs]


def _no_attribute(optimizer: Any, name: str) -> str:
    hint = ""
    if name in ("step", "wait", "prepare", "recall", "save", "logs", "reset_logs", "snapshot"):
        hint = "; it is one of the model's Trainer, model.trainer"
    return f"{type(optimizer).__name__} has no attribute {name!r}{hint}"


def _stored(variable: Any) -> Any:
    return variable.stored() if isinstance(variable, Variable) else jnp.asarray(variable)


def _array(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else jnp.asarray(value)


def _constrained(variable: Any, value: jax.Array) -> jax.Array:
    constraint = getattr(variable, "constraint", None)
    return value if constraint is None else variable.over_copies(constraint, value)


def paths_of(variables: Sequence[Any], given: Sequence[str] | None = None) -> list[str]:
    """Return different paths of variables: given ones, or those where they were built."""
    paths = list(given or ())
    if given is None:
        paths = [getattr(one, "path", None) or str(i) for i, one in enumerate(variables)]
    if len(set(paths)) < len(paths):  # of several models
        return [f"{index}/{path}" for index, path in enumerate(paths)]
    return paths
