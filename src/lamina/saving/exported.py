"""Loading and calling an exported model, whose program and weights are read from a file."""

from __future__ import annotations

import hashlib
import os
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import flatten
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.errors import FileFormatError, InputError, explain
from lamina.json_text import read_json
from lamina.saving.build_inputs import decoded_inputs
from lamina.saving.exporting import FORMAT, PROGRAM, VERSION, WEIGHTS
from lamina.saving.files import TensorFile
from lamina.saving.plain_data import text_of
from lamina.saving.programs import Traced, named_dims, read_program

__all__ = ["Exported", "load_exported"]


class Exported:
    """The program and weights of an exported model; it is called like the model.

    Attributes:
        model: the name of the model's class.
        inputs: the specs of the inputs, by name.
        weights: the weights by path; assigned values are used by the next call.
        platforms: the platforms that the program runs on.
        least: the smallest sizes of symbolic dimensions, by name, where they are not 1.
    """

    def __init__(
        self,
        program: Any,
        model: str,
        inputs: dict[str, Any],
        weights: dict[str, jax.Array],
        least: dict[str, int],
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.weights = weights
        self.least = least
        self.platforms: tuple[str, ...] = tuple(program.platforms)
        self._run: Any = jax.jit(program.call)
        self._named = named_dims(inputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; the program is compiled once per combination of sizes.

        Args:
            args: inputs by position; several inputs may be in one list, tuple or dict.
            kwargs: inputs by name.

        Returns:
            The outputs, in the structure that the model's `call` returns.

        Raises:
            InputError: an input is missing, unknown, or of another shape or dtype.
        """
        given = self._bound(args, kwargs)
        return self._run(list(self.weights.values()), as_inputs(given))

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        names = list(self._named)
        if len(args) == 1 and not kwargs and names and _is_spec(self._named[names[0]]):
            args, kwargs = _spread(args[0], names)
        given = dict(zip(names, args, strict=False)) | kwargs
        if len(args) > len(names) or set(given) != set(names):
            received = f"{len(args)} by position" + "".join(f", {name}" for name in kwargs)
            raise InputError(self._mismatch_message("these inputs", received))
        sizes: dict[str, int] = {}
        for name in names:
            wanted, structure = flatten(self._named[name], is_leaf=_is_spec)
            found, other = flatten(as_specs(given[name]), is_leaf=_is_spec)
            if structure != other:
                raise InputError(self._mismatch_message(f"this {name!r}", str(other)))
            for spec, own in zip(wanted, found, strict=True):
                if not _fits(spec, own, sizes):
                    raise InputError(self._mismatch_message(f"a {name!r} of this form", str(own)))
        if any(sizes[name] < least for name, least in self.least.items()):
            received = ", ".join(f"{name} = {sizes[name]}" for name in self.least)
            raise InputError(self._mismatch_message("inputs so small", received))
        return given

    def _mismatch_message(self, what: str, received: str) -> str:
        forms = [f"{name} {Arguments((spec,), {})}" for name, spec in self._named.items()]
        forms += [f"{name} from {size} up" for name, size in self.least.items()]
        return explain(
            f"The exported {self.model} does not take {what}.",
            expected=", ".join(forms),
            received=received,
            remedy="Pass arrays of those shapes and dtypes; a named dimension may have any size.",
        )

    def __repr__(self) -> str:
        return f"Exported({self.model}, {', '.join(f'{n} {s}' for n, s in self.inputs.items())})"


def load_exported(path: str | os.PathLike[str]) -> Exported:
    """Load a model that `Model.export` wrote; the model's code is not needed.

    Nothing in the file is unpickled, imported or called by name, and loading compiles and runs
    nothing. Every operation of the program is checked: it computes arrays from arrays, and cannot
    call Python or access files or the network. A call may still take unlimited time or memory.

    Args:
        path: the path of the file.

    Returns:
        A callable that takes the inputs of the model.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: the file is damaged, or its program is not one that `export` writes.
    """
    with TensorFile(path) as file:
        content = _content(file)
        try:
            return _opened(file, content)
        except (FileFormatError, OSError, MemoryError):
            raise
        except Exception as error:  # JAX's parsers may raise anything on invalid text
            raise _damaged(file.path, f"{type(error).__name__}: {error}") from error


def _content(file: TensorFile) -> dict[str, Any]:
    if FORMAT not in file.metadata:
        raise FileFormatError(
            explain(
                f"{file.path!r} contains no exported program.",
                expected="a file written by export",
                received="a file written by save, save_weights or another library",
                remedy="Pass a file that model.export(path) wrote, or use lamina.load.",
            )
        )
    content = read_json(file.metadata[FORMAT], f"The description in {file.path!r}")
    if not isinstance(content, dict) or "version" not in content:
        raise _damaged(file.path, "a description without a version")
    known = cast("dict[str, Any]", content)
    if known["version"] != VERSION:
        raise _damaged(file.path, f"version {known['version']!r}, not {VERSION}")
    return known


def _opened(file: TensorFile, content: dict[str, Any]) -> Exported:
    entries = file.entries(content["dtypes"])
    names, platforms = _texts(content["weights"]), _texts(content["platforms"])
    if not platforms:
        raise ValueError("the description names no platform")
    if set(entries) != {PROGRAM, *(WEIGHTS + name for name in names)}:
        raise ValueError("the weights in the description differ from those in the file")
    code = file.read(entries[PROGRAM]).tobytes()
    if hashlib.sha256(code).hexdigest() != content["sha256"]:
        raise ValueError("the program does not match its checksum")
    inputs = decoded_inputs(content["inputs"], text=True).kwargs
    (outputs,) = decoded_inputs(content["outputs"]).args
    least = dict(content["least"])
    traced = Traced(code.decode(), outputs, tuple(platforms), least)
    program = read_program(traced, [entries[WEIGHTS + name] for name in names], inputs)
    weights = {name: jnp.asarray(file.read(entries[WEIGHTS + name])) for name in names}
    return Exported(program, text_of(content["model"]), inputs, weights, least)


def _texts(value: Any) -> list[str]:
    """Check a list of different names.

    Raises:
        ValueError: it is not such a list.
    """
    if not isinstance(value, list):
        raise ValueError("a list of names is expected")
    names = [text_of(name) for name in cast("list[Any]", value)]
    if len(set(names)) != len(names):
        raise ValueError("a name occurs twice")
    return names


def _damaged(path: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"The exported program in {path!r} cannot be read.",
            expected="a complete file of export, from compatible versions of Lamina and JAX",
            received=received.partition("\n")[0][:300],
            remedy="Export the model again with these versions of Lamina and JAX.",
        )
    )


def _spread(given: Any, names: list[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Split one container of several inputs, by position or by name."""
    if isinstance(given, dict):
        items = cast("dict[str, Any]", given)
        return ((), items) if items.keys() == set(names) else ((items,), {})
    if isinstance(given, list | tuple):
        items = cast("list[Any]", given)
        return (tuple(items) if len(items) == len(names) else (items,)), {}
    return (given,), {}


def _is_spec(value: Any) -> bool:
    return isinstance(value, Spec)


def _fits(spec: Any, own: Any, sizes: dict[str, int]) -> bool:
    """Check an input against a spec, and collect the sizes of symbolic dimensions."""
    if not isinstance(spec, Spec) or not isinstance(own, Spec):
        return spec == own
    if np.dtype(spec.dtype) != np.dtype(own.dtype) or spec.ndim != own.ndim:
        return False
    for dim, size in zip(spec.shape, own.shape, strict=True):
        wanted = sizes.setdefault(dim, cast(int, size)) if isinstance(dim, str) else dim
        if wanted != size:
            return False
    return True
