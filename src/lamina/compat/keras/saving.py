"""`keras.saving`: files of models, and classes and functions by registered names."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Mapping
from os import PathLike
from typing import Any, TypeVar

import lamina
from lamina.compat.keras.missing import missing
from lamina.compat.tf.keras.models import save_model
from lamina.errors import InputError, explain

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

T = TypeVar("T")

_registered: dict[str, Any] = {}
_names: dict[int, str] = {}


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by their names; entries may be added to it."""
    return _registered


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """A decorator that lets :func:`load_model` find a class or function.

    Args:
        package: str, the first part of the registered name. Default ``"Custom"``.
        name: str, the second part. Default: that of the class or function.

    Raises:
        InputError: a class has no `get_config`.

    >>> @register_keras_serializable("mine")
    ... def double(x):
    ...     return 2 * x
    >>> get_registered_name(double)
    'mine>double'
    """

    def register(thing: T) -> T:
        if inspect.isclass(thing) and not hasattr(thing, "get_config"):
            raise InputError(
                explain(
                    f"{thing.__name__} cannot be registered: it has no get_config.",
                    expected="a class with get_config, or a function",
                    received=f"a class without it: {thing.__name__}",
                    remedy="Return the arguments of the constructor in get_config.",
                )
            )
        full = f"{package}>{name or getattr(thing, '__name__', '')}"
        _registered[full] = thing
        _names[id(thing)] = full
        return thing

    return register


def get_registered_name(obj: Any) -> str:
    """The registered name of a class or function; its own name if it is not registered.

    Args:
        obj: the class or function.
    """
    found = _names.get(id(obj))
    return obj.__name__ if found is None or _registered.get(found) is not obj else found


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The class or function of a name; None if there is none.

    Args:
        name: the name.
        custom_objects: others by their names. Default None.
        module_objects: further ones. Default None.
    """
    for known in (_registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


@contextlib.contextmanager
def custom_object_scope(*custom_objects: Mapping[str, Any] | None) -> Generator[None]:
    """Let files refer to classes and functions inside of a `with` block.

    Args:
        *custom_objects: dicts of the classes and functions by their names.

    >>> with custom_object_scope({"double": lambda x: 2 * x}):
    ...     "double" in get_custom_objects()
    True
    """
    before = dict(_registered)
    for one in custom_objects:
        _registered.update(one or {})
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(before)


CustomObjectScope = custom_object_scope


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Make the model that `save` wrote, with the registered classes; see :func:`lamina.load`.

    Args:
        filepath: the path of the file.
        custom_objects: classes and functions by name. Default None.
        compile: whether to compile the model if it was compiled. Default True.
        safe_mode: has no effect: no code in a file is ever run. Default True.
    """
    return lamina.load(filepath, custom_objects=_known(custom_objects), compile=compile)


def save_weights(model: lamina.Layer, filepath: str | PathLike[str], **options: Any) -> None:
    """Write the weights of a model to a file.

    Args:
        model: the model.
        filepath: the path of the file.
        **options: those of :meth:`lamina.Layer.save_weights`.
    """
    model.save_weights(filepath, **options)


def load_weights(
    model: lamina.Layer,
    filepath: str | PathLike[str],
    skip_mismatch: bool = False,
    **options: Any,
) -> None:
    """Read the weights of a model from a file.

    Args:
        model: the model.
        filepath: the path of the file.
        skip_mismatch: whether layers whose weights do not fit are left as they are. Default False.
        **options: others of :meth:`lamina.Layer.load_weights`.
    """
    chosen: Any = {"skip_mismatch": True, **options} if skip_mismatch else options
    model.load_weights(filepath, **chosen)


def serialize_keras_object(obj: Any) -> Any:
    """Describe an object as plain data; see :func:`lamina.serialize`.

    Args:
        obj: the object.
    """
    return lamina.serialize(obj)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Make the object that :func:`serialize_keras_object` described.

    Args:
        config: plain data.
        custom_objects: classes and functions by name. Default None.
        safe_mode: has no effect: no code in data is ever run. Default True.
    """
    return lamina.deserialize(config, custom_objects=_known(custom_objects))


def _known(custom_objects: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The registered classes by their own names too, and those of the caller."""
    short = {name.rpartition(">")[2]: one for name, one in _registered.items()}
    return {**short, **_registered, **(custom_objects or {})} or None


def __getattr__(name: str) -> Any:
    raise missing("keras.saving", name, __all__)
