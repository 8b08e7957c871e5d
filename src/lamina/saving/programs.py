"""Programs of exported models: traced, written as text, and read from text that is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.core.specs import Spec, map_specs
from lamina.core.tracing import parsed_program, program_text, with_program
from lamina.lazy import lazily
from lamina.saving.program_operations import check_operations
from lamina.saving.program_text import check_text

if TYPE_CHECKING:
    from jax import export as exporting
else:
    exporting = lazily("jax.export")

__all__ = ["has_specs", "read_program", "traced_program"]

_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)
_EXPRESSION = re.compile(r"(?:[A-Za-z]\w*(?:\^\d{1,2})?|\d{1,18}|[-+*(), ])++", re.ASCII)
_LONGEST = 200
_MOST_CHARACTERS = 100_000
_MOST_ARRAYS = 10_000


def traced_program(
    run: Callable[..., Any],
    weights: Sequence[Any],
    inputs: Mapping[str, Any],
    platforms: Sequence[str] | None,
) -> tuple[str, Any, tuple[str, ...]]:
    """The program of a pure function as text, the specs of its outputs, and its platforms.

    Args:
        run: takes a list of weights and a dict of inputs.
        weights: arrays, or what else has a shape and a dtype.
        inputs: specs by name; dims that are None, or names, stay open.
        platforms: that the program is to run on; the one at hand if None.

    Raises:
        ValueError: the program does what no exported one may do.
    """
    _check_dims(inputs)
    made = _exported(run, weights, _symbolic(inputs, exporting.SymbolicScope()), platforms)
    shapes = [[d if isinstance(d, int) else str(d) for d in aval.shape] for aval in made.out_avals]
    kinds = [aval.dtype for aval in made.out_avals]
    outputs = made.out_tree.unflatten(map(Spec, shapes, kinds))
    return program_text(made), outputs, made.platforms


def read_program(
    text: str,
    weights: Sequence[Any],
    inputs: Mapping[str, Any],
    outputs: Any,
    platforms: Sequence[str],
) -> Any:
    """The program of a text as a `jax.export.Exported`; nothing of it is compiled or run.

    Only its operations come from the text. All else is made here, by exporting a function of the
    same signature, which the program's has to equal.

    Args:
        text: as `traced_program` gave it.
        weights: arrays, or what else has a shape and a dtype.
        inputs: specs by name, and static values.
        outputs: specs; a dim may be an expression of the inputs' dims, such as ``"2*time + 1"``.
        platforms: that the program was written for.

    Raises:
        ValueError: the program does what no exported one may do, or has another signature.
    """
    _check_dims(inputs)
    _check_dims(outputs, expressions=True)
    check_text(text)
    module = parsed_program(text)
    check_operations(module)
    scope: Any = exporting.SymbolicScope()

    def stand_in(*_: Any) -> Any:
        return map_specs(lambda spec: jnp.zeros(_shape(spec.shape, scope), spec.dtype), outputs)

    made = _exported(stand_in, weights, _symbolic(inputs, scope), platforms)
    expected, received = _signature(parsed_program(made)), _signature(module)
    if expected != received:
        raise ValueError(f"the program is {received}, and its description {expected}")
    return with_program(made, module)


def has_specs(value: Any) -> bool:
    """Whether a tree has a spec."""
    return bool(_specs_in(value))


def _exported(
    run: Callable[..., Any], weights: Sequence[Any], inputs: Any, platforms: Sequence[str] | None
) -> Any:
    def program(values: list[Any], arrays: dict[str, Any]) -> Any:
        return run(values, arrays)

    given = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in weights]
    compiled = jax.jit(program, keep_unused=True)
    return exporting.export(compiled, platforms=platforms)(given, inputs)


def _symbolic(inputs: Mapping[str, Any], scope: Any) -> dict[str, Any]:
    """The arrays among the inputs as JAX has their specs; open dims are symbols of a scope."""
    others = iter(range(_MOST_ARRAYS * 32))

    def dim(axis: int, given: Any) -> Any:
        if given is None:
            return "batch" if axis == 0 else f"open_{next(others)}"
        return given

    def form(spec: Spec) -> Any:
        dims = [dim(axis, given) for axis, given in enumerate(spec.shape)]
        return jax.ShapeDtypeStruct(_shape(dims, scope), spec.dtype)

    return {name: map_specs(form, value) for name, value in inputs.items() if has_specs(value)}


def _shape(dims: Sequence[Any], scope: Any) -> Any:
    return exporting.symbolic_shape(f"({''.join(f'{dim},' for dim in dims)})", scope=scope)


def _specs_in(value: Any) -> list[Spec]:
    found: list[Spec] = []
    map_specs(found.append, value)
    return found


def _check_dims(value: Any, *, expressions: bool = False) -> None:
    """Bound the arrays and what is open in them: JAX's parser of dims has no bounds.

    Raises:
        ValueError: there are too many, or a dim has another form.
    """
    specs = _specs_in(value)
    texts = [dim for spec in specs for dim in spec.shape if isinstance(dim, str)]
    form = _EXPRESSION if expressions else _NAME
    for text in texts:
        if len(text) > _LONGEST or not form.fullmatch(text):
            raise ValueError(f"a dim of an array is {text[:60]!r}")
    if len(specs) > _MOST_ARRAYS or sum(map(len, texts)) > _MOST_CHARACTERS:
        raise ValueError(f"{len(specs):,} arrays go in or out, or their dims are too long")
    if expressions and any(None in spec.shape or _is_key(spec.dtype) for spec in specs):
        raise ValueError("an output has a dim that is not known, or is an array of random keys")


def _is_key(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.extended)


def _signature(module: Any) -> str:
    """The inputs and outputs of a program, and for how many devices it is."""
    attributes = module.operation.attributes
    devices = [str(attributes[f"mhlo.num_{kind}"]) for kind in ("partitions", "replicas")]
    for function in module.body.operations:
        if function.attributes["sym_name"].value == "main":
            return f"{function.attributes['function_type']} on {' x '.join(devices)}"
    raise ValueError("the program has no function main")
