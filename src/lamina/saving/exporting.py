"""Exporting a model: a program in StableHLO and its weights, in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from lamina.core.alone import Seen, alone
from lamina.core.lock import LOCK
from lamina.core.node import Tracked
from lamina.core.signature import method_of
from lamina.core.specs import Arguments, Spec
from lamina.core.tracing import in_fresh_context
from lamina.core.tracking import walk
from lamina.errors import BuildError, FileFormatError, InputError, explain
from lamina.saving.files import storable, write
from lamina.saving.inputs import inputs_of
from lamina.saving.programs import has_specs, read_program, traced_program
from lamina.saving.recording import Recorder, UnrecordableError

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
        InputError: the program depends on a size that is left open, an output is of a kind that
            no file can hold, or the program calls a kernel that is not XLA's own.
        OSError: the file cannot be written; the old one is as it was.
    """
    built = layer._lamina.built
    if built is None:
        raise BuildError(_not_built(layer))
    wanted = _batch_open(built.entries.get("call", built.inputs)) if specs is None else specs
    with LOCK:
        tree = walk(layer)
        names = [name for name, _ in tree.variables.values()]
        stored = [np.asarray(variable.stored()) for _, variable in tree.variables.values()]
        described, program = _described(layer, stored, wanted, platforms)
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
        "weights": names,
        "dtypes": dtypes,
        "sha256": hashlib.sha256(program).hexdigest(),
        "jax": jax.__version__,
        **described,
    }
    arrays[PROGRAM] = np.frombuffer(program, np.uint8)
    write(path, arrays, {FORMAT: json.dumps(content, sort_keys=True, allow_nan=False)})


def _batch_open(given: Arguments) -> Arguments:
    """The specs with an open batch, where all inputs have the same first size."""
    sizes = {spec.shape[0] for spec in given.leaves() if spec.ndim}
    if len(sizes - {None}) > 1:
        return given
    return given.map(lambda s: Spec(("batch", *s.shape[1:]), s.dtype) if s.ndim else s)


def _described(
    layer: Tracked,
    weights: list[np.ndarray],
    specs: Arguments,
    platforms: Sequence[str] | None,
) -> tuple[dict[str, Any], bytes]:
    """The program, and what a reader has to know of it, which is tried by reading it."""
    inputs = _by_name(layer, specs)
    try:
        text, outputs, ran_on = traced_program(_pure(layer, specs), weights, inputs, platforms)
    except Exception as error:
        if "Inconclusive" in type(error).__name__ or "symbolic" in str(error).lower():
            raise InputError(_depends(layer, specs, error)) from error
        if "callback" in str(error) or "custom calls" in str(error):
            raise InputError(_no_arithmetic(layer, error)) from error
        raise
    described = {
        "inputs": _recorded(Arguments((), inputs), "the inputs", _no_input, layer),
        "outputs": _recorded(Arguments((outputs,), {}), "the outputs", _no_output, layer),
        "platforms": list(ran_on),
    }
    known = inputs_of(described["inputs"], text=True).kwargs
    (given,) = inputs_of(described["outputs"]).args
    try:
        read_program(text, weights, known, given, ran_on)
    except ValueError as error:
        raise InputError(_no_arithmetic(layer, error)) from error
    return described, text.encode()


def _recorded(
    given: Arguments, what: str, tell: Callable[[Tracked, Exception], str], layer: Tracked
) -> Any:
    try:
        described = Recorder().arguments(given, what)
        inputs_of(described, text=True)
    except (UnrecordableError, FileFormatError) as error:
        raise InputError(tell(layer, error)) from error
    return described


def _pure(layer: Tracked, specs: Arguments) -> Any:
    """The layer's `call` in inference, as a function of its weights and its inputs."""
    tree, places = walk(layer), _places(layer, specs)
    seen = Seen(layer, False, None, None, False)
    static = {k: value for k, value in _by_name(layer, specs).items() if not has_specs(value)}

    def run(values: list[Any], arrays: dict[str, Any]) -> Any:
        given = static | arrays
        args = tuple(given[name] for name, place in places.items() if isinstance(place, int))
        kwargs = {place: given[name] for name, place in places.items() if isinstance(place, str)}
        return in_fresh_context(lambda: alone(tree, seen, values, args, kwargs))

    return run


def _by_name(layer: Tracked, specs: Arguments) -> dict[str, Any]:
    return method_of(type(layer), "call").bind(specs.args, specs.kwargs)


def _places(layer: Tracked, specs: Arguments) -> dict[str, int | str]:
    """Of each input by name: its position among the arguments, or the name it is given by."""
    keys = {key: key for key in specs.kwargs}
    return method_of(type(layer), "call").bind(tuple(range(len(specs.args))), keys)


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


def _no_input(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} takes an input that no exported program does.",
        where=f"made at {layer._lamina.made_at}",
        expected="arrays, numbers and text, and tuples, lists and dicts of them",
        received=str(error).partition("\n")[0],
        remedy="Let call take a dict.",
    )


def _no_output(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} gives outputs in a container that no file can hold.",
        where=f"made at {layer._lamina.made_at}",
        expected="arrays, and tuples, lists and dicts of them",
        received=str(error).partition("\n")[0],
        remedy="Let call return a dict.",
    )


def _no_arithmetic(layer: Tracked, error: Exception) -> str:
    return explain(
        f"{type(layer).__name__} cannot be exported: it computes more than arithmetic on arrays.",
        where=f"made at {layer._lamina.made_at}",
        expected="what XLA computes itself, on one device, without callbacks into Python and "
        "kernels of others, such as LAPACK's",
        received=str(error).partition("\n")[0][:200],
        remedy="Compute that part outside the model.",
    )
