"""Symbolic values: placeholders for arrays, from which a graph of layers is made."""

from __future__ import annotations

import itertools
import operator
from typing import Any, cast

import jax

from lamina.core.base.pytrees import flatten, leaves_of, map_tree, unflatten
from lamina.core.base.sites import site
from lamina.core.building.transaction import outputs_of
from lamina.core.running.masks import defines_mask, masks_by_inner_layers
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.core.tree.node import Symbolic, Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layer_state import InputsAndOutputs, LayerNode
from lamina.layers.bases.text import rearranged_text

__all__ = ["Operation", "Symbol", "SymbolicCall"]

_numbers = itertools.count()


class SymbolicCall:
    """One call of a layer on symbolic values. Its outputs are symbolic too.

    Attributes:
        number: the position among all symbolic calls of the process.
        layer: the layer that was called.
        args: the positional arguments.
        kwargs: the keyword arguments.
        at: the place of the call in the user's code.
    """

    def __init__(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.number = next(_numbers)
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.at = site()


class Symbol(Symbolic):
    """A placeholder for an array in a graph of layers.

    Layers can be called on it, and Python's operators and indexing work on it. Functions of
    `jax.numpy` do not; wrap them in ``layers.Lambda(function)``.

    Args:
        spec: the shape and dtype of the array.
        call: the call that the array is an output of. Default None: it is an `Input`.
        index: the position among the outputs of that call. Default 0.
        name: the name of an `Input`. Default None.
        optional: whether a call may have None in the place of an `Input`. Default False.
        masked: whether the array may have a mask. Default False.

    >>> from lamina import Input
    >>> x = Input((3,))
    >>> (x * 2 + 1)[:, 0]
    <Symbol of shape (None,), float32>
    """

    def __init__(
        self,
        spec: Spec,
        call: SymbolicCall | None = None,
        index: int = 0,
        name: str | None = None,
        optional: bool = False,
        masked: bool = False,
    ) -> None:
        self.spec = spec
        self.call = call
        self.index = index
        self.name = name
        self.optional = optional
        self.masked = masked

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape; a dimension is None, or a name, where its size is open."""
        return self.spec.shape

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.spec.ndim

    def apply(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a layer on arguments with symbolic values among them: its symbolic outputs."""
        specs = map_tree(_spec, (args, kwargs))
        named = {name: value for name, value in specs[1].items() if name != "training"}
        given = Arguments(specs[0], named)
        of_text = getattr(layer, "_lamina_text_outputs", None)
        outputs = None if of_text is None else of_text(*given.args, *given.kwargs.values())
        masked = any(one.masked for one in leaves_of((args, kwargs)) if isinstance(one, Symbol))
        if outputs is None:
            training = bool(kwargs.get("training"))
            outputs = _outputs_with_mask(layer, given, training) if masked else None
            outputs = outputs_of(layer, given, training) if outputs is None else outputs
        masked = defines_mask(layer) or (masked and cast(Any, layer).supports_masking)
        call = SymbolicCall(layer, args, kwargs)
        leaves, structure = flatten(outputs)
        made = unflatten(
            structure,
            [
                Symbol(leaf, call, index, masked=masked) if isinstance(leaf, Spec) else leaf
                for index, leaf in enumerate(leaves)
            ],
        )
        passed = args if args else tuple(kwargs.values())
        inputs = passed[0] if len(passed) == 1 else list(passed)
        cast(LayerNode, layer._lamina).symbolic_calls.append(InputsAndOutputs(inputs, made))
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
        "A symbolic value is not an array.",
        expected="layers, operators such as + and @, and indices",
        received=use,
        remedy="Wrap the function in a layer: layers.Lambda(function)(x).",
    )


def _outputs_with_mask(layer: Tracked, given: Arguments, training: bool) -> Any:
    """The specs of the outputs of a user's layer that may need the mask of its inputs.

    Returns:
        The specs; None if its `call` takes no mask, has one already, or fails with it.
    """
    if type(layer).__module__.startswith("lamina.") or len(given.args) != 1 or given.kwargs:
        return None
    if "mask" not in method_of(type(layer), "call").signature.parameters:
        return None
    mask = map_tree(lambda spec: Spec(spec.shape[:2], bool), given.args[0])
    try:
        return outputs_of(layer, Arguments(given.args, {"mask": mask}), training)
    except Exception:  # of the user's code; the call without a mask reports it
        return None


def _spec(leaf: Any) -> Any:
    return leaf.spec if isinstance(leaf, Symbol) else as_specs(leaf)


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_COMPARED = ("lt", "le", "gt", "ge", "ne")
_LOGICAL = ("and_", "or_", "xor")
_UNARY = ("neg", "pos", "abs", "invert")
_OPERATORS = (*_BINARY, *_COMPARED, *_LOGICAL, *_UNARY)


class Operation(Layer):
    """A Python operator as a layer: ``operator.<function>(*inputs)``.

    Args:
        function: the name of the operator in the module `operator`, or `"getitem"`.
        index: the index of `"getitem"`, as plain data: a tuple begins with `"tuple"`, a slice is
            ``("slice", start, stop, step)``, and Ellipsis is `"..."`. Default None.
        swapped: apply the operator to the two inputs in reverse order. Default False.

    Call arguments:
        inputs: one or two arrays or numbers, at least one of them an array.

    Raises:
        InputError: there is no such operator, or the inputs are not arrays and numbers.

    >>> import jax.numpy as jnp
    >>> Operation("sub", swapped=True)(jnp.ones(2), 3.0).tolist()
    [2.0, 2.0]
    """

    def __init__(self, function: str, index: Any = None, swapped: bool = False) -> None:
        if function != "getitem" and function not in _OPERATORS:
            raise InputError(
                explain(
                    "Operation got an unknown operator.",
                    expected=f"getitem, {', '.join(_OPERATORS)}",
                    received=repr(function),
                    remedy="Pass one of those.",
                )
            )
        super().__init__(name=function)
        self.function, self.index, self.swapped = function, index, swapped

    _lamina_text_outputs = rearranged_text

    def call(self, *inputs: Any) -> Any:
        if not _are_operands(inputs):
            raise InputError(
                explain(
                    f"The operator {self.function!r} works on arrays.",
                    expected="arrays and numbers, at least one of them an array",
                    received=", ".join(type(one).__name__ for one in inputs) or "nothing",
                    remedy="Pass an array.",
                )
            )
        if self.function == "getitem":
            return inputs[0][_read(self.index)]
        operands = inputs[::-1] if self.swapped else inputs
        return getattr(operator, self.function)(*operands)

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: as in Keras, operators do not pass masks on."""
        return None


def _are_operands(inputs: tuple[Any, ...]) -> bool:
    """Whether all are arrays or numbers, and at least one a JAX array or a variable."""
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
    """An index as plain data that a file can hold."""
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
