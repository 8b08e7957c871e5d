"""Symbolic values: arrays that are not there yet, of which a graph of layers is made."""

from __future__ import annotations

import itertools
import operator
from typing import Any, cast

import jax

from lamina.core.base.pytrees import flatten, map_tree, unflatten
from lamina.core.base.sites import site
from lamina.core.building.transaction import outputs_of
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.core.tree.node import Symbolic, Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer

__all__ = ["Applied", "Input", "Operation", "Symbol"]

_numbers = itertools.count()


class Applied:
    """One call of a layer on symbolic values, the outputs of which are symbols, too."""

    def __init__(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.number = next(_numbers)
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.at = site()


class Symbol(Symbolic):
    """What stands for an array while a graph of layers is put together.

    Layers may be called on it, and Python's operators and indices serve; functions of
    `jax.numpy` do not, but for them ``layers.Lambda(function)`` is a layer.

    >>> x = Input((3,))
    >>> (x * 2 + 1)[:, 0]
    <Symbol of shape (None,), float32>
    """

    def __init__(
        self, spec: Spec, applied: Applied | None = None, index: int = 0, name: str | None = None
    ) -> None:
        self.spec = spec
        self.applied = applied
        self.index = index
        self.name = name

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.spec.shape

    @property
    def dtype(self) -> Any:
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        return self.spec.ndim

    def apply(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a layer gives for arguments with symbols among them."""
        specs = map_tree(_spec, (args, kwargs))
        given = {name: value for name, value in specs[1].items() if name != "training"}
        outputs = outputs_of(layer, Arguments(specs[0], given), bool(kwargs.get("training")))
        applied = Applied(layer, args, kwargs)
        leaves, structure = flatten(outputs)
        made = unflatten(
            structure,
            [
                Symbol(leaf, applied, index) if isinstance(leaf, Spec) else leaf
                for index, leaf in enumerate(leaves)
            ],
        )
        inputs = args if args else tuple(kwargs.values())
        layer._lamina.applied.append((inputs[0] if len(inputs) == 1 else list(inputs), made))
        return made

    def __repr__(self) -> str:
        return f"<Symbol of shape {self.shape}, {self.dtype}>"

    def __getitem__(self, index: Any) -> Any:
        return Operation("getitem", _written(index))(self)

    def __len__(self) -> int:
        raise TypeError(_no_array("len()"))

    def __iter__(self) -> Any:
        raise TypeError(_no_array("a loop over it"))

    def __bool__(self) -> bool:
        raise TypeError(_no_array("if, and, or"))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(_no_array("a function of NumPy"))

    __array_ufunc__ = None  # NumPy leaves arithmetic with a symbol to the symbol


def _no_array(use: str) -> str:
    return explain(
        "A symbolic value is no array.",
        expected="layers, operators such as + and @, and indices",
        received=use,
        remedy="Wrap the function in a layer: layers.Lambda(function)(x).",
    )


def _spec(leaf: Any) -> Any:
    return leaf.spec if isinstance(leaf, Symbol) else as_specs(leaf)


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_COMPARED = ("lt", "le", "gt", "ge")
_LOGICAL = ("and_", "or_", "xor")
_UNARY = ("neg", "pos", "abs", "invert")
_OPERATORS = (*_BINARY, *_COMPARED, *_LOGICAL, *_UNARY)


class Operation(Layer):
    """One of Python's operators as a layer: ``operator.<name>(*inputs)``.

    Args:
        function: the operator's name in the module `operator`, or `"getitem"`.
        index: what `getitem` takes.
        swapped: whether the two inputs come the other way round.

    Raises:
        InputError: there is no such operator, or the inputs are no arrays and numbers.

    >>> import jax.numpy as jnp
    >>> Operation("sub", swapped=True)(jnp.ones(2), 3.0).tolist()
    [2.0, 2.0]
    """

    def __init__(self, function: str, index: Any = None, swapped: bool = False) -> None:
        if function != "getitem" and function not in _OPERATORS:
            raise InputError(
                explain(
                    "That is not an operator on arrays.",
                    expected=f"getitem, {', '.join(_OPERATORS)}",
                    received=repr(function),
                    remedy="Give one of those.",
                )
            )
        super().__init__(name=function)
        self.function, self.index, self.swapped = function, index, swapped

    def call(self, *inputs: Any) -> Any:
        if not _are_operands(inputs):
            raise InputError(
                explain(
                    f"The operator {self.function!r} works on arrays.",
                    expected="one array or more, and numbers",
                    received=", ".join(type(one).__name__ for one in inputs) or "nothing",
                    remedy="Give an array.",
                )
            )
        if self.function == "getitem":
            return inputs[0][_read(self.index)]
        operands = inputs[::-1] if self.swapped else inputs
        return getattr(operator, self.function)(*operands)


def _are_operands(inputs: tuple[Any, ...]) -> bool:
    """Whether they are arrays and numbers, and one is an array of JAX's or a variable."""
    arrays = [hasattr(one, "shape") and hasattr(one, "dtype") for one in inputs]
    numbers = [isinstance(one, bool | int | float | complex) for one in inputs]
    pairs = zip(arrays, numbers, strict=True)
    return all(array or number for array, number in pairs) and any(
        isinstance(one, jax.Array | Variable) for one in inputs
    )


def _add_operators() -> None:
    def method(name: str, swapped: bool = False) -> Any:
        def operate(self: Symbol, *other: Any) -> Any:
            return Operation(name, swapped=swapped)(self, *other)

        return operate

    for name in (*_BINARY, *_COMPARED, *_LOGICAL, *_UNARY):
        plain = name.rstrip("_")
        setattr(Symbol, f"__{plain}__", method(name))
        if name in (*_BINARY, *_LOGICAL):
            setattr(Symbol, f"__r{plain}__", method(name, swapped=True))


_add_operators()


def _written(index: Any) -> Any:
    """An index as plain data, which a file can hold."""
    if isinstance(index, tuple):
        return ("tuple", *(_written(part) for part in cast("tuple[Any, ...]", index)))
    if isinstance(index, slice):
        return ("slice", index.start, index.stop, index.step)
    return "..." if index is Ellipsis else index


def _read(index: Any) -> Any:
    if isinstance(index, tuple):
        kind, *parts = cast("tuple[Any, ...]", index)
        return tuple(map(_read, parts)) if kind == "tuple" else slice(*parts)
    return Ellipsis if isinstance(index, str) else index


def Input(  # noqa: N802 - Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = "float32",
    name: str | None = None,
    *,
    batch_shape: Any = None,
) -> Symbol:
    """A symbolic input of a graph of layers.

    Args:
        shape: without the batch's axis; dims may be None or named.
        batch_size: the size of the batch's axis, if it is known.
        dtype: of the array.
        name: by which a dict of inputs is taken apart.
        batch_shape: the whole shape, instead of `shape` and `batch_size`.

    Raises:
        InputError: neither shape is given, or both.

    >>> Input((28, 28, 1))
    <Symbol of shape (None, 28, 28, 1), float32>
    """
    if (shape is None) == (batch_shape is None):
        raise InputError(
            explain(
                "An Input has one shape.",
                expected="shape=, without the batch's axis, or batch_shape=, with it",
                received="neither" if shape is None else "both",
                remedy="Write Input((28, 28, 1)).",
            )
        )
    whole = batch_shape
    if whole is None:
        whole = (batch_size, *Spec(shape).shape)
    return Symbol(Spec(tuple(whole), dtype), name=name)
