"""Exporting a model: a program in StableHLO and its weights, in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.core.alone import Seen, alone
from lamina.core.lock import LOCK
from lamina.core.node import Tracked
from lamina.core.signature import method_of
from lamina.core.specs import Arguments, Spec, map_specs
from lamina.core.tracing import in_fresh_context
from lamina.core.tracking import walk
from lamina.errors import BuildError, InputError, LaminaError, explain
from lamina.lazy import lazily
from lamina.saving.files import storable, write
from lamina.saving.recording import Recorder, UnrecordableError

if TYPE_CHECKING:
    from jax import export as exporting
else:
    exporting = lazily("jax.export")

__all__ = ["FORMAT", "PROGRAM", "VERSION", "WEIGHTS", "export", "needing_flatbuffers"]

FORMAT = "lamina_exported"
VERSION = 1
PROGRAM = "program"
WEIGHTS = "weights/"


def export(
    layer: Tracked,
    path: str | os.PathLike[str],
    specs: Arguments | None = None,
    platforms: Sequence[str] | None = None,
) -> None:
    """Write what `call` computes in inference, as StableHLO, and the weights beside it.

    Args:
        layer: the root, built.
        path: of the file; one that is there is replaced.
        specs: of the inputs. A dim that is None or a name stays open: None on the first axis is
            the batch, the same in all inputs, and a name is the same wherever it stands. Without
            specs, those the layer was built for, with the batch open.
        platforms: that the program is to run on, such as ``("cpu", "cuda", "tpu")``; the one
            at hand if None.

    Raises:
        BuildError: the layer is not built.
        InputError: the program depends on a size that is left open, or an output is of a kind
            that no file can hold.
        LaminaError: flatbuffers is not installed.
        OSError: the file cannot be written; the old one is as it was.
    """
    built = layer._lamina.built
    if built is None:
        raise BuildError(_not_built(layer))
    wanted = _batch_open(built.entries.get("call", built.inputs)) if specs is None else specs
    with LOCK, needing_flatbuffers():
        tree = walk(layer)
        names = [name for name, _ in tree.variables.values()]
        stored = [np.asarray(variable.stored()) for _, variable in tree.variables.values()]
        program = _program(layer, stored, wanted, platforms)
    kept = [storable(array) for array in stored]
    arrays = {WEIGHTS + name: array for name, (array, _) in zip(names, kept, strict=True)}
    dtypes = {
        WEIGHTS + name: kind
        for name, (_, kind) in zip(names, kept, strict=True)
        if kind is not None
    }
    content = {
        "version": VERSION,
        "model": type(layer).__name__,
        "inputs": _recorded(_by_name(layer, wanted)),
        "weights": names,
        "dtypes": dtypes,
        "sha256": hashlib.sha256(program).hexdigest(),
        "jax": jax.__version__,
    }
    arrays[PROGRAM] = np.frombuffer(program, np.uint8)
    write(path, arrays, {FORMAT: json.dumps(content, sort_keys=True, allow_nan=False)})


def _batch_open(given: Arguments) -> Arguments:
    """The specs with an open batch, where all inputs have the same first size."""
    sizes = {spec.shape[0] for spec in given.leaves() if spec.ndim}
    if len(sizes - {None}) > 1:
        return given
    return given.map(lambda s: Spec(("batch", *s.shape[1:]), s.dtype) if s.ndim else s)


def _program(
    layer: Tracked,
    weights: list[np.ndarray],
    specs: Arguments,
    platforms: Sequence[str] | None,
) -> bytes:
    tree, places = walk(layer), _places(layer, specs)
    inputs = _by_name(layer, specs)
    seen = Seen(layer, False, None, None, False)
    static = {name: value for name, value in inputs.items() if not _has_spec(value)}

    def run(values: list[Any], arrays: dict[str, Any]) -> Any:
        given = static | arrays
        args = tuple(given[name] for name, place in places.items() if isinstance(place, int))
        kwargs = {place: given[name] for name, place in places.items() if isinstance(place, str)}
        return in_fresh_context(lambda: alone(tree, seen, values, args, kwargs))

    run.__name__ = type(layer).__name__
    avals = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in weights]
    arrays = {name: value for name, value in inputs.items() if name not in static}
    try:
        exported = exporting.export(jax.jit(run), platforms=platforms)(avals, _symbolic(arrays))
    except Exception as error:
        if "Inconclusive" not in type(error).__name__ and "symbolic" not in str(error).lower():
            raise
        raise InputError(_depends(layer, specs, error)) from error
    try:
        return bytes(exported.serialize())
    except ValueError as error:
        raise InputError(_no_tree(layer, error)) from error


def _by_name(layer: Tracked, specs: Arguments) -> dict[str, Any]:
    return method_of(type(layer), "call").bind(specs.args, specs.kwargs)


def _places(layer: Tracked, specs: Arguments) -> dict[str, int | str]:
    """Of each input by name: its position among the arguments, or the name it is given by."""
    keys = {key: key for key in specs.kwargs}
    return method_of(type(layer), "call").bind(tuple(range(len(specs.args))), keys)


def _has_spec(value: Any) -> bool:
    found: list[Spec] = []
    map_specs(found.append, value)
    return bool(found)


def _symbolic(inputs: dict[str, Any]) -> dict[str, Any]:
    """Specs as JAX has them; open sizes become symbols of one scope."""
    scope: Any = exporting.SymbolicScope()
    others = iter(range(10_000))

    def symbol(axis: int, dim: Any) -> str:
        if dim is None:
            return "batch" if axis == 0 else f"open_{next(others)}"
        return str(dim)

    def form(spec: Spec) -> Any:
        dims = [symbol(axis, dim) for axis, dim in enumerate(spec.shape)]
        text = f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"
        return jax.ShapeDtypeStruct(exporting.symbolic_shape(text, scope=scope), spec.dtype)

    return {name: map_specs(form, value) for name, value in inputs.items()}


def _recorded(inputs: Mapping[str, Any]) -> Any:
    try:
        return Recorder().arguments(Arguments((), dict(inputs)), "the inputs")
    except UnrecordableError as error:
        raise InputError(str(error)) from error


@contextmanager
def needing_flatbuffers() -> Generator[None]:
    """Say what to install where JAX lacks what it writes and reads programs with.

    Raises:
        LaminaError: flatbuffers is not installed.
    """
    try:
        yield
    except ImportError as error:
        if "flatbuffers" not in str(error):
            raise
        raise LaminaError(
            explain(
                "Exported programs need a package that is not installed.",
                expected="flatbuffers, which JAX writes and reads them with",
                received="no flatbuffers",
                remedy="pip install 'lamina[export]'",
            )
        ) from error


def _not_built(layer: Tracked) -> str:
    return explain(
        f"{type(layer).__name__} is not built: there is nothing to export.",
        where=f"made at {layer._lamina.made_at}",
        expected="a built layer",
        received="one that was never called",
        remedy="Call it once, build(...) it or load_weights, and export it then.",
    )


def _depends(layer: Tracked, specs: Arguments, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} cannot be exported for sizes that are left open: what it "
        "computes depends on one.",
        where=f"made at {layer._lamina.made_at}",
        expected="arithmetic that is the same for every size",
        received=f"{str(error).partition(chr(10))[0]} (inputs {specs})",
        remedy="Give the sizes: model.export(path, (32, 8)), for example.",
    )


def _no_tree(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} gives outputs in a container that no file can hold.",
        where=f"made at {layer._lamina.made_at}",
        expected="arrays, and tuples, lists and dicts of them",
        received=str(error).partition("\n")[0],
        remedy="Let call return a dict.",
    )
