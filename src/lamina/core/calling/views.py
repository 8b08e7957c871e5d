"""The layers, variables and values of a tree, and the properties of `Layer` that return them.

An attribute of the instance overrides such a property: a user may assign `self.layers = [...]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.processes import to_host
from lamina.core.building.quantization import quantization_of
from lamina.core.calling.root_call import by_identity
from lamina.core.running.scope import current
from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import assign_trainable, frozen_variables
from lamina.core.tree.values import stored_together
from lamina.core.tree.variable import Variable, assign_all
from lamina.core.tree.walk import Tree, children, walk
from lamina.errors import InputError, explain
from lamina.names import snake

__all__ = [
    "BuiltFlag",
    "Setting",
    "Trainable",
    "View",
    "count_params",
    "layers",
    "name",
    "set_values",
    "set_weights",
    "text",
    "values",
    "variables",
    "weights",
]

T = TypeVar("T")


class View(Generic[T]):
    """A property that an attribute of the instance overrides.

    Access on the class raises an `AttributeError`, so that a dataclass may have a field of the same
    name.

    Args:
        read: returns the value for a layer; its docstring is that of the property.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, layer: Any, owner: type) -> T:
        if layer is None:
            raise AttributeError("only instances have this attribute")
        return self._read(layer)

    if TYPE_CHECKING:  # At runtime there is none: an assignment makes an attribute of the instance.

        def __set__(self, layer: Any, value: Any) -> None: ...


class Setting(View[T]):
    """A property of the layer's private state that may be assigned.

    Args:
        read: returns the value for a layer; its docstring is that of the property.
        write: changes the state of a layer by an assigned value.
    """

    def __init__(self, read: Callable[[Any], T], write: Callable[[Any, Any], None]) -> None:
        super().__init__(read)
        self._write = write

    def __set__(self, layer: Any, value: Any) -> None:
        self._write(layer, value)
        EDITION.advance(layer._lamina)


class Trainable:
    """Whether training updates the layer; assigning it assigns it to all layers below as well.

    Parameters below get the same flag; variables that were declared as not trainable keep theirs.
    Training updates the variables whose own flag is True, if the trained root is trainable. A class
    may set the initial value, by ``trainable = False`` or a field of a dataclass.
    """

    def __init__(self, default: bool = True) -> None:
        self.default = default

    def __get__(self, layer: Any, owner: type) -> bool:
        if layer is None:
            return self.default
        scope = current()
        return layer._lamina.trainable if scope is None else scope.call.trains(layer)

    def __set__(self, layer: Tracked, value: bool) -> None:
        assign_trainable(layer, bool(value))


class BuiltFlag:
    """Whether the layer is built. Assignments, as in code for Keras, have no effect."""

    @overload
    def __get__(self, layer: None, owner: type) -> BuiltFlag: ...
    @overload
    def __get__(self, layer: Tracked, owner: type) -> bool: ...
    def __get__(self, layer: Tracked | None, owner: type) -> BuiltFlag | bool:
        return self if layer is None else layer._lamina.is_built

    def __set__(self, layer: Tracked, value: bool) -> None:
        return None


def _visible(variable: Variable) -> bool:
    scope = current()
    return variable.built if scope is None else scope.call.is_visible(variable)


def layers(layer: Tracked) -> list[Any]:
    """The layers directly below this one."""
    return [child for _, child in children(layer)]


def variables(layer: Tracked) -> list[Variable]:
    """All variables of the layer and the layers below it, in order; empty before the build.

    The trainable variables of a layer come first, then its other ones, then those of the layers in
    it, as in Keras.
    """
    return _in_order(walk(layer))


def _in_order(tree: Tree) -> list[Variable]:
    places = {key: number for number, key in enumerate(tree.layers)}

    def place(variable: Variable) -> tuple[int, bool]:
        return places[id(tree.owners[id(variable)])], not variable.is_parameter

    return sorted((v for _, v in tree.variables.values() if _visible(v)), key=place)


def own_weights(layer: Tracked) -> list[Variable]:
    """The variables without the states of stateful layers; empty before the build."""
    return [variable for variable in variables(layer) if variable.is_weight]


def _split(layer: Tracked, trainable: bool) -> list[Variable]:
    tree = walk(layer)
    frozen = frozen_variables(tree)
    return [v for v in _in_order(tree) if (id(v) not in frozen) == trainable]


def trainable_variables(layer: Tracked) -> list[Variable]:
    """The variables that training updates; empty before the build."""
    return _split(layer, True)


def non_trainable_variables(layer: Tracked) -> list[Variable]:
    """The variables that training does not update by gradients: statistics and frozen weights."""
    return _split(layer, False)


def non_trainable_weights(layer: Tracked) -> list[Variable]:
    """The non-trainable variables without the states of stateful layers."""
    return [variable for variable in _split(layer, False) if variable.is_weight]


def name(layer: Tracked) -> str:
    """The name of the layer; by default that of its class in snake case."""
    own = layer._lamina.name
    if own is not None:
        return own
    return snake(type(layer).__name__)


def values(layer: Tracked, trainable: bool | None = None) -> dict[str, jax.Array]:
    """Return the arrays of all variables by path, for `Layer.values`."""
    tree = walk(layer)
    frozen = frozen_variables(tree) if trainable is not None else set[int]()
    chosen = {
        path: variable
        for key, (path, variable) in tree.variables.items()
        if _visible(variable) and (trainable is None or (key not in frozen) == trainable)
    }
    return dict(zip(chosen, _read(list(chosen.values())), strict=True))


def _read(variables: list[Variable]) -> list[Any]:
    """The current values; outside of calls, a consistent snapshot."""
    if current() is None:
        return stored_together(variables)
    return [variable.value for variable in variables]


def set_values(layer: Tracked, arrays: Mapping[str, Any]) -> None:
    """Assign all variables by path, for `Layer.set_values`."""
    if not any(_visible(v) for _, v in walk(layer).variables.values()) and arrays:
        raise InputError(
            explain(
                f"{type(layer).__name__} is not built: it has no weights to set.",
                where=f"made at {layer._lamina.made_at}",
                expected="a built layer",
                received=f"{len(arrays)} values",
                remedy="Call the layer or its build(...) once first; load_weights needs no build.",
            )
        )
    found = by_identity(layer, arrays)
    pairs = [(v, found[key]) for key, (_, v) in walk(layer).variables.items()]
    cast = [(v, _cast(v, value)) for v, value in pairs]
    if current() is None:
        assign_all([variable for variable, _ in cast], [array for _, array in cast])
    else:
        for variable, array in cast:
            variable.assign(array)


def weights(layer: Tracked) -> list[np.ndarray]:
    """Return NumPy copies of all weights, in the order of `weights`."""
    return [np.array(to_host(value)) for value in _read(own_weights(layer))]


def set_weights(layer: Tracked, arrays: Sequence[Any]) -> None:
    """Assign all variables in order, for `Layer.set_weights`."""
    tree = walk(layer)
    visible = [(tree.path(v), v) for v in _in_order(tree)]
    own = [path for path, v in visible if v.is_weight]
    if len(own) != len(arrays):
        raise InputError(
            explain(
                f"The number of weights passed to {type(layer).__name__} is wrong.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"{len(own)}: {', '.join(own)}" if own else "none, as it is not built",
                received=str(len(arrays)),
                remedy="Build the layer, and pass its weights in the order of get_weights().",
            )
        )
    states = {path: v.value for path, v in visible if not v.is_weight}
    set_values(layer, states | dict(zip(own, map(np.asarray, arrays), strict=True)))


def _cast(variable: Variable, value: Any) -> Any:
    source = np.dtype(value.dtype)
    if jnp.issubdtype(source, np.complexfloating) and not jnp.issubdtype(
        variable.weight_dtype, np.complexfloating
    ):
        raise InputError(
            explain(
                f"Complex numbers were assigned to {variable.describe()}, which is real.",
                where=f"declared at {variable.declared_at}",
                expected=str(variable.weight_dtype),
                received=str(source),
                remedy="Pass the real part.",
            )
        )
    # A copy, because the caller's array may be modified or donated later.
    return copied(value, variable.weight_dtype)


def count_params(layer: Tracked) -> int:
    """Return the number of scalars in all built weights."""
    return sum(v.size for _, v in walk(layer).variables.values() if v.built and v.is_weight)


def text(layer: Tracked) -> str:
    """Return the class and the arguments of the constructor, for `repr`."""
    node, config = layer._lamina, quantization_of(layer)
    keywords = node.keywords if config is None else node.keywords | {"quantization_config": config}
    arguments = [_shown(value) for value in node.arguments]
    arguments += [f"{key}={_shown(value)}" for key, value in keywords.items()]
    return f"{type(layer).__name__}({', '.join(arguments)})"


def _shown(value: Any) -> str:
    """The `repr` of a value; of a long list of text, such as a vocabulary, the first items."""
    if value.__class__ is list and len(value) > 20 and isinstance(value[-1], str | int | float):
        return f"[{', '.join(map(repr, value[:3]))}, ... {len(value)} items]"
    return repr(value)
