"""Programs of exported models: tracing, writing as text, and reading checked text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp

from lamina.core.specs.spec import Spec, map_specs
from lamina.lazy import lazily
from lamina.saving.program_operations import check_operations
from lamina.saving.program_text import check_text

if TYPE_CHECKING:
    from jax import export as exporting

    from lamina.core.base import mlir
else:
    exporting, mlir = lazily("jax.export"), lazily("lamina.core.base.mlir")

__all__ = [
    "Traced",
    "has_specs",
    "is_inconclusive",
    "named_dims",
    "read_program",
    "traced_program",
]

_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)
_EXPRESSION = re.compile(r"(?:[A-Za-z]\w*(?:\^\d{1,2})?|\d{1,18}|[-+*(), ])++", re.ASCII)
_MOST_LEAST = 256
_LONGEST = 200
_MOST_CHARACTERS = 100_000
_MOST_ARRAYS = 10_000


@dataclass(frozen=True)
class Traced:
    """A program as text, and its signature.

    Attributes:
        text: the program.
        outputs: the specs of the outputs; a dimension may be an expression of those of the inputs.
        platforms: the platforms that the program runs on.
        least: the smallest sizes of symbolic dimensions, by name, where they are not 1.
    """

    text: str
    outputs: Any
    platforms: tuple[str, ...]
    least: dict[str, int]


def traced_program(
    run: Callable[..., Any],
    weights: Sequence[Any],
    inputs: Mapping[str, Any],
    platforms: Sequence[str] | None,
) -> Traced:
    """Trace a pure function.

    If the operations depend on a size, as those of a convolution whose input must not be smaller
    than its kernel, the program is traced for sizes from the smallest possible one.

    Args:
        run: a function of a list of weights and a dict of inputs.
        weights: arrays, or other objects with a shape and a dtype.
        inputs: specs by name; dimensions that are None or a name accept any size.
        platforms: the platforms that the program is to run on; None for the current one.

    Returns:
        The program.

    Raises:
        ValueError: a dimension has an invalid name, or there are too many.
    """
    _check_dims(inputs)

    def trace(least: dict[str, int]) -> Any:
        return _exported(run, weights, _symbolic(inputs, _scope(least)), platforms)

    least, made = _smallest(trace, sorted(_bounded(inputs)))
    shapes = [[d if isinstance(d, int) else str(d) for d in aval.shape] for aval in made.out_avals]
    kinds = [aval.dtype for aval in made.out_avals]
    outputs = made.out_tree.unflatten(map(Spec, shapes, kinds))
    return Traced(mlir.program_text(made), outputs, made.platforms, least)


def _smallest(
    trace: Callable[[dict[str, int]], Any], dims: Sequence[str]
) -> tuple[dict[str, int], Any]:
    """The smallest sizes of dimensions for which a program can be traced, and the program.

    Raises:
        Exception: the first error of tracing, if it fails for all sizes.
    """
    first: Exception | None = None

    def attempt(least: dict[str, int]) -> Any:
        nonlocal first
        try:
            return trace({name: size for name, size in least.items() if size > 1})
        except Exception as error:
            if not is_inconclusive(error):
                raise
            first = first or error
            return None

    failed, size = 0, 1
    while (made := attempt(dict.fromkeys(dims, size))) is None:
        if size >= _MOST_LEAST or not dims:
            raise cast(Exception, first)
        failed, size = size, 2 * size
    while size - failed > 1:
        middle = (failed + size) // 2
        found = attempt(dict.fromkeys(dims, middle))
        made, size, failed = (found, middle, failed) if found else (made, size, middle)
    least = dict.fromkeys(dims, size)
    for name in dims if size > 1 and len(dims) > 1 else ():
        found = attempt(least | {name: 1})
        made, least = (found, least | {name: 1}) if found else (made, least)
    return {name: size for name, size in least.items() if size > 1}, made


def is_inconclusive(error: Exception) -> bool:
    """Check whether an error of JAX means that a program depends on a symbolic size.

    Args:
        error: an error of tracing.

    Returns:
        Whether it does.
    """
    return "Inconclusive" in type(error).__name__


def read_program(traced: Traced, weights: Sequence[Any], inputs: Mapping[str, Any]) -> Any:
    """Read a program as a `jax.export.Exported`, without compiling or running it.

    Only the operations are read from the text. Everything else is made by exporting a function of
    the same signature, to which the program's signature must be equal.

    Args:
        traced: the program, from :func:`traced_program` or from a file.
        weights: arrays, or other objects with a shape and a dtype.
        inputs: specs by name, and static values.

    Returns:
        The exported program.

    Raises:
        ValueError: the program has a form or an operation that is not allowed, or another
            signature.
    """
    _check_dims(inputs)
    _check_dims(traced.outputs, expressions=True)
    for name, size in traced.least.items():
        if name not in _bounded(inputs) or size not in range(2, _MOST_LEAST + 1):
            raise ValueError(f"the smallest size of {name[:60]!r} is {size}")
    check_text(traced.text)
    module = mlir.parsed_program(traced.text)
    check_operations(module)
    scope = _scope(traced.least)

    def stand_in(*_: Any) -> Any:
        return map_specs(
            lambda spec: jnp.zeros(_shape(spec.shape, scope), spec.dtype), traced.outputs
        )

    made = _exported(stand_in, weights, _symbolic(inputs, scope), traced.platforms)
    expected, received = _signature(mlir.parsed_program(made)), _signature(module)
    if expected != received:
        raise ValueError(f"the program is {received}, and its description {expected}")
    return mlir.with_program(made, module)


def named_dims(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Select the specs among inputs, and name their unknown dimensions.

    Args:
        inputs: specs by name, and static values.

    Returns:
        The specs by name; the unknown first dimension is ``"batch"``.
    """
    others = itertools.count()

    def name(axis: int, dim: Any) -> Any:
        if dim is not None:
            return dim
        return "batch" if axis == 0 else f"open_{next(others)}"

    def form(spec: Spec) -> Spec:
        return Spec([name(axis, dim) for axis, dim in enumerate(spec.shape)], spec.dtype)

    return {key: map_specs(form, value) for key, value in inputs.items() if has_specs(value)}


def has_specs(value: Any) -> bool:
    """Check whether a container has a spec in it.

    Args:
        value: nested containers.

    Returns:
        Whether it has.
    """
    return bool(_specs_in(value))


def _exported(
    run: Callable[..., Any], weights: Sequence[Any], inputs: Any, platforms: Sequence[str] | None
) -> Any:
    def program(values: list[Any], arrays: dict[str, Any]) -> Any:
        return run(values, arrays)

    given = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in weights]
    compiled = jax.jit(program, keep_unused=True)
    return exporting.export(compiled, platforms=platforms)(given, inputs)


def _bounded(inputs: Mapping[str, Any]) -> set[str]:
    """The symbolic dimensions that may have a smallest size: those that are never the first."""
    specs = _specs_in(named_dims(inputs))
    later = {dim for spec in specs for dim in spec.shape[1:] if isinstance(dim, str)}
    return later - {cast(str, spec.shape[0]) for spec in specs if spec.shape}


def _scope(least: Mapping[str, int]) -> Any:
    return exporting.SymbolicScope([f"{name} >= {size}" for name, size in least.items()])


def _symbolic(inputs: Mapping[str, Any], scope: Any) -> dict[str, Any]:
    """The specs among the inputs as JAX's, with symbols of a scope as unknown dimensions."""

    def form(spec: Spec) -> Any:
        return jax.ShapeDtypeStruct(_shape(spec.shape, scope), spec.dtype)

    return map_specs(form, named_dims(inputs))


def _shape(dims: Sequence[Any], scope: Any) -> Any:
    return exporting.symbolic_shape(f"({''.join(f'{dim},' for dim in dims)})", scope=scope)


def _specs_in(value: Any) -> list[Spec]:
    found: list[Spec] = []
    map_specs(found.append, value)
    return found


def _check_dims(value: Any, *, expressions: bool = False) -> None:
    """Limit the number of arrays and the text of dimensions, for which JAX's parser has no limit.

    Raises:
        ValueError: there are too many, or a dimension has another form.
    """
    specs = _specs_in(value)
    texts = [dim for spec in specs for dim in spec.shape if isinstance(dim, str)]
    form = _EXPRESSION if expressions else _NAME
    for text in texts:
        if len(text) > _LONGEST or not form.fullmatch(text):
            raise ValueError(f"a dimension of an array is {text[:60]!r}")
    if len(specs) > _MOST_ARRAYS or sum(map(len, texts)) > _MOST_CHARACTERS:
        raise ValueError(f"there are {len(specs):,} inputs and outputs, or too long dimensions")
    if expressions and any(None in spec.shape or _is_key(spec.dtype) for spec in specs):
        raise ValueError("an output has an unknown dimension, or is an array of random keys")


def _is_key(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.extended)


def _signature(module: Any) -> str:
    """The types of inputs and outputs of a program, and its number of devices."""
    attributes = module.operation.attributes
    devices = [str(attributes[f"mhlo.num_{kind}"]) for kind in ("partitions", "replicas")]
    for function in module.body.operations:
        if function.attributes["sym_name"].value == "main":
            return f"{function.attributes['function_type']} on {' x '.join(devices)}"
    raise ValueError("the program has no function main")
