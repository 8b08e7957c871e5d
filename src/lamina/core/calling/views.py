"""Reading a tree: its layers, variables and values, and the views that `Layer` shows of them.

A view gives way to an attribute of the same name, so a user's `self.layers = [...]` is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.calling.root import by_identity
from lamina.core.running import precision
from lamina.core.running.scope import current
from lamina.core.tree.node import EDITION, Tracked
from lamina.core.tree.values import stored_together
from lamina.core.tree.variable import Variable, store
from lamina.core.tree.walk import children, frozen_variables, walk
from lamina.errors import InputError, explain
from lamina.names import snake

__all__ = [
    "COUNTED",
    "BuiltFlag",
    "Trainable",
    "View",
    "count_params",
    "graph_input",
    "graph_output",
    "layers",
    "name",
    "set_values",
    "set_weights",
    "text",
    "values",
    "variables",
    "weights",
]

COUNTED = (Tracked, Variable, list, tuple, dict)
"""What changes a tree when it is assigned to an attribute."""


class View:
    """A property that an attribute of the instance overrides.

    The class itself does not have it, so that a dataclass may have a field of the name.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            raise AttributeError("only instances have this attribute")
        return self._read(layer)


class Trainable:
    """Whether the layer and all below it train; setting it to False freezes the subtree.

    Within a call it tells of the layers above as well. A class may say what its layers begin with:
    ``trainable = False``, or a field of a dataclass.
    """

    def __init__(self, default: bool = True) -> None:
        self.default = default

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            return self.default
        scope = current()
        return layer._lamina.trainable if scope is None else scope.call.trains(layer)

    def __set__(self, layer: Tracked, value: bool) -> None:
        layer._lamina.trainable = bool(value)
        EDITION.advance()


class BuiltFlag:
    """Whether the layer is built. Keras code sets it; that is accepted and means nothing."""

    def __get__(self, layer: Any, owner: type) -> Any:
        return self if layer is None else layer._lamina.built is not None

    def __set__(self, layer: Tracked, value: bool) -> None:
        return None


def _visible(variable: Variable) -> bool:
    scope = current()
    return variable.built if scope is None else scope.call.is_visible(variable)


def graph_input(layer: Tracked) -> Any:
    """The symbolic values that the layer was called on, where that was once."""
    return _once_applied(layer)[0]


def graph_output(layer: Tracked) -> Any:
    """What the layer gave for symbolic values, where it was called on such once."""
    return _once_applied(layer)[1]


def _once_applied(layer: Tracked) -> tuple[Any, Any]:
    calls = layer._lamina.applied
    if len(calls) == 1:
        return calls[0]
    raise AttributeError(
        explain(
            f"{type(layer).__name__} has no input and output of its own in a graph of layers.",
            where=f"made at {layer._lamina.made_at}",
            expected="one call on symbolic values",
            received=f"{len(calls)} of them",
            remedy="Keep what each call gives, and use that."
            if calls
            else "Call it on an Input. For a layer of a Sequential, or of a model from a file, "
            "ask for model.inputs first.",
        )
    )


def layers(layer: Tracked) -> list[Tracked]:
    """The layers directly below this one."""
    return [child for _, child in children(layer)]


def variables(layer: Tracked) -> list[Variable]:
    """All variables of the tree, each once, in order; none before the build."""
    return [v for _, v in walk(layer).variables.values() if _visible(v)]


def _split(layer: Tracked, trainable: bool) -> list[Variable]:
    tree = walk(layer)
    frozen = frozen_variables(tree)
    return [
        v
        for key, (_, v) in tree.variables.items()
        if _visible(v) and (key not in frozen) == trainable
    ]


def trainable_variables(layer: Tracked) -> list[Variable]:
    """The variables that training changes."""
    return _split(layer, True)


def non_trainable_variables(layer: Tracked) -> list[Variable]:
    """The variables that training leaves: statistics, and what is frozen."""
    return _split(layer, False)


def name(layer: Tracked) -> str:
    """The name given, or the class's in snake case."""
    given = layer._lamina.name
    if given is not None:
        return given
    return snake(type(layer).__name__)


def dtype(layer: Tracked) -> str:
    """The dtype of the weights that the layer declares, or the policy of mixed precision."""
    return layer._lamina.dtype or "float32"


def compute_dtype(layer: Tracked) -> str:
    """The dtype that the layer computes in: in a call, that of the layers around it if mixed."""
    return str(precision.compute_dtype(layer))


def variable_dtype(layer: Tracked) -> str:
    """The dtype of the weights that the layer declares."""
    return precision.weights_dtype(layer._lamina.dtype) or "float32"


def values(layer: Tracked, trainable: bool | None = None) -> dict[str, jax.Array]:
    tree = walk(layer)
    frozen = frozen_variables(tree) if trainable is not None else set[int]()
    chosen = {
        path: variable
        for key, (path, variable) in tree.variables.items()
        if _visible(variable) and (trainable is None or (key not in frozen) == trainable)
    }
    return dict(zip(chosen, _read(list(chosen.values())), strict=True))


def _read(variables: list[Variable]) -> list[Any]:
    """The values that stand for variables here; outside of calls, those of one moment."""
    if current() is None:
        return stored_together(variables)
    return [variable.value for variable in variables]


def set_values(layer: Tracked, given: Mapping[str, Any]) -> None:
    if not any(_visible(v) for _, v in walk(layer).variables.values()) and given:
        raise InputError(
            explain(
                f"{type(layer).__name__} is not built: it has no weights to set.",
                where=f"made at {layer._lamina.made_at}",
                expected="a built layer",
                received=f"{len(given)} values",
                remedy="Call it once or build(...) it first; load_weights builds by itself.",
            )
        )
    found = by_identity(layer, given)
    pairs = [(v, found[key]) for key, (_, v) in walk(layer).variables.items()]
    arrays = [(v, _cast(v, value)) for v, value in pairs]
    if current() is None:
        store([variable for variable, _ in arrays], [array for _, array in arrays])
    else:
        for variable, array in arrays:
            variable.assign(array)


def weights(layer: Tracked) -> list[np.ndarray]:
    """Copies of all weights, in the order of `variables`."""
    return [np.array(value) for value in _read(variables(layer))]


def set_weights(layer: Tracked, given: Sequence[Any]) -> None:
    own = [path for path, v in walk(layer).variables.values() if _visible(v)]
    if len(own) != len(given):
        raise InputError(
            explain(
                f"{type(layer).__name__} was given another number of weights than it has.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"{len(own)}: {', '.join(own)}" if own else "none: it is not built",
                received=str(len(given)),
                remedy="Give them in the order of get_weights(), once the layer is built.",
            )
        )
    set_values(layer, {path: np.asarray(value) for path, value in zip(own, given, strict=True)})


def _cast(variable: Variable, value: Any) -> Any:
    source = np.dtype(value.dtype)
    if jnp.issubdtype(source, np.complexfloating) and not jnp.issubdtype(
        variable.weight_dtype, np.complexfloating
    ):
        raise InputError(
            explain(
                f"{variable.describe()} cannot hold complex numbers.",
                where=f"declared at {variable.declared_at}",
                expected=str(variable.weight_dtype),
                received=str(source),
                remedy="Take the real part first.",
            )
        )
    # A copy: what the caller holds may be changed, or donated, later.
    return copied(value, variable.weight_dtype)


def count_params(layer: Tracked) -> int:
    return sum(v.size for _, v in walk(layer).variables.values() if v.built)


def text(layer: Tracked) -> str:
    """The class with the arguments that it was made with."""
    node = layer._lamina
    given = [repr(value) for value in node.arguments]
    given += [f"{key}={value!r}" for key, value in node.keywords.items()]
    return f"{type(layer).__name__}({', '.join(given)})"
