"""Exporting a model as a StableHLO program and its weights, in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from lamina.core.base.jax_internals import in_fresh_context
from lamina.core.base.lock import LOCK
from lamina.core.calling.repeated_call import ObservedCall, repeat_call
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import BuildError, FileFormatError, InputError, explain
from lamina.saving.build_inputs import decoded_inputs
from lamina.saving.encoding import Encoder, UnencodableError
from lamina.saving.files import storable, write
from lamina.saving.programs import (
    Traced,
    has_specs,
    is_inconclusive,
    read_program,
    traced_program,
)

__all__ = ["FORMAT", "PROGRAM", "VERSION", "WEIGHTS", "export"]

FORMAT = "lamina_exported"
VERSION = 2
PROGRAM = "program"
WEIGHTS = "weights/"


def export(
    layer: Tracked,
    path: str | os.PathLike[str],
    specs: Arguments | None = None,
    platforms: Sequence[str] | None = None,
    names: Sequence[str] = (),
) -> None:
    """Write the program of `call` in inference, as StableHLO, and the weights.

    Args:
        layer: the root, built.
        path: the path of the file; an existing file is replaced.
        specs: the specs of the inputs; None (default) for those of the build, with any batch size.
            A dimension that is None or a name accepts any size: None on the first axis is the
            batch size, equal in all inputs, and equal names are equal sizes.
        platforms: the platforms to export for, such as ``("cpu", "cuda", "tpu")``; None (default)
            for the current one.
        names: the names of the inputs if `call` takes ``*args``; empty by default.

    Raises:
        BuildError: the layer is not built.
        InputError: the program depends on a size that is not given, an input or output cannot be
            stored, or the program calls code other than XLA's.
        OSError: the file cannot be written; an old file is unchanged.
    """
    built = layer._lamina.built
    if built is None:
        raise BuildError(_not_built(layer))
    wanted = _batch_open(built.entries.get("call", built.inputs)) if specs is None else specs
    with LOCK:
        tree = walk(layer)
        paths = [path for path, _ in tree.variables.values()]
        stored = [np.asarray(variable.stored()) for _, variable in tree.variables.values()]
        described, program = _described(_Entry(layer, tuple(names)), stored, wanted, platforms)
    kept = [storable(array) for array in stored]
    arrays = {WEIGHTS + path: array for path, (array, _) in zip(paths, kept, strict=True)}
    dtypes = {
        WEIGHTS + path: kind
        for path, (_, kind) in zip(paths, kept, strict=True)
        if kind is not None
    }
    content = {
        "version": VERSION,
        "model": type(layer).__name__,
        "weights": paths,
        "dtypes": dtypes,
        "sha256": hashlib.sha256(program).hexdigest(),
        "jax": jax.__version__,
        **described,
    }
    arrays[PROGRAM] = np.frombuffer(program, np.uint8)
    write(path, arrays, {FORMAT: json.dumps(content, sort_keys=True, allow_nan=False)})


def _batch_open(given: Arguments) -> Arguments:
    """The specs with any batch size, if all inputs have the same first size."""
    sizes = {spec.shape[0] for spec in given.leaves() if spec.ndim}
    if len(sizes - {None}) > 1:
        return given
    return given.map(lambda s: Spec(("batch", *s.shape[1:]), s.dtype) if s.ndim else s)


@dataclass(frozen=True)
class _Entry:
    """A layer's `call`, and the names of its inputs if it takes ``*args``."""

    layer: Tracked
    names: tuple[str, ...]

    def inputs(self, specs: Arguments) -> dict[str, Any]:
        """The inputs by name."""
        return self._renamed(self._bound(specs.args, specs.kwargs))

    def pure(self, specs: Arguments) -> Any:
        """The call in inference, as a pure function of the weights and of arrays by name."""
        tree, keys = walk(self.layer), {key: key for key in specs.kwargs}
        places = self._renamed(self._bound(tuple(range(len(specs.args))), keys))
        static = {name: v for name, v in self.inputs(specs).items() if not has_specs(v)}
        observed = ObservedCall(self.layer, False, None, None, False)

        def run(values: list[Any], arrays: dict[str, Any]) -> Any:
            given = static | arrays
            args = tuple(given[name] for name, place in places.items() if isinstance(place, int))
            kwargs = {p: given[name] for name, p in places.items() if isinstance(p, str)}
            return in_fresh_context(lambda: repeat_call(tree, observed, values, args, kwargs))

        return run

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return method_of(type(self.layer), "call").bind(args, kwargs)

    def _renamed(self, bound: dict[str, Any]) -> dict[str, Any]:
        if len(self.names) != len(bound):
            return bound
        return dict(zip(self.names, bound.values(), strict=True))


def _described(
    entry: _Entry,
    weights: list[np.ndarray],
    specs: Arguments,
    platforms: Sequence[str] | None,
) -> tuple[dict[str, Any], bytes]:
    """The description of the program, and the program, after reading it back as a test."""
    layer = entry.layer
    traced, inputs = _traced(entry, weights, specs, platforms)
    described = {
        "inputs": _recorded(Arguments((), inputs), "the inputs", _no_input, layer),
        "outputs": _recorded(Arguments((traced.outputs,), {}), "the outputs", _no_output, layer),
        "platforms": list(traced.platforms),
        "least": traced.least,
    }
    known = decoded_inputs(described["inputs"], text=True).kwargs
    (outputs,) = decoded_inputs(described["outputs"]).args
    try:
        read_program(replace(traced, outputs=outputs), weights, known)
    except ValueError as error:
        raise InputError(_no_arithmetic(layer, error)) from error
    return described, traced.text.encode()


def _traced(
    entry: _Entry,
    weights: list[np.ndarray],
    specs: Arguments,
    platforms: Sequence[str] | None,
) -> tuple[Traced, dict[str, Any]]:
    """The program, and its inputs by name.

    Dimensions without a name may have different sizes. If the program cannot be traced so, for
    example because arrays are added, those of one axis have the same size.
    """
    layer, first = entry.layer, None
    equal = specs.map(_axes_named)
    for given in (specs,) if equal == specs else (specs, equal):
        inputs = entry.inputs(given)
        try:
            return traced_program(entry.pure(given), weights, inputs, platforms), inputs
        except Exception as error:
            if "callback" in str(error) or "custom calls" in str(error):
                raise InputError(_no_arithmetic(layer, error)) from error
            is_open = not all(spec.known for spec in given.leaves())
            if not is_inconclusive(error) and not (is_open and isinstance(error, InputError)):
                raise
            first = first or error
    assert first is not None
    raise InputError(_depends(layer, specs, first)) from first


def _axes_named(spec: Spec) -> Spec:
    dims = [f"size_{i}" if i and dim is None else dim for i, dim in enumerate(spec.shape)]
    return Spec(dims, spec.dtype)


def _recorded(
    given: Arguments, what: str, message: Callable[[Tracked, Exception], str], layer: Tracked
) -> Any:
    try:
        described = Encoder().arguments(given, what)
        decoded_inputs(described, text=True)
    except (UnencodableError, FileFormatError) as error:
        raise InputError(message(layer, error)) from error
    return described


def _not_built(layer: Tracked) -> str:
    return explain(
        f"{type(layer).__name__} is not built: there is nothing to export.",
        where=f"made at {layer._lamina.made_at}",
        expected="a built layer",
        received="an unbuilt layer",
        remedy="Call it once, or call build(...) or load_weights, before export.",
    )


def _depends(layer: Tracked, specs: Arguments, error: Exception) -> str:
    notes = [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]
    return explain(
        f"{type(layer).__name__} cannot be exported for any size: the computation depends on a "
        "size that is unknown.",
        where=f"made at {layer._lamina.made_at}",
        expected="the same operations for every size",
        received=f"{str(error).partition(chr(10))[0]} ({'; '.join([f'inputs {specs}', *notes])})",
        remedy="Pass the sizes, as in model.export(path, (32, 8)), or one name for equal "
        'dimensions, as in model.export(path, ("batch", "time", 8), ("batch", "time", 8)).',
    )


def _no_input(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} takes an input that an exported program cannot take.",
        where=f"made at {layer._lamina.made_at}",
        expected="arrays, numbers and text, and tuples, lists and dicts of them",
        received=str(error).partition("\n")[0],
        remedy="Let call take a dict.",
    )


def _no_output(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} returns outputs in a container that a file cannot store.",
        where=f"made at {layer._lamina.made_at}",
        expected="arrays, and tuples, lists and dicts of them",
        received=str(error).partition("\n")[0],
        remedy="Let call return a dict.",
    )


def _no_arithmetic(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} cannot be exported: it is not a pure function of arrays.",
        where=f"made at {layer._lamina.made_at}",
        expected="operations of XLA on one device, without Python callbacks and without custom "
        "kernels, such as those of LAPACK",
        received=str(error).partition("\n")[0][:200],
        remedy="Compute that part outside the model.",
    )
