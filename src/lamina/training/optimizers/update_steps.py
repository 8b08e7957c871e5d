"""Optimizers whose update of one variable is a method, as of subclasses of Keras's `Optimizer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import jax.numpy as jnp

from lamina import initializers
from lamina.configured import Configured
from lamina.core.tree.cell import Cell, cell_values
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.saving import deserialize, serialize
from lamina.training.optimizers.applying import Applying, paths_of
from lamina.training.optimizers.options import made
from lamina.training.optimizers.state_cells import StateCell

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["UpdateSteps"]


class UpdateSteps(Applying, Configured):
    """The base of an optimizer that updates its variables one by one.

    A subclass defines ``build(variables)``, which calls ``super().build(variables)`` and creates
    further arrays with :meth:`add_variable_from_reference`, and ``update_step(gradient, variable,
    learning_rate)``, which assigns the variable and those arrays.

    Args:
        learning_rate: a number or a schedule.
        weight_decay: each update subtracts ``learning_rate weight_decay w`` from a weight w; None
            (default) for no decay.
        clipnorm: the largest L2 norm of the gradient of each weight; None (default) for any.
        clipvalue: the largest absolute value of each element of a gradient; None (default) for any.
        global_clipnorm: the largest L2 norm of all gradients together; None (default) for any.
        use_ema: whether to keep moving averages of the weights; False by default.
        ema_momentum: the decay rate of the averages, in [0, 1); 0.99 by default.
        ema_overwrite_frequency: the number of updates after which the weights are replaced by their
            averages; None (default) for the end of `fit` only.
        loss_scale_factor: the factor of the loss; None (default) for 1.
        gradient_accumulation_steps: the number of batches whose mean gradient makes one update;
            None (default) for 1.
        name: kept in the config; None (default) for the name of the class.

    >>> class Descent(UpdateSteps):
    ...     def update_step(self, gradient, variable, learning_rate):
    ...         self.assign_sub(variable, learning_rate * gradient)
    >>> from lamina import layers
    >>> layer = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    >>> layer.build((None, 1))
    >>> Descent(0.5).apply([jnp.ones((1, 1))], layer.trainable_variables)
    >>> layer.kernel.numpy().tolist()
    [[0.5]]
    """

    _slots: list[StateCell]
    _running: tuple[Any, Any] | None = None  # the count and the learning rate in an update
    _collects = False  # while `build` is called to create the slots
    _is_built = False

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise InputError(
                explain(
                    f"{type(self).__name__} has no such argument.",
                    received=", ".join(kwargs),
                    remedy="Leave it out.",
                )
            )
        self._early, self._slots, self._trainable_variables = {}, [], []
        self._references: dict[int, Any] = {}
        self.options = {
            "name": name or type(self).__name__.lower(),
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clipnorm": clipnorm,
            "global_clipnorm": global_clipnorm,
            "clipvalue": clipvalue,
            "use_ema": use_ema,
            "ema_momentum": ema_momentum,
            "ema_overwrite_frequency": ema_overwrite_frequency,
            "loss_scale_factor": loss_scale_factor,
            "gradient_accumulation_steps": gradient_accumulation_steps,
        }
        self._wire()

    def _wire(self) -> None:
        """Make the transformation of the options."""
        options = {n: v for n, v in self.options.items() if n not in ("name", "learning_rate")}
        self._take(made(self._transformation, self.options["learning_rate"], cast(Any, options)))

    def _make_again(self, options: dict[str, Any]) -> None:
        self.options = options
        self._wire()

    def fresh(self) -> Self:
        twin = super().fresh()
        twin._slots, twin._references, twin._is_built = [], {}, False
        twin._wire()
        return twin

    @property
    def built(self) -> bool:
        return self._is_built

    @built.setter
    def built(self, _: Any) -> None:
        pass

    def build(self, variables: Iterable[Any], paths: Sequence[str] | None = None) -> None:
        of = list(variables)
        if not self._collects:
            super().attach(dict(zip(paths_of(of, paths), of, strict=True)))
            self._slots, self._references = [], {}
        self._trainable_variables, self._is_built = of, True

    def attach(self, variables: Mapping[str, Any]) -> None:
        super().attach(variables)
        self._slots, self._references, self._is_built, self._collects = [], {}, False, True
        try:
            self.build(list(variables.values()))
        finally:
            self._collects = False

    def hold(self, holder: Any, first: int = 0) -> None:
        super().hold(holder, first)
        self._checked()

    def _checked(self) -> list[StateCell]:
        if self._of is not None and self._cells is None and self._holder is None:
            self._create()
        return super()._checked()

    def _made(self, leaves: Sequence[Any]) -> list[StateCell]:
        cells = super()._made(leaves)
        at = {int(n.rpartition("/")[2]): i for i, n in enumerate(self.names()) if "/slots/" in n}
        for number, slot in enumerate(self._slots):
            slot._value = cells[at[number]]._value
            cells[at[number]] = slot
        return cells

    def _belongs(self, cell: StateCell, name: str, paths: Sequence[str]) -> bool:
        of = self._references.get(id(cell))
        path = next(
            (p for p, v in zip(self._names, cast("list[Any]", self._of), strict=True) if v is of),
            None,
        )
        return path in paths or super()._belongs(cell, name, paths)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable.

        Args:
            gradient: its gradient.
            variable: the variable, which is assigned.
            learning_rate: the present learning rate, a scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_step.")

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Any:
        """Create an array of the state.

        Args:
            shape: its shape.
            initializer: of its value; ``"zeros"`` by default.
            dtype: its dtype; None (default) for float32.
            aggregation: has no effect.
            layout: has no effect.
            name: its name; None (default) for ``"variable"``.

        Returns:
            The array as a variable.
        """
        cell = StateCell(
            tuple(shape), initializers.get(initializer), dtype=dtype, trainable=False, name=name
        )
        self._slots.append(cell)
        return cell

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Create an array of the state with the shape and dtype of a variable.

        Args:
            reference_variable: the variable.
            name: the last part of its name; None (default) for ``"var"``.
            initializer: of its value; ``"zeros"`` by default.

        Returns:
            The array as a variable.
        """
        path = getattr(reference_variable, "path", None) or reference_variable.name
        cell = self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            name=f"{path.replace('/', '_')}_{name or 'var'}",
        )
        self._references[id(cell)] = reference_variable
        return cell

    def add_optimizer_variables(
        self, trainable_variables: Iterable[Any], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Create an array of the state for each of some variables.

        Args:
            trainable_variables: the variables.
            name: the last part of their names, or a list of them.
            initializer: of their values, or a list of initializers; ``"zeros"`` by default.

        Returns:
            A list of the arrays; for several names a tuple of lists.

        Raises:
            InputError: there are other numbers of names and initializers.
        """
        of = list(trainable_variables)
        if isinstance(name, str):
            return [self.add_variable_from_reference(one, name, initializer) for one in of]
        names = list(name)
        several = isinstance(initializer, list | tuple)
        every = list(cast(Any, initializer)) if several else [initializer] * len(names)
        if len(every) != len(names):
            raise InputError(
                explain(
                    "There are other numbers of names and initializers.",
                    expected=f"{len(names)} initializers",
                    received=f"{len(every)}",
                    remedy="Pass an initializer for each name.",
                )
            )
        rows = [
            [
                self.add_variable_from_reference(one, *pair)
                for pair in zip(names, every, strict=True)
            ]
            for one in of
        ]
        return tuple([row[index] for row in rows] for index in range(len(names)))

    def assign(self, variable: Any, value: Any) -> None:
        """Assign a value to a variable."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """Add a value to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtract a value from a variable."""
        variable.assign_sub(value)

    def _var_key(self, variable: Any) -> int:
        return id(variable)

    def _get_variable_index(self, variable: Any) -> int:
        """The position of a variable among those of `build`."""
        number = getattr(variable, "number", None)
        if isinstance(number, int):
            return number
        return [id(one) for one in self._trainable_variables].index(id(variable))

    @property
    def iterations(self) -> Any:
        return super().iterations if self._running is None else self._running[0]

    @property
    def learning_rate(self) -> Any:
        return super().learning_rate if self._running is None else self._running[1]

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        cast(Any, Applying.learning_rate).fset(self, rate)

    def _transformation(self, rate: Any) -> optax.GradientTransformation:
        def init(params: Any) -> Any:
            slots = [slot.stored() for slot in self._slots] if params else []
            return {"count": jnp.zeros((), jnp.int32), "slots": slots}

        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            gradients = updates
            twins = {path: _Twin(path, value, i) for i, path, value in self._numbered(params)}
            cells: list[Cell] = [*twins.values(), *self._slots]
            values = [*(params[path] for path in twins), *state["slots"]]
            before, self._running = self._running, (state["count"], rate)
            try:
                with cell_values(cells, values) as after:
                    for path, twin in twins.items():
                        self.update_step(gradients[path], twin, rate)
            finally:
                self._running = before
            changed = dict(zip(twins, after, strict=False))
            updates = {path: changed[path] - params[path] for path in params}
            slots = [jnp.asarray(one) for one in after[len(twins) :]]
            return updates, {"count": state["count"] + 1, "slots": slots}

        return optax.GradientTransformation(init, update)

    def _numbered(self, params: Mapping[str, Any]) -> list[tuple[int, str, Any]]:
        """The variables in the order of `build`."""
        return [(i, path, params[path]) for i, path in enumerate(self._names)]

    def get_config(self) -> dict[str, Any]:
        """Return the options of this class; a subclass adds its own."""
        options = dict(self.options)
        rate = options["learning_rate"]
        options["learning_rate"] = serialize(rate) if callable(rate) else float(self.learning_rate)
        return options

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an optimizer from a config.

        Args:
            config: the result of :meth:`get_config`.
            custom_objects: classes and functions by name; None (default) for none.
        """
        given = dict(config)
        rate = given.get("learning_rate")
        if isinstance(rate, Mapping):
            given["learning_rate"] = deserialize(rate, custom_objects=custom_objects)
        return cls(**given)

    def __reduce__(self) -> Any:
        return _from_config, (type(self), self.get_config())


class _Twin(Cell):
    """A variable in an update, in place of the one that the optimizer was built for.

    Attributes:
        number: its position among the variables.
    """

    def __init__(self, path: str, value: Any, number: int) -> None:
        super().__init__(value.shape, "zeros", dtype=value.dtype, name=path.rpartition(".")[2])
        self.path, self.number = path, number


def _from_config(kind: Any, config: Mapping[str, Any]) -> Any:
    return kind.from_config(config)
