"""The calls of a graph of layers, as Keras 3 writes them, with calls counted from 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields
from lamina.saving.keras.dialects.layers import RECURRENT

__all__ = ["calls_of", "from_zero"]

_TENSOR, _CONSTANT = "__keras_tensor__", "_CONSTANT_VALUE"
_ATTENTIONS = frozenset({"AdditiveAttention", "Attention"})


def calls_of(entry: Mapping[str, Any], names: frozenset[str], context: Context) -> list[Any]:
    """Return the calls of a layer in the form of Keras 3.

    Args:
        entry: the class, config and calls of the layer, in any form.
        names: the names of all layers of the graph.
        context: the path of the file.

    Returns:
        A dict of ``args`` and ``kwargs`` for each call.

    Raises:
        FileFormatError: a call has another form.
    """
    kind = str(entry.get("class_name"))
    found: list[Any] = []
    for node in cast("list[Any]", entry.get("inbound_nodes") or []):
        if isinstance(node, dict):
            found.append(node)
            continue
        try:
            found.append(_call(kind, node, names))
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise context.refused(
                f"has a call of the layer {entry.get('name')!r} that cannot be read",
                f"{type(error).__name__}: {error}",
            ) from error
    config = entry.get("config")
    if kind in _ATTENTIONS and isinstance(config, Mapping) and config.get("causal"):
        for call in found:
            call["kwargs"] = {**call["kwargs"], "use_causal_mask": True}
    return found


def _call(kind: str, node: Any, names: frozenset[str]) -> Fields:
    """Convert a call: a list of tensors ``[layer, call, output, kwargs]``, or one of them.

    The kwargs of the first one, or of the one that has any, are those of the call.
    """
    kwargs: Fields = {}

    def tensor(item: list[Any]) -> Any:
        if len(item) > 3:
            kwargs.update(cast("Fields", item[3]))
        if item[0] == _CONSTANT:
            return item[2]
        return _tensor(item[:3])

    def nest(value: Any) -> Any:
        if _is_place(value, names):
            return tensor(value)
        if isinstance(value, dict):
            return {name: nest(item) for name, item in cast("Fields", value).items()}
        if isinstance(value, list):
            return [nest(item) for item in cast("list[Any]", value)]
        raise ValueError(f"no tensor: {value!r}"[:200])

    made = nest(node)
    given = {name: _argument(value, names) for name, value in kwargs.items()}
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(made, list) and not _is_place(node, names):
        tensors = cast("list[Any]", made)
        if kind in RECURRENT and len(tensors) > 1:
            given["initial_state"] = tensors[1:]
            return {"args": tensors[:1], "kwargs": given}
        return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": given}
    return {"args": [made], "kwargs": given}


def _is_place(value: Any, names: frozenset[str]) -> bool:
    """Whether a list is the place of a tensor: a layer, the number of a call and of an output."""
    if not isinstance(value, list):
        return False
    item = cast("list[Any]", value)
    if len(item) not in (3, 4) or not isinstance(item[0], str) or type(item[1]) is not int:
        return False
    return item[0] == _CONSTANT or (item[0] in names and type(item[2]) is int)


def _tensor(place: list[Any]) -> Fields:
    return {"class_name": _TENSOR, "config": {"keras_history": list(place)}}


def _argument(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        item = cast("list[Any]", value)
        if len(item) == 3 and _is_place(item, names):
            return _tensor(item)
        return [_argument(one, names) for one in item]
    if isinstance(value, dict):
        return {n: _argument(one, names) for n, one in cast("Fields", value).items()}
    return value


def from_zero(config: Fields, context: Context) -> None:
    """Count the calls of inner models from 0, in place.

    An inner model has a first call of its own, between its inputs and outputs, so that the calls
    by the model around it are counted from 1: in Keras 2, and in the outputs in Keras 3. All of
    its calls are used in a graph, which shows how they are counted.

    Args:
        config: the config of the graph, with calls in the form of Keras 3.
        context: the version of the file.
    """
    entries = {str(entry["name"]): entry for entry in config["layers"]}
    inner = {name for name, entry in entries.items() if _is_model(entry)}
    if not inner:
        return
    places = [place for entry in entries.values() for place in _places(entry["inbound_nodes"])]
    ends = [place for key in ("input_layers", "output_layers") for place in _ends(config[key])]
    old = context.version < (3, 0)
    for name in inner:
        count = len(entries[name]["inbound_nodes"])
        within = [place for place in places if place[0] == name]
        last = [place for place in ends if place[0] == name]
        if old:
            _shift([*within, *last], count, True)
        else:
            _shift(within, count, False)
            _shift(last, count, entries[name]["class_name"] != "Sequential")


def _shift(places: list[list[Any]], count: int, from_one: bool) -> None:
    """Subtract 1 from the numbers of calls that are counted from 1.

    Args:
        places: the places, changed in place.
        count: how many calls there are.
        from_one: whether they are counted from 1 if the numbers do not show it.
    """
    numbers = {int(place[1]) for place in places}
    if 0 in numbers or not (count in numbers or from_one):
        return
    for place in places:
        place[1] -= 1


def _is_model(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    return isinstance(config, Mapping) and isinstance(config.get("layers"), list)


def _places(value: Any) -> Iterator[list[Any]]:
    """The places of all tensors in calls of the form of Keras 3."""
    if isinstance(value, dict):
        fields = cast("Fields", value)
        if fields.get("class_name") == _TENSOR:
            yield fields["config"]["keras_history"]
            return
        value = list(fields.values())
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _places(item)


def _ends(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, dict):
        value = list(cast("Fields", value).values())
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if len(items) == 3 and isinstance(items[0], str):
            yield items
        else:
            for item in items:
                yield from _ends(item)
