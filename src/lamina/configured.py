"""`Configured`: objects that are described by the arguments of their constructors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self, cast

import jax.numpy as jnp
import numpy as np

from lamina.errors import InputError, explain

__all__ = ["ARRAY", "Configured", "array_config", "array_from", "dtype_config"]

ARRAY = "__numpy__"
"""The `class_name` of an array in a config, as in Keras."""


class Configured:
    """The base class of losses, metrics, initializers, regularizers and constraints.

    The config of an object has the arguments of its constructor, read from attributes of the same
    names; where ``**kwargs`` pass some on, those of the base class, too. A class whose constructor
    stores them elsewhere overrides `get_config`.
    """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Returns:
            A dict of the arguments by name, which JSON can store.

        Raises:
            InputError: an argument is not an attribute, or JSON cannot store it.

        >>> from lamina import losses
        >>> losses.Huber(delta=2.0).get_config()["delta"]
        2.0
        """
        config: dict[str, Any] = {}
        for name in _names(type(self)):
            if not hasattr(self, name):
                raise _no_config(self, f"no attribute {name!r}")
            config[name] = _plain(getattr(self, name), self)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create an object from a config.

        Args:
            config: the result of :meth:`get_config`, or the config of the same class in Keras.
                Options that are None and that the class does not have are ignored.

        Returns:
            An object of this class.

        Raises:
            InputError: the class has no such option.

        >>> from lamina import losses
        >>> losses.Huber.from_config(losses.Huber(delta=2.0).get_config()).delta
        2.0
        """
        parameters = inspect.signature(cls).parameters.values()
        known = {parameter.name for parameter in parameters}
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        given = {name: array_from(value) for name, value in config.items()}
        unknown = [name for name in given if name not in known and not takes_any]
        for name in unknown:
            if given[name] is None or (name, given[name]) == ("dtype", "float32"):
                del given[name]
                continue
            raise InputError(
                explain(
                    f"{cls.__name__} has no option {name!r}.",
                    expected=", ".join(known) or "no options",
                    received=f"{name}={given[name]!r}",
                    remedy="Leave it out of the config.",
                )
            )
        return cls(**given)


def array_config(value: Any) -> dict[str, Any]:
    """Convert an array to JSON, in the form of Keras.

    >>> array_config(np.array([1.0, 2.0]))
    {'class_name': '__numpy__', 'config': {'value': [1.0, 2.0], 'dtype': 'float64'}}
    """
    array = np.asarray(value)
    kept = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    if kept.dtype.kind == "c" or (kept.dtype.kind == "f" and not np.isfinite(kept).all()):
        kept = kept.astype(str)  # JSON has neither complex numbers nor infinities
    return {"class_name": ARRAY, "config": {"value": kept.tolist(), "dtype": array.dtype.name}}


def array_from(value: Any) -> Any:
    """Convert the JSON of an array to the array; return other values as they are.

    >>> array_from({"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int32"}})
    array([1, 2], dtype=int32)
    """
    if not isinstance(value, Mapping) or cast(Any, value).get("class_name") != ARRAY:
        return cast(Any, value)
    inner = cast(Any, value)["config"]
    dtype = jnp.dtype(inner["dtype"])
    if not (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, np.bool_)):
        raise ValueError(f"an array of the dtype {str(dtype)[:40]}")  # one may be of any size
    return np.asarray(inner["value"]).astype(dtype)


def dtype_config(dtype: Any) -> str | None:
    """Convert a dtype to its name, and None to None.

    >>> dtype_config(jnp.float32), dtype_config(None)
    ('float32', None)
    """
    return None if dtype is None else jnp.dtype(dtype).name


def _names(kind: type) -> list[str]:
    """The arguments of a constructor; with ``**kwargs``, those of the next base class, too."""
    varying = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names: dict[str, None] = {}
    for owner in kind.__mro__[:-1]:
        if "__init__" not in vars(owner):
            continue
        _, *parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
        names |= dict.fromkeys(one.name for one in parameters if one.kind not in varying)
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            break
    return [*names]


def _plain(value: Any, owner: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, owner) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {str(name): _plain(item, owner) for name, item in items}
    if isinstance(value, np.generic):
        return _plain(value.item(), owner)
    if isinstance(value, complex) or hasattr(value, "__array__"):
        return array_config(value)
    if isinstance(value, np.dtype) or hasattr(value, "dtype"):
        return jnp.dtype(cast("Any", value)).name
    raise _no_config(owner, repr(value))


def _no_config(owner: object, received: str) -> InputError:
    return InputError(
        explain(
            f"{type(owner).__name__} has no config.",
            expected="an attribute for each argument of the constructor, with numbers, text, "
            "arrays, lists or dicts",
            received=received,
            remedy=f"Define get_config on {type(owner).__name__}.",
        )
    )
