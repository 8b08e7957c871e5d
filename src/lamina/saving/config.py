"""The configs of layers and other objects: the arguments of their constructors as plain JSON."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lamina.core.calling.constructor import argument_names
from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.names import snake
from lamina.saving.config_reader import reading_config
from lamina.saving.config_writer import writing

__all__ = ["deserialize", "from_config", "get_config", "serialize"]

_LISTS = ("lamina.layers", "lamina.seq2seq")
"""The modules whose classes take a list wherever they take a tuple."""


_AS_GIVEN = ("axes", "axis", "cropping", "padding", "shared_axes", "size")
"""Options whose attributes have another form than the arguments."""


def get_config(layer: Tracked, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of a layer's constructor, given or default, as JSON.

    Args:
        layer: the layer.
        leave_out: the names of arguments that the caller adds. Default none.

    Returns:
        The arguments by name: numbers, text, lists and dicts. Layers, losses and the like are
        dicts of their class and config.

    Raises:
        InputError: the constructor was called with arguments that have no name.
        LaminaError: an argument cannot be stored; the error names it.
    """
    kind, node = type(layer), layer._lamina
    with writing() as writer:
        trainable = node.trainable and not (node.inherits and writer.frozen)
    own = {"name": name_of(layer), "trainable": trainable, "dtype": node.dtype or "float32"}
    known = argument_names(kind)
    given = _arguments(layer)
    if kind.__module__.startswith("lamina."):
        given = _options(layer, known) | {n: _present(layer, n, v) for n, v in given.items()}
    lists = kind.__module__.startswith(_LISTS)
    config = {name: value for name, value in own.items() if name in known}
    if not trainable:
        config["trainable"] = False
    with writing(layer) as writer:
        for name, value in given.items():
            if name not in leave_out and (name not in own or name not in known):
                place = f"the argument {name!r} of {kind.__name__}"
                config[name] = writer.value(value, place, lists)
    return config


def _arguments(layer: Tracked) -> dict[str, Any]:
    """The arguments of the layer's constructor by name, with defaults."""
    signature = inspect.signature(type(layer).__init__)
    bound = signature.bind(layer, *layer._lamina.arguments, **layer._lamina.keywords)
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, value in [*bound.arguments.items()][1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            given |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            given[name] = value
        elif value:
            raise InputError(
                explain(
                    f"{type(layer).__name__} has no config: its constructor takes *{name}.",
                    where=f"made at {layer._lamina.made_at}",
                    expected="named arguments",
                    received=f"{len(value)} positional arguments",
                    remedy=f"Define get_config, or let __init__ take {name} as one argument.",
                )
            )
    return given


def _options(layer: Tracked, known: Sequence[str]) -> dict[str, Any]:
    """The options of Lamina's layers that were not given, read from attributes."""
    held = {name: vars(layer)[name] for name in known if name in vars(layer)}
    weights = ("kernel", "embeddings", "depthwise")
    if layer.__class__.__name__ != "Dense" and any(f"{w}_regularizer" in known for w in weights):
        return {"activity_regularizer": None} | held
    return held


def _present(layer: Tracked, name: str, recorded: Any) -> Any:
    """The plain option of one of Lamina's layers as it is now, in its full form."""
    held = recorded if name in _AS_GIVEN else vars(layer).get(name, recorded)
    return held if _is_plain(held) and _is_plain(recorded) else recorded


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, cast("list[Any]", value)))
    return value is None or isinstance(value, bool | int | float | str)


def from_config(
    kind: type,
    config: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
    made: Mapping[str, Any] | None = None,
) -> Any:
    """Make a layer from a config, of Lamina or of Keras; layers in the config are copied.

    Nothing is imported or unpickled. Classes and functions are looked up as in
    :func:`lamina.load`.

    Args:
        kind: the class of the layer.
        config: the result of `get_config`. Options of Keras that are None and that the layer does
            not have are ignored.
        custom_objects: classes and functions by name; None (default) for none.
        made: further arguments, which are passed on as they are; None (default) for none.

    Returns:
        The layer, unbuilt.

    Raises:
        InputError: the layer has no such option.
        FileFormatError: the config names a class or function that is not available.
    """
    known = argument_names(kind)
    with reading_config(custom_objects, config) as reader:
        given = {name: reader.value(value) for name, value in config.items()}
        if given.get("trainable") is True and not reader.frozen:
            del given["trainable"]  # the default, so that the layers around decide
    if given.get("name") == snake(kind.__name__):
        del given["name"]
    frozen = "trainable" not in known and given.pop("trainable", True) is False
    if kind.__module__.startswith("lamina."):  # Keras has options that Lamina does not have
        given = {n: value for n, value in given.items() if n in known or value is not None}
    layer = kind(**given, **(made or {}))
    if frozen:
        layer._lamina.trainable = layer._lamina.inherits = False
    return layer


def serialize(thing: Any) -> Any:
    """Convert a layer, a loss, a metric or a function to JSON.

    Args:
        thing: an object with a method `get_config`, a named function, or a value that a config
            may have.

    Returns:
        For an object, a dict of `module`, `class_name`, `config` and `registered_name`.

    Raises:
        LaminaError: it, or an option of it, cannot be stored.

    >>> from lamina import layers
    >>> serialize(layers.Dense(4))["class_name"]
    'Dense'
    """
    with writing() as writer:
        return writer.value(thing, getattr(thing, "__name__", type(thing).__name__))


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make what :func:`serialize` converted.

    Nothing is imported or unpickled. Classes and functions are looked up as in
    :func:`lamina.load`.

    Args:
        config: the result of :func:`serialize`, or of the function of that name in Keras.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The object.

    Raises:
        FileFormatError: the config is not valid, or names a class or function that is not
            available.

    >>> from lamina import layers
    >>> deserialize(serialize(layers.Dense(4))).units
    4
    """
    with reading_config(custom_objects) as reader:
        return reader.value(config)
