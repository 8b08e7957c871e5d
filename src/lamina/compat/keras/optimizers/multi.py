"""`keras.optimizers.MultiOptimizer`: several optimizers, each for some variables of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, cast

import jax.numpy as jnp

from lamina.compat.keras.optimizers.base import deserialize, serialize
from lamina.errors import InputError, explain
from lamina.training.optimizers.applying import Applying
from lamina.training.optimizers.loss_scale import DynamicLossScale

__all__ = ["MultiOptimizer", "OptimizerMap"]


class OptimizerMap(MutableMapping[str, Any]):
    """Optimizers by regular expressions of the paths of variables, with ``/`` between the parts.

    Args:
        default_optimizer: of the variables whose paths no expression matches.
        optimizer_map: the optimizers by expression, each of the whole path; None (default) for
            none.

    Raises:
        InputError: the arguments are something else.
    """

    def __init__(self, default_optimizer: Any, optimizer_map: dict[str, Any] | None = None) -> None:
        if not isinstance(default_optimizer, Applying):
            raise InputError(_no_optimizer(default_optimizer))
        given: Any = optimizer_map
        if given is not None and not isinstance(given, dict):
            raise InputError(
                explain(
                    "The optimizer_map of OptimizerMap is not a dict.",
                    received=repr(given),
                    remedy="Pass a dict of optimizers by expression.",
                )
            )
        self.default_optimizer: Any = default_optimizer
        self._by_pattern: dict[str, Any] = optimizer_map or {}

    def __getitem__(self, path: str) -> Any:
        if path in self._by_pattern:
            return self._by_pattern[path]
        found = [one for one in self._by_pattern if re.fullmatch(one, path)]
        if len(found) > 1:
            raise InputError(
                explain(
                    f"The expressions of several optimizers match {path!r}.",
                    expected="one of them",
                    received=", ".join(found),
                    remedy="Make the expressions exclude each other.",
                )
            )
        return self._by_pattern[found[0]] if found else self.default_optimizer

    def __setitem__(self, pattern: str, optimizer: Any) -> None:
        if pattern in self._by_pattern:
            raise InputError(
                explain(
                    f"OptimizerMap has an optimizer for {pattern!r}.",
                    received="another one",
                    remedy="Delete the first one before.",
                )
            )
        if isinstance(optimizer, DynamicLossScale | MultiOptimizer) or not isinstance(
            optimizer, Applying
        ):
            raise InputError(_no_optimizer(optimizer))
        if not isinstance(cast(Any, pattern), str):
            raise InputError(
                explain(
                    "An expression is not a string.", received=repr(pattern), remedy="Pass one."
                )
            )
        self._by_pattern[pattern] = optimizer

    def __delitem__(self, pattern: str) -> None:
        del self._by_pattern[pattern]

    def __len__(self) -> int:
        return len(self._by_pattern)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_pattern)

    def __call__(self, variable: Any) -> Any:
        """Return the optimizer of a variable."""
        path = getattr(variable, "path", None) or getattr(variable, "name", "")
        return self[path.replace(".", "/")]

    def get_config(self) -> dict[str, Any]:
        """Return the configs of the optimizers."""
        return {
            "default_optimizer": serialize(self.default_optimizer),
            "optimizer_map": {name: serialize(one) for name, one in self._by_pattern.items()},
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> OptimizerMap:
        """Make a map from the result of :meth:`get_config`.

        Args:
            config: the configs.
            custom_objects: classes by name; None (default) for none.
        """
        by_pattern = cast("dict[str, Any]", config["optimizer_map"])
        return cls(
            deserialize(config["default_optimizer"], custom_objects),
            {name: deserialize(one, custom_objects) for name, one in by_pattern.items()},
        )


class MultiOptimizer(Applying):
    """An optimizer that passes each variable to one of several optimizers.

    Args:
        optimizer_map: an :class:`OptimizerMap`, or a function that returns the optimizer of a
            variable.
        loss_scale_factor: the factor of the loss; None (default) for 1.
        name: kept in the config; None (default) for ``"multi_optimizer"``.

    Attributes:
        optimizers: the optimizers.

    >>> from lamina.compat import keras
    >>> first, second = keras.optimizers.SGD(0.1), keras.optimizers.Adam()
    >>> one = MultiOptimizer(OptimizerMap(second, {".*/bias": first}))
    >>> [type(each).__name__ for each in one.optimizers]
    ['SGD', 'Adam']
    """

    def __init__(
        self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        self._early, self._map = {}, optimizer_map
        self.options = {"name": name or "multi_optimizer", "loss_scale_factor": loss_scale_factor}
        self.loss_scale = loss_scale_factor
        self.optimizers: list[Any] = []
        if isinstance(optimizer_map, OptimizerMap):
            for one in (*optimizer_map._by_pattern.values(), optimizer_map.default_optimizer):
                self._number(one)
        self._numbers: dict[str, int] = {}
        self.init, self.update = self._first_state, self._updated

    def _number(self, optimizer: Any) -> int:
        """The position of an optimizer, which is added if it is new."""
        if not isinstance(optimizer, Applying) or isinstance(
            optimizer, DynamicLossScale | MultiOptimizer
        ):
            raise InputError(_no_optimizer(optimizer))
        if not any(one is optimizer for one in self.optimizers):
            self.optimizers.append(optimizer)
        return [one is optimizer for one in self.optimizers].index(True)

    def attach(self, variables: Mapping[str, Any]) -> None:
        super().attach(variables)
        self._numbers = {path: self._number(self._map(one)) for path, one in variables.items()}
        for one, part in zip(self.optimizers, self._parts(variables), strict=True):
            rates = [v for name, v in one.early().items() if name.endswith("learning_rate")]
            if rates:
                one._make_again(one.options | {"learning_rate": float(rates[0])})
            one.attach(part)

    def begin(self, state: Any) -> None:
        super().begin(state)
        for one, part in zip(self.optimizers, state["optimizers"], strict=True):
            one.begin(part)

    def _create(self) -> None:
        super()._create()
        self._checked()

    def hold(self, holder: Any, first: int = 0) -> None:
        super().hold(holder, first)
        self._checked()

    def _checked(self) -> list[Any]:
        cells, first = super()._checked(), 1  # after the count
        for one in self.optimizers:
            count = one._structure.num_leaves
            one._cells = cells[first : first + count]
            first += count
        return cells

    def fresh(self) -> MultiOptimizer:
        return MultiOptimizer(self._map, self.loss_scale, self.options["name"])

    def _parts(self, tree: Any) -> list[dict[str, Any]]:
        """The entries of each optimizer."""
        return [
            {path: one for path, one in tree.items() if self._numbers[path] == number}
            for number in range(len(self.optimizers))
        ]

    def _first_state(self, params: Any) -> Any:
        parts = zip(self.optimizers, self._parts(params), strict=True)
        states = [one.init(part) for one, part in parts]
        return {"count": jnp.zeros((), jnp.int32), "optimizers": states}

    def _updated(self, updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        found: dict[str, Any] = {}
        states: list[Any] = []
        parts = zip(self._parts(updates), state["optimizers"], self._parts(params), strict=True)
        for optimizer, part in zip(self.optimizers, parts, strict=True):
            changes, after = optimizer.update(*part)
            found |= changes
            states.append(after)
        return found, {"count": state["count"] + 1, "optimizers": states}

    @property
    def learning_rate(self) -> Any:
        """Nothing: each optimizer has its own.

        Raises:
            AttributeError: always.
        """
        raise AttributeError("a MultiOptimizer has no learning rate; its optimizers have one each")

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        raise AttributeError("a MultiOptimizer has no learning rate; its optimizers have one each")

    def get_config(self) -> dict[str, Any]:
        """Return the options and the configs of the optimizers.

        Raises:
            InputError: a function chooses the optimizers.
        """
        if not isinstance(self._map, OptimizerMap):
            raise InputError(
                explain(
                    "A MultiOptimizer with a function has no config.",
                    expected="an OptimizerMap",
                    received=repr(self._map),
                    remedy="Choose the optimizers by an OptimizerMap.",
                )
            )
        return {**self.options, "optimizer_map": self._map.get_config()}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> MultiOptimizer:
        """Make an optimizer from the result of :meth:`get_config`.

        Args:
            config: the config.
            custom_objects: classes by name; None (default) for none.
        """
        chosen = OptimizerMap.from_config(config["optimizer_map"], custom_objects)
        return cls(chosen, config["loss_scale_factor"], config["name"])


def _no_optimizer(received: Any) -> str:
    return explain(
        "This is not an optimizer of one group of variables.",
        expected="an optimizer such as keras.optimizers.SGD(), and none of several or of scaling",
        received=repr(received),
        remedy="Pass keras.optimizers.Adam(), for example.",
    )
