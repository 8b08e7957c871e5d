"""Making values again from JSON; only classes that are there already are ever used."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import importlib
import inspect
import math
import sys
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from lamina import initializers
from lamina.core.node import Tracked
from lamina.core.specs import Arguments, Spec
from lamina.core.tracking import walk
from lamina.errors import FileFormatError, LaminaError, explain
from lamina.saving.recording import FUNCTIONS, KEYS, key_dtype

__all__ = ["Maker"]

_OURS = "lamina"
_OUR_FUNCTIONS = (
    "lamina.activations",
    "lamina.compat.tf",
    "lamina.losses",
    "lamina.metrics",
    "lamina.ops",
)


class Maker:
    """Makes values from what a :class:`Recorder` wrote.

    A file is somebody else's text, so names in it are looked up, never run: a class must be a
    `Layer` (or plain data of the same package), and its module must have been imported already
    or be Lamina's own.

    Args:
        given: what names stand for, by ``"Name"`` or by ``"module:Name"``; it comes first.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self._given = dict(given or {})
        self._layers: dict[int, Tracked] = {}
        self._packages = {_OURS}

    def trust(self, root: Tracked) -> None:
        """Let plain data be of the packages that the layers of a tree are from."""
        kinds = {type(layer) for _, layer in walk(root).layers.values()}
        self._packages |= {kind.__module__.partition(".")[0] for kind in kinds}

    def make(self, described: Any) -> Any:
        """The value that some JSON stands for.

        Raises:
            FileFormatError: it stands for nothing, or for a class that is not there.
        """
        try:
            return self._make(described)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            if isinstance(error, LaminaError):
                raise
            raise _damaged(error) from error

    def arguments(self, described: Any) -> Arguments:
        """The specs of a call.

        Raises:
            FileFormatError: as `make` does.
        """
        args, kwargs = self.make([described["args"], {"is": "dict", "items": described["kwargs"]}])
        return Arguments(tuple(args), kwargs)

    def _make(self, described: Any) -> Any:
        if isinstance(described, list):
            return [self._make(item) for item in cast("list[Any]", described)]
        if not isinstance(described, dict):
            return described
        fields = cast("dict[str, Any]", described)
        return getattr(self, "_make_" + str(fields["is"]).replace(" ", "_"))(fields)

    def _make_float(self, fields: dict[str, Any]) -> float:
        return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[fields["value"]]

    def _make_complex(self, fields: dict[str, Any]) -> complex:
        real, imaginary = fields["parts"]
        return complex(float(real), float(imaginary))

    def _make_tuple(self, fields: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self._make(item) for item in fields["items"])

    def _make_dict(self, fields: dict[str, Any]) -> dict[Any, Any]:
        return {self._make(key): self._make(item) for key, item in fields["items"]}

    def _make_spec(self, fields: dict[str, Any]) -> Spec:
        return Spec(fields["shape"], _dtype(fields["dtype"]))

    def _make_dtype(self, fields: dict[str, Any]) -> Any:
        return _dtype(fields["name"])

    def _make_array(self, fields: dict[str, Any]) -> np.ndarray:
        data = base64.b64decode(fields["base64"], validate=True)
        return np.frombuffer(data, _dtype(fields["dtype"])).reshape(fields["shape"]).copy()

    def _make_scalar(self, fields: dict[str, Any]) -> Any:
        return self._make_array(fields)[()]

    def _make_jax_array(self, fields: dict[str, Any]) -> Any:
        return jnp.asarray(self._make_array(fields))

    def _make_initializer(self, fields: dict[str, Any]) -> Any:
        return initializers.from_config(self._make(fields["config"]))

    def _make_partial(self, fields: dict[str, Any]) -> Any:
        kwargs = {name: self._make(item) for name, item in fields["kwargs"].items()}
        args = [self._make(item) for item in fields["args"]]
        return functools.partial(self._make(fields["function"]), *args, **kwargs)

    def _make_function(self, fields: dict[str, Any]) -> Any:
        name = str(fields["name"])
        module, _, inner = name.partition(":")
        found = self._from_given(name)
        if found is None and module in FUNCTIONS:
            found = getattr(FUNCTIONS[module], inner, None)
        elif found is None and module.startswith(_OUR_FUNCTIONS):
            found = _stored_at(name)
            found = found if inspect.isfunction(found) else None
        if not callable(found):
            _raise_not_there(name, "a function that the model was made with", None)
        return found

    def _make_class(self, fields: dict[str, Any]) -> Any:
        return self._layer_class(str(fields["class"]))

    def _make_same(self, fields: dict[str, Any]) -> Tracked:
        return self._layers[fields["number"]]

    def _make_layer(self, fields: dict[str, Any]) -> Tracked:
        kind = self._layer_class(str(fields["class"]))
        args = [self._make(item) for item in fields["args"]]
        kwargs = {name: self._make(item) for name, item in fields["kwargs"].items()}
        layer = _constructed(kind, args, kwargs)
        self._layers[fields["number"]] = layer
        return layer

    def _make_namedtuple(self, fields: dict[str, Any]) -> Any:
        kind: Any = self._data_class(str(fields["class"]))
        if tuple not in kind.__mro__ or "_fields" not in vars(kind):
            _raise_not_there(str(fields["class"]), "a named tuple", kind)
        return kind(*(self._make(item) for item in fields["items"]))

    def _make_dataclass(self, fields: dict[str, Any]) -> Any:
        kind = self._data_class(str(fields["class"]))
        if not dataclasses.is_dataclass(kind):
            _raise_not_there(str(fields["class"]), "a dataclass", kind)
        given = {name: self._make(item) for name, item in fields["fields"].items()}
        return _constructed(kind, [], given)

    # Names.

    def _from_given(self, name: str) -> Any:
        qualified = name.partition(":")[2]
        for key in (name, name.replace(":", "."), qualified, qualified.rpartition(".")[2]):
            if key in self._given:
                return self._given[key]
        return None

    def _layer_class(self, name: str) -> Any:
        found = self._from_given(name)
        if found is None:
            found = _stored_at(name)
        if not isinstance(found, type) or not issubclass(found, Tracked):
            _raise_not_there(name, "a subclass of lamina.Layer", found)
        self._packages.add(found.__module__.partition(".")[0])
        return found

    def _data_class(self, name: str) -> type:
        """A class of plain data: given by the user, or from a package that has the layers."""
        found = self._from_given(name)
        if found is None and name.partition(":")[0].partition(".")[0] in self._packages:
            found = _stored_at(name)
        if not isinstance(found, type):
            _raise_not_there(name, "a class beside the model's own", found)
        return found


def _stored_at(name: str) -> Any:
    """What a name of the form ``module:Class.Inner`` stands for; nothing runs to find it."""
    module, _, inner = name.partition(":")
    ours = module.partition(".")[0] == _OURS and "__main__" not in module
    if ours and module not in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    found: object = sys.modules.get(module)
    for part in inner.split("."):
        if found is None:
            return None
        names = cast("dict[str, object]", vars(found))
        found = names.get(part)
    return found


def _constructed(kind: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return kind(*args, **kwargs)
    except Exception as error:
        raise FileFormatError(
            explain(
                f"{kind.__name__} cannot be made with the arguments that were recorded.",
                where=f"{kind.__module__}.{kind.__qualname__}",
                expected="a constructor that takes what it took when the model was saved",
                received=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
                remedy="Make the model yourself and call load_weights on it.",
            )
        ) from error


def _dtype(name: str) -> Any:
    if name.startswith("key<") and name[4:-1] in KEYS:
        return key_dtype(name[4:-1])
    return np.dtype(getattr(ml_dtypes, name, name))


def _damaged(error: Exception) -> FileFormatError:
    return FileFormatError(
        explain(
            "The description of the model in the file is damaged.",
            expected="the JSON that Lamina writes",
            received=f"{type(error).__name__}: {error}",
            remedy="Make the model yourself and call load_weights on it.",
        )
    )


def _raise_not_there(name: str, wanted: str, found: Any) -> NoReturn:
    module, _, inner = name.partition(":")
    short = inner.rpartition(".")[2]
    received = f"{found!r}, which is not" if found is not None else "nothing of that name"
    if found is None and module not in sys.modules:
        received = f"the module {module!r}, which is not imported; a file may not import it"
    raise FileFormatError(
        explain(
            f"The file names {inner!r} of {module!r}, and it is not there.",
            expected=wanted,
            received=received,
            remedy=f"Import the module that defines it first, or pass "
            f"custom_objects={{{short!r}: {short}}}.",
        )
    )
