"""Names of the module `keras` itself: variables, devices, scopes and rematerialization."""

from __future__ import annotations

import abc
import contextlib
import inspect
from collections.abc import Callable, Generator, Iterable
from typing import Any

import jax
import numpy as np

import lamina
from lamina.compat.keras.distribution import distribute_tensor
from lamina.compat.keras.utils.arguments import choice
from lamina.errors import InputError, TraceError, explain
from lamina.layers.rematerialization import rematerialized_layers
from lamina.models.given_values import GivenValues

__all__ = [
    "RematScope",
    "StatelessScope",
    "SymbolicScope",
    "Variable",
    "device",
    "name_scope",
    "remat",
    "version",
]

_jax: Any = jax
_VERSION = "3.15.1"


def version() -> str:
    """The version of Keras whose names are here.

    >>> version()
    '3.15.1'
    """
    return _VERSION


class Variable(lamina.Variable, abc.ABC):
    """A variable, to be assigned to an attribute of a layer. All variables are instances of it.

    Args:
        initializer: the initial value, or an initializer or its name.
        shape: the shape, for an initializer. Default: that of the value.
        dtype: the dtype. Default: that of the value; float32 for an initializer.
        trainable: whether training updates the variable. Default True.
        autocast: whether mixed precision casts the value. Default True.
        aggregation: has no effect.
        synchronization: has no effect.
        name: the name. Default: that of the attribute.
        layout: the placement of the value, as `keras.distribution.distribute_tensor` takes it.
            Default None.

    Raises:
        InputError: an initializer without a shape.

    >>> Variable([1.0, 2.0]).shape
    (2,)
    """

    def __new__(  # pyright: ignore[reportInconsistentConstructor] - it returns another class
        cls,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = None,
        synchronization: str | None = None,
        name: str | None = None,
        layout: Any = None,
    ) -> Any:
        if isinstance(initializer, str) or callable(initializer):
            if shape is None:
                raise InputError(
                    explain(
                        "A Variable with an initializer has no shape.",
                        expected="the shape of the initial value",
                        received="shape=None",
                        remedy="Pass shape, or the value itself.",
                    )
                )
            drawn: Any = lamina.initializers.get(initializer)
            initializer = drawn(tuple(shape), dtype or "float32")
        value = np.asarray(initializer)
        kind = dtype or (np.float32 if value.dtype == np.float64 else value.dtype)
        made = lamina.Variable(
            value.shape,
            lamina.initializers.Constant(value),
            dtype=kind,
            trainable=trainable,
            autocast=autocast,
            name=name,
        )
        if layout is not None:
            return made.assign(distribute_tensor(value, layout))
        return _with_value(made, value)

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, lamina.Variable) if cls is Variable else NotImplemented


def _with_value(made: lamina.Variable, value: Any) -> lamina.Variable:
    try:
        return made.assign(value)
    except TraceError:  # in a layer's build, the initializer sets the value
        return made


@contextlib.contextmanager
def device(device_name: str) -> Generator[None]:
    """Compute on a device, such as ``"cpu:0"`` or ``"gpu:1"``.

    Args:
        device_name: the platform and the number of the device.
    """
    platform, _, number = device_name.lower().lstrip("/").removeprefix("device:").partition(":")
    with jax.default_device(jax.devices(platform)[int(number or 0)]):
        yield


@contextlib.contextmanager
def name_scope(name: str, **options: Any) -> Generator[str]:
    """Nothing: the paths of weights follow from the names of attributes.

    Args:
        name: the name.
        **options: without effect.
    """
    yield name


def remat(f: Callable[..., Any]) -> Any:
    """Compute a function, or a layer, again in the backward pass instead of keeping its values.

    Args:
        f: the layer, or a function of arrays.
    """
    return lamina.remat(f) if isinstance(f, lamina.Layer) else _jax.checkpoint(f)


class StatelessScope(contextlib.AbstractContextManager[Any]):
    """A `with` block in which variables have given values, and none changes.

    Args:
        state_mapping: pairs of a variable and its value. Default None: none.
        collect_losses: has no effect: :attr:`losses` are always collected.
        initialize_variables: has no effect.

    Raises:
        InputError: a key is not a variable, or a value has another shape.

    >>> count = Variable(1)
    >>> with StatelessScope([(count, 2)]) as scope:
    ...     increased = count.assign_add(1)
    >>> int(scope.get_current_value(count)), int(count)
    (3, 1)
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[lamina.Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        self._values = GivenValues(state_mapping or ())

    def __enter__(self) -> StatelessScope:
        self._values.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._values.__exit__()

    @property
    def losses(self) -> list[Any]:
        """The losses that layers added in the block."""
        return self._values.losses

    def get_current_value(self, variable: lamina.Variable) -> Any:
        """The value last assigned in the block, or given; None for neither.

        Args:
            variable: the variable.
        """
        return self._values.current(variable)


class SymbolicScope(contextlib.AbstractContextManager[Any]):
    """A `with` block without effect: a layer that is called on symbols computes nothing anyway."""

    def __exit__(self, *_: object) -> None: ...


class RematScope(contextlib.AbstractContextManager[Any]):
    """A `with` block in which layers are made whose activations are computed again.

    Args:
        mode: ``"full"`` (default) for all layers, ``"list_of_layers"`` for those of `layer_names`,
            ``"activations"`` for those with an activation function, ``"larger_than"`` for all
            layers, too, and None for none.
        output_size_threshold: has no effect: sizes are not known when a layer is made.
        layer_names: the names for ``"list_of_layers"``. Default None.

    Raises:
        InputError: the mode is unknown.

    >>> with RematScope("list_of_layers", layer_names=["wide"]):
    ...     layer = lamina.layers.Dense(4, name="wide")
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Iterable[str] | None = None,
    ) -> None:
        modes = ("full", "activations", "larger_than", "list_of_layers", None)
        choice("RematScope", "mode", mode, modes)
        self.mode, self.layer_names = mode, list(layer_names or ())
        self.output_size_threshold = output_size_threshold
        self._blocks: list[Any] = []

    def __enter__(self) -> RematScope:
        block = rematerialized_layers(self._chooses)
        block.__enter__()
        self._blocks.append(block)
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.pop().__exit__(None, None, None)

    def _chooses(self, layer: lamina.Layer) -> bool:
        if self.mode == "list_of_layers":
            return layer.name in self.layer_names
        if self.mode == "activations":
            return "activation" in inspect.signature(type(layer)).parameters
        return self.mode is not None
