"""Optimizers as objects that hold their state and update variables, as those of Keras do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of, unflatten
from lamina.core.tree.cell import Cell
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.learning_rate import learning_rate_name

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Applying", "Optimizer"]


class Applying:
    """The methods of Keras's optimizers, for an optax transformation."""

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]
    _of: list[Any] | None = None  # the variables that it updates
    _names: list[str]
    _cells: list[Cell]
    _structure: Any

    def __getattr__(self, name: str) -> Any:
        """Return an option that the optimizer was made with, such as `weight_decay`."""
        options: dict[str, Any] = self.__dict__.get("options", {})
        if name not in options:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return options[name]

    @property
    def built(self) -> bool:
        """Whether `build` was called."""
        return self._of is not None

    def build(self, variables: Iterable[Any], paths: Sequence[str] | None = None) -> None:
        """Create the state for the variables that the optimizer updates.

        Args:
            variables: the variables, such as ``model.trainable_variables`` of a built model.
            paths: their names in the state. Default None: the paths where they were built.
        """
        of = list(variables)
        if paths is None:
            paths = [getattr(one, "path", None) or str(index) for index, one in enumerate(of)]
        if len(set(paths)) < len(paths):  # of several models
            paths = [f"{index}/{path}" for index, path in enumerate(paths)]
        with jax.ensure_compile_time_eval():
            values = [jnp.asarray(one) for one in of]
            state = self.init(dict(zip(paths, values, strict=True)))
            self._cells = [_cell(path, jnp.asarray(leaf)) for path, leaf in _with_paths(state)]
        self._structure = jax.tree.structure(state)
        self._of, self._names = of, list(paths)

    def is_of(self, variables: Sequence[Any]) -> bool:
        """Whether the optimizer was built for these variables."""
        return self._of is not None and list(map(id, self._of)) == list(map(id, variables))

    def state_of(self, leaves: Sequence[Any]) -> Any:
        """The state of the transformation, with given leaves."""
        return unflatten(self._structure, list(leaves))

    @property
    def variables(self) -> list[Any]:
        """The arrays of the state as variables; none before `build`."""
        return [] if self._of is None else list(self._cells)

    @property
    def iterations(self) -> Any:
        """The number of updates, an integer variable.

        Raises:
            InputError: the optimizer is not built, or does not count its updates.
        """
        found = [one for one in self._checked() if one.name.rpartition("/")[2] == "count"]
        if not found:
            raise InputError(
                explain(
                    f"{type(self).__name__} does not count its updates.",
                    remedy="Use an optimizer by name, or of tf.keras.optimizers.",
                )
            )
        return found[0]

    @property
    def learning_rate(self) -> Any:
        """The learning rate, a variable that can be assigned.

        Before `build` it is the argument that the optimizer was made with.

        Raises:
            InputError: the optimizer has no learning rate in its state.
        """
        if self._of is None:
            options: dict[str, Any] = getattr(self, "options", {})
            return options.get("learning_rate")
        cells = {cell.name: cell for cell in self._cells}
        return cells[learning_rate_name(cells)]

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        names = [cell.name for cell in self._checked()]
        self._cells[names.index(learning_rate_name(names, to_set=True))].assign(rate)

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Any],
        grads: Sequence[Any],
        trainable_variables: Sequence[Any],
    ) -> tuple[list[Any], list[Any]]:
        """Update values of the variables as a pure function.

        Args:
            optimizer_variables: the values of `variables`, in order.
            grads: the gradient of each variable; None for none.
            trainable_variables: the values of the variables passed to `build`, in order.

        Returns:
            The new values of the variables, and those of `variables`.

        Raises:
            InputError: the optimizer is not built, or the lists have other lengths.

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
        self._checked()
        assert self._of is not None
        lengths = len(optimizer_variables), len(grads), len(trainable_variables)
        expected = len(self._cells), len(self._of), len(self._of)
        if lengths != expected:
            raise InputError(
                explain(
                    f"The arguments of {type(self).__name__}.stateless_apply do not fit its state.",
                    expected="{} optimizer variables, {} gradients, {} variables".format(*expected),
                    received="{} optimizer variables, {} gradients, {} variables".format(*lengths),
                    remedy="Call optimizer.build with the variables that it updates.",
                )
            )
        weights = {n: _array(v) for n, v in zip(self._names, trainable_variables, strict=True)}
        gradients = {
            name: jnp.zeros_like(weights[name]) if one is None else _array(one)
            for name, one in zip(self._names, grads, strict=True)
        }
        state = self.state_of([_array(one) for one in optimizer_variables])
        updates, state = self.update(gradients, state, weights)
        new: Any = optax.apply_updates(weights, updates)
        after = [_constrained(v, new[n]) for v, n in zip(self._of, self._names, strict=True)]
        return after, [jnp.asarray(leaf) for leaf in leaves_of(state)]

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the variables and the state.

        Args:
            grads: the gradient of each variable; None for none.
            trainable_variables: the variables; None (default) for those passed to `build`, which
                the first call does itself.

        Raises:
            InputError: the optimizer is not built, or was built for other variables.
        """
        if self._of is None and trainable_variables is not None:
            self.build(trainable_variables)
        self._checked()
        assert self._of is not None
        given = self._of if trainable_variables is None else list(trainable_variables)
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
        new, state = self.stateless_apply(
            self._cells, [by_id.get(id(one)) for one in self._of], self._of
        )
        for variable, value in zip([*self._of, *self._cells], [*new, *state], strict=True):
            variable.assign(value)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Update variables: :meth:`apply` of pairs of a gradient and a variable.

        Args:
            grads_and_vars: the pairs.
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def _checked(self) -> list[Cell]:
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
        return self._cells


class Optimizer(Applying):
    """An optax transformation with the methods of Keras's optimizers.

    Args:
        transformation: the transformation.

    >>> import optax
    >>> Optimizer(optax.adam(1e-3)).built
    False
    """

    def __init__(self, transformation: optax.GradientTransformation) -> None:
        self.init, self.update = transformation.init, transformation.update
        self.loss_scale: float | None = getattr(transformation, "loss_scale", None)


def _with_paths(state: Any) -> list[tuple[Any, Any]]:
    tools: Any = jax.tree_util
    return tools.tree_flatten_with_path(state)[0]


def _cell(path: Any, leaf: jax.Array) -> Cell:
    tools: Any = jax.tree_util
    name = tools.keystr(path, simple=True, separator="/")
    return Cell(leaf.shape, leaf, dtype=leaf.dtype, trainable=False, name=name)


def _array(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else jnp.asarray(value)


def _constrained(variable: Any, value: jax.Array) -> jax.Array:
    constraint = getattr(variable, "constraint", None)
    return value if constraint is None else variable.over_copies(constraint, value)
