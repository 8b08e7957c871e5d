"""Encoding the inputs of a build: specs, numbers, and containers of them.

The inputs are passed to a layer's code, so a file of weights may contain no text, class or function
among them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from lamina.core.specs.signature import Method, method_of
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.saving import plain_data
from lamina.saving.encoding import Encoder, UnencodableError
from lamina.saving.lookup import Names

__all__ = ["decoded_inputs", "encoded_inputs"]

_MOST = (1 << 63) - 1
_MOST_SPECS = 4_096


def decoded_inputs(
    described: Any, *, text: bool = False, classes: Names | None = None
) -> Arguments:
    """Decode inputs.

    Args:
        described: the JSON.
        text: whether text is allowed; False by default. It is allowed where the inputs are not
            passed to a layer.
        classes: the named tuples that are allowed, those of the caller; None (default) for none.

    Returns:
        The inputs.

    Raises:
        FileFormatError: the JSON describes something else.
    """
    reader = _Reader(text, classes)
    try:
        args = tuple(map(reader.read, _listed(described["args"])))
        kwargs = {
            plain_data.text_of(key): reader.read(v) for key, v in _listed(described["kwargs"])
        }
    except FileFormatError:
        raise
    except Exception as error:
        raise FileFormatError(
            explain(
                "The inputs of a build in the file cannot be read.",
                expected="specs of arrays, numbers, and lists, tuples and dicts of them",
                received=f"{type(error).__name__}: {str(error)[:200]}",
                remedy="Call the layer once, or call build(...), before load_weights.",
            )
        ) from error
    return Arguments(args, kwargs)


def _listed(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise ValueError("inputs are not a list")
    return cast("list[Any]", items)


class _Reader:
    def __init__(self, text: bool, classes: Names | None) -> None:
        self._text = text
        self._classes = classes
        self._specs = 0
        self._kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
            "float": plain_data.float_of,
            "complex": plain_data.complex_of,
            "spec": self._spec,
            "tuple": lambda fields: tuple(map(self.read, _listed(fields["items"]))),
            "dict": self._dict,
            "namedtuple": self._namedtuple,
        }

    def read(self, described: Any) -> Any:
        if isinstance(described, list):
            return list(map(self.read, cast("list[Any]", described)))
        if isinstance(described, dict):
            fields = cast("dict[str, Any]", described)
            return self._kinds[fields["is"]](fields)
        if isinstance(described, str) and not self._text:
            raise ValueError("text is not allowed as an input")
        if isinstance(described, int) and abs(described) > _MOST:
            raise ValueError("an integer has more than 64 bits")
        return described

    def _spec(self, fields: dict[str, Any]) -> Spec:
        self._specs += 1
        if self._specs > _MOST_SPECS:
            raise ValueError(f"there are more than {_MOST_SPECS:,} specs")
        return plain_data.spec_of(fields)

    def _dict(self, fields: dict[str, Any]) -> dict[Any, Any]:
        return plain_data.dict_of(
            fields, self.read, lambda key: key if isinstance(key, str) else self.read(key)
        )

    def _namedtuple(self, fields: dict[str, Any]) -> Any:
        if self._classes is None:
            raise ValueError("a file of weights may not name a class")
        kind: Any = self._classes.given_data(plain_data.text_of(fields["class"]))
        if not plain_data.is_namedtuple(kind):
            raise ValueError(f"{kind.__name__} is not a named tuple")
        return kind(*map(self.read, _listed(fields["items"])))


def encoded_inputs(layer: Tracked, method: str, specs: Arguments, encoder: Encoder | None) -> Any:
    """Encode the inputs of a build; text is left out where the method has a default.

    Args:
        layer: the layer that was built.
        method: the method that the build called.
        specs: the inputs.
        encoder: the encoder of a whole model, which may name classes; None for weights only.

    Returns:
        JSON; None if an input cannot be stored.
    """
    given = _without_text(method_of(type(layer), method), specs)
    try:
        described = (encoder or Encoder()).arguments(given, "the specs")
        decoded_inputs(described, classes=None if encoder is None else Names(encoder.named))
    except (UnencodableError, FileFormatError):
        return None
    return described


def _without_text(method: Method, specs: Arguments) -> Arguments:
    if not any(isinstance(value, str) for value in (*specs.args, *specs.kwargs.values())):
        return specs
    parameters = method.signature.parameters
    if any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters.values()):
        return specs
    kept: Mapping[str, Any] = {
        name: value
        for name, value in method.bind(specs.args, specs.kwargs).items()
        if not isinstance(value, str) or name not in parameters or _is_needed(parameters[name])
    }
    return Arguments((), dict(kept))


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty
