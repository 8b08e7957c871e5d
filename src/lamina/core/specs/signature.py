"""Signatures of the methods of layers, and binding of inputs and shapes to their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax

from lamina.core.base.pytrees import flatten
from lamina.core.base.sites import site
from lamina.core.specs.spec import Arguments, as_specs
from lamina.errors import InputError, MissingMethodError, explain, nearest

__all__ = [
    "Method",
    "either_mode",
    "given_specs",
    "key_of",
    "method_of",
    "missing_call",
]

RESERVED = ("rng", "method", "seed")

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Method:
    """The signature of one method of a layer class.

    Attributes:
        label: class and method, for errors.
        signature: the signature without `self` and `training`.
        inputs: the names of the parameters.
        training_at: position of the parameter `training`; None if there is none.
        training_default: default of `training`.
        counts: the valid numbers of positional arguments in a call without keyword arguments;
            empty if the method has other kinds of parameters.
        reads_training: whether weights and inner calls may depend on `training`.
    """

    label: str
    signature: inspect.Signature
    inputs: tuple[str, ...]
    training_at: int | None
    training_default: bool
    counts: range = range(0)
    reads_training: bool = False

    def split_training(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], bool | None]:
        """Remove `training` from the arguments, and return the rest and its value, or None."""
        at = self.training_at
        if at is None or len(args) <= at:
            return args, kwargs.pop("training", None)
        return (*args[:at], *args[at + 1 :]), args[at]

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs by name, in the order of the signature, without those left out.

        Raises:
            InputError: the arguments do not match the signature.
        """
        if not kwargs and len(args) in self.counts:
            return dict(zip(self.inputs, args, strict=False))
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InputError(
                explain(
                    f"{self.label} does not take these inputs: {error}.",
                    where=f"called at {site()}",
                    expected=f"({', '.join(map(_parameter, self.signature.parameters.values()))})",
                    received=_received(args, kwargs),
                    remedy=_remedy(kwargs, self.inputs),
                )
            ) from None
        found: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                found |= {f"{name}_{index}": item for index, item in enumerate(value)}
            elif kind is inspect.Parameter.VAR_KEYWORD:
                found |= value
            else:
                found[name] = value
        return found


def _parameter(parameter: inspect.Parameter) -> str:
    return str(parameter.replace(annotation=inspect.Parameter.empty))


def _remedy(kwargs: Iterable[str], inputs: tuple[str, ...]) -> str:
    unknown = [name for name in kwargs if name not in inputs]
    meant = nearest(unknown[0], inputs) if unknown and inputs else ""
    return f"{meant} Pass each input once, by position or by name.".lstrip()


def _received(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"({Arguments(as_specs(args), as_specs(kwargs))})"


_methods: dict[Any, Method] = {}


_FUNCTION = Method(
    "function",
    inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.VAR_POSITIONAL)]),
    (),
    None,
    False,
)


def method_of(kind: type, name: str | Callable[..., Any]) -> Method:
    """Return the signature of a method of a layer class, from a cache.

    Args:
        kind: the class.
        name: name of the method; or a function that calls the layer, such as a loss.

    Raises:
        MissingMethodError: the class has no such method.
        InputError: an input has a reserved name.
    """
    if callable(name):
        return _FUNCTION
    function = getattr(kind, name, None) if isinstance(name, str) else None  # pyright: ignore
    found = _methods.get((kind, function))
    if found is None:
        if not callable(function) or (name == "call" and getattr(function, "missing", False)):
            raise _missing(kind, name)
        found = _methods[kind, function] = _read(kind, name, function)
    return found


def _missing(kind: type, name: str) -> MissingMethodError:
    return MissingMethodError(
        explain(
            f"{kind.__name__} has no method {name!r}.",
            where=f"called at {site()}",
            expected="the name of a method that computes outputs",
            received=repr(name),
            remedy=f"Define the method in {kind.__name__}, or pass the name of another.",
        )
    )


def missing_call(layer: object, *args: Any, **kwargs: Any) -> Any:
    """The `call` of the base class, which computes nothing.

    Raises:
        MissingMethodError: always.
    """
    raise _missing(type(layer), "call")


missing_call.missing = True  # type: ignore[attr-defined]


def _read(kind: type, name: str, function: Any) -> Method:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    names = [parameter.name for parameter in parameters]
    for reserved in RESERVED:
        if reserved in names:
            raise InputError(
                explain(
                    f"{kind.__name__}.{name} has an input named {reserved!r}.",
                    where=f"called at {site()}",
                    expected=f"names other than the reserved ones: {', '.join(RESERVED)}",
                    received=f"{name}({', '.join(names)})",
                    remedy="Rename the input; in call, self.rng() returns a random key.",
                )
            )
    at = names.index("training") if "training" in names else None
    default = parameters[at].default if at is not None else False
    rest = [parameter for parameter in parameters if parameter.name != "training"]
    usual = all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in rest)
    required = sum(parameter.default is parameter.empty for parameter in rest)
    return Method(
        label=f"{kind.__name__}.{name}",
        signature=inspect.Signature(rest),
        inputs=tuple(parameter.name for parameter in rest),
        training_at=at,
        training_default=default is True,
        counts=range(required, len(rest) + 1) if usual else range(0),
        reads_training=at is not None
        and not (getattr(function, "either_mode", False) and kind.__module__.startswith("lamina.")),
    )


def either_mode(function: _F) -> _F:
    """Mark a method whose weights, inner calls and errors are the same in both training modes.

    It is then planned in one mode only. The mark is ignored in classes outside of Lamina, whose
    other methods may depend on the mode.
    """
    function.either_mode = True  # type: ignore[attr-defined]
    return function


def key_of(method: Any, training: bool, args: Any, kwargs: Any) -> Any:
    """Return the hashable key of a call: method, mode, shapes, dtypes and static values."""
    leaves, structure = flatten((args, kwargs))
    parts: list[Any] = []
    for leaf in leaves:
        if isinstance(leaf, jax.Array):
            parts.append((leaf.shape, leaf.dtype))
        else:
            try:
                hash(leaf)
                parts.append((type(leaf), leaf))
            except TypeError:
                parts.append((type(leaf), id(leaf)))
    return (method, training, structure, tuple(parts))


def given_specs(method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """Convert the arguments of `build` and `plan` (shapes, specs, arrays) to specs.

    Names as in Keras are accepted: ``input_shape=`` is the shape of the first input, and
    ``query_shape=`` that of the input ``query``.

    Raises:
        InputError: the arguments do not match the method.
    """
    named: dict[str, Any] = {}
    for name, value in kwargs.items():
        plain = name.removesuffix("_shape")
        if name in method.inputs or plain == name:
            named[name] = value
        elif plain in method.inputs:
            named[plain] = value
        elif plain == "input" and method.inputs:
            named[method.inputs[0]] = value
        else:
            named[name] = value
    specs = Arguments(
        tuple(as_specs(value, shapes=True) for value in args),
        {name: as_specs(value, shapes=True) for name, value in named.items()},
    )
    method.bind(specs.args, specs.kwargs)
    return specs
