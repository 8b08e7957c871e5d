"""Looking into files of models, and converting them: `inspect` and `convert`."""

from __future__ import annotations

import errno
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import leaves_of, map_tree
from lamina.core.base.replaced_files import replacing
from lamina.core.building.plan import Plan, PlannedLayer, PlannedVariable
from lamina.core.calling.jit import jit
from lamina.core.specs.spec import Spec
from lamina.errors import FileFormatError, LaminaError, explain, shown
from lamina.json_text import MOST_TEXT
from lamina.models.model import Model
from lamina.saving import load
from lamina.saving.files import TensorFile, raise_unwritten
from lamina.saving.keras.configs import canonical, unavailable
from lamina.saving.keras.formats import format_of, is_for_keras
from lamina.saving.keras.legacy import modern_config
from lamina.saving.keras.legacy_compilation import legacy_compile_config
from lamina.saving.keras.sources import Source, opened
from lamina.saving.keras.texts import read_json
from lamina.saving.keras.weights import IGNORED
from lamina.saving.load_errors import reading
from lamina.saving.lookup import Names
from lamina.saving.metadata import Metadata, parse, weight_entries

__all__ = ["Conversion", "FileReport", "StoredWeight", "convert", "inspect", "plan"]

_BATCH = 2
_OPEN = 8  # the size that is tried for an axis of unknown size
_SLACK = 1e-5


@dataclass(frozen=True)
class StoredWeight:
    """An array of a file.

    Attributes:
        path: its name in the file.
        shape: its shape.
        dtype: its dtype.
        nbytes: the number of its bytes.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int


@dataclass
class FileReport:
    """What a file of a model holds, as :func:`inspect` finds it.

    Attributes:
        path: the path of the file.
        format: the format in words.
        version: the version of Keras that wrote it; None if the file does not tell.
        layers: the depth, class and name of each layer in order; empty for weights alone.
        weights: the arrays of weights.
        optimizer: the optimizer and the number of its arrays in words; None without one.
        problems: what :func:`lamina.load` would refuse, in words; empty if nothing is known.
    """

    path: str
    format: str
    version: str | None = None
    layers: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    weights: list[StoredWeight] = field(default_factory=list[StoredWeight])
    optimizer: str | None = None
    problems: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        numbers = sum(int(np.prod(one.shape, dtype=np.int64)) for one in self.weights)
        size = sum(one.nbytes for one in self.weights)
        paths = [shown(one.path) for one in self.weights]
        wide = max(map(len, paths), default=0)
        kind = max((len(str(one.shape)) for one in self.weights), default=0)
        lines = [
            shown(self.path),
            f"  format:    {self.format}",
            f"  version:   {shown(self.version or 'not in the file')}",
            f"  layers:    {len(self.layers)}",
            *(
                f"    {'  ' * depth}{shown(cls)}  {shown(name)}".rstrip()
                for depth, cls, name in self.layers
            ),
            f"  weights:   {len(self.weights)} arrays, {numbers:,} numbers, {size:,} bytes",
            *(
                f"    {path:<{wide}}  {one.shape!s:<{kind}}  {one.dtype}"
                for path, one in zip(paths, self.weights, strict=True)
            ),
            f"  optimizer: {shown(self.optimizer or 'none')}",
            "  refused:" if self.problems else "  refused:   nothing that is known",
            *(f"    {shown(line)}" for text in self.problems for line in text.split("\n")),
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Conversion:
    """What :func:`convert` did.

    Attributes:
        source: the path of the file that was read.
        target: the path of the file that was written.
        weights: the number of numbers in the weights.
        difference: the largest difference of the outputs of both files for random inputs, relative
            to the largest output; None if the outputs could not be compared.
        reason: why not; empty if they were.
    """

    source: str
    target: str
    weights: int
    difference: float | None
    reason: str = ""

    def __str__(self) -> str:
        compared = f"outputs for random inputs differ by {self.difference:.1e}, relatively"
        if self.difference is None:
            compared = f"outputs were not compared: {self.reason}"
        return f"{self.source} -> {self.target}: {self.weights:,} weights; {compared}"


def inspect(path: str | os.PathLike[str]) -> FileReport:
    """Return what a file holds: of Lamina or of Keras. No layer is made, and nothing is run.

    Args:
        path: the path of the file, or of an unzipped ``.keras`` folder.

    Returns:
        A report, which prints itself. What :func:`lamina.load` would refuse is in its `problems`;
        that the shapes of arrays fit their layers is known only when the model is built.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: it is of no known format.

    >>> import tempfile
    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors")
    ...     report = inspect(f"{folder}/model.safetensors")
    >>> [(weight.path, weight.shape) for weight in report.weights]
    [('layers.0.bias', (2,)), ('layers.0.kernel', (3, 2))]
    """
    name = os.fsdecode(path)
    found = format_of(name)
    if found is None:
        return _of_lamina(name)
    report = FileReport(name, f"{found.value}, of Keras")
    try:
        with opened(name) as source, reading(name):
            _fill(report, source)
    except (LaminaError, OSError) as error:
        report.problems.append(str(error))
    return report


def plan(path: str | os.PathLike[str]) -> Plan:
    """Return what a file of a model tells of its layers and weights. No layer is made.

    Args:
        path: the path of a file of a model, of Lamina or of Keras, or of the JSON of a plan.

    Returns:
        A :class:`lamina.Plan` without calls. Of files of Lamina it holds the inputs of each layer,
        and what is frozen and shared. The class of a layer is empty where the file does not tell.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: it is of no known format.

    >>> import tempfile
    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors")
    ...     plan(f"{folder}/model.safetensors")
    Plan(2 variables, 8 parameters, 0 calls)
    """
    name = os.fsdecode(path)
    if name.endswith(".json"):
        with open(name, "rb") as file:
            text = file.read(4 * MOST_TEXT + 1)
        if text.lstrip().startswith(b'{"variables"'):
            return Plan.from_json(text)
    report = inspect(name)
    if format_of(name) is None:
        with TensorFile(name) as file:
            stored = parse(file.metadata, name)
        return _plan(report, stored, dict[str, str](), known=True)
    if report.problems and not report.weights:
        raise FileFormatError(report.problems[0])
    return _plan(report, Metadata(), {own: kind for _, kind, own in report.layers})


def _plan(
    report: FileReport, stored: Metadata, kinds: Mapping[str, str], known: bool = False
) -> Plan:
    """Make a plan of what a file holds; `known` tells whether it says what is trained."""
    frozen = {*stored.frozen_layers}
    built = {build.path: build for build in stored.builds}
    paths = {weight.path.replace("/", "."): weight for weight in report.weights}
    owners = {path: path.rpartition(".")[0].removesuffix(".vars") for path in paths}
    every = {"": None, **dict.fromkeys(built), **dict.fromkeys(owners.values())}
    root = report.layers[0][1] if report.layers else ""
    layers = [
        PlannedLayer(
            path,
            kinds.get(path.rpartition(".")[2], "") if path else root,
            path.rpartition(".")[2],
            None,
            trainable=path not in frozen,
            method=built[path].method if path in built else "",
            inputs=_stored_inputs(built[path].specs) if path in built else {},
        )
        for path in (every if built else sorted(every, key=lambda path: _in_order((path, None))))
    ]
    still = {*stored.frozen_weights}
    variables = [
        PlannedVariable(
            path,
            weight.shape,
            weight.dtype,
            "",
            path not in still and not _below(path, frozen) if known else None,
            weight.nbytes,
            None,
            owner=owners[path],
        )
        for path, weight in paths.items()
    ]
    return Plan(tuple(variables), (), (), stored.aliases, (), layers=tuple(layers))


def _below(path: str, frozen: set[str]) -> bool:
    return any(f"{path}.".startswith(f"{one}." if one else "") for one in frozen)


def _stored_inputs(specs: Any) -> dict[str, Any]:
    """The specs of a build in a file, by position or name, in words where they are no specs."""
    found: dict[str, Any] = {}
    if isinstance(specs, Mapping):
        stored = cast("Mapping[str, Any]", specs)
        args, kwargs = stored.get("args"), stored.get("kwargs")
        if isinstance(args, list):
            found |= {str(at): _stored_spec(one) for at, one in enumerate(cast("list[Any]", args))}
        if isinstance(kwargs, Mapping):
            named = cast("Mapping[str, Any]", kwargs).items()
            found |= {str(name): _stored_spec(one) for name, one in named}
    return found


def _stored_spec(value: Any) -> Any:
    try:
        return Spec(value["shape"], value["dtype"])
    except (TypeError, KeyError, LaminaError):
        return json.dumps(value, default=str)[:200]


def _of_lamina(path: str) -> FileReport:
    with TensorFile(path) as file:
        stored = parse(file.metadata, path)
        report = FileReport(path, "safetensors, of Lamina" if file.metadata else "safetensors")
        for name, entry in weight_entries(file.entries(stored.dtypes), stored).items():
            report.weights.append(StoredWeight(name, entry.shape, str(entry.dtype), entry.nbytes))
    if isinstance(stored.model, Mapping):
        kind = str(cast("Mapping[str, Any]", stored.model).get("class", ""))
        report.layers.append((0, kind.rpartition(":")[2], ""))
    if stored.compiled is not None:
        arrays = 0 if stored.training is None else len(stored.training.names)
        report.optimizer = f"compiled, {arrays} arrays of training"
    return report


def _fill(report: FileReport, source: Source) -> None:
    report.version = source.version
    report.format += f" ({source.kind})"
    state = [name for name in source.arrays if name.split("/")[0].startswith("optimizer")]
    for name, array in sorted(source.arrays.items(), key=_in_order):
        if IGNORED.isdisjoint(name.split("/")) and name not in state:
            size = array.size * array.dtype.itemsize
            report.weights.append(StoredWeight(name, array.shape, str(array.dtype), size))
    report.optimizer = f"{len(state)} arrays" if state else None
    if source.kind.endswith("weights"):
        return
    if not isinstance(source.config, Mapping) or "class_name" not in source.config:
        report.problems.append("The file describes no model.")
        return
    config = modern_config(source, source, None)
    report.layers.extend(_layers(config, 0))
    report.optimizer = _optimizer(source, len(state))
    without = {key: part for key, part in config.items() if key != "compile_config"}
    problem = unavailable(canonical(without), report.path, Names())
    if problem is not None:
        report.problems.append(str(problem))


def _in_order(item: tuple[str, Any]) -> list[tuple[int, str]]:
    """A key by which numbers in paths are in the order of numbers."""
    parts = re.split(r"(\d{1,9})", item[0])
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _layers(described: Any, depth: int) -> Iterator[tuple[int, str, str]]:
    """The layers in a config, with their depth."""
    if isinstance(described, list):
        for item in cast("list[Any]", described):
            yield from _layers(item, depth)
        return
    if not isinstance(described, Mapping):
        return
    fields = cast("Mapping[str, Any]", described)
    inner: Any = fields.get("config")
    if isinstance(fields.get("class_name"), str) and isinstance(inner, Mapping):
        config = cast("Mapping[str, Any]", inner)
        module = str(fields.get("module"))
        if "name" in config and not module.startswith(("keras.init", "keras.reg", "keras.const")):
            yield depth, str(fields["class_name"])[:100], str(config["name"])[:100]
            depth += 1
        for key in ("layers", "layer", "backward_layer", "cell", "cells"):
            if key in config:
                yield from _layers(config[key], depth)


def _optimizer(source: Source, arrays: int) -> str | None:
    described: Any = cast("Mapping[str, Any]", source.config).get("compile_config")
    training = None if source.file is None else source.file.attribute("training_config")
    if isinstance(training, str):
        described = legacy_compile_config(
            read_json(training, f"The training_config of {source.path!r}")
        )
    optimizer: Any = None
    if isinstance(described, Mapping):
        optimizer = cast("Mapping[str, Any]", described).get("optimizer")
    if isinstance(optimizer, Mapping):
        optimizer = cast("Mapping[str, Any]", optimizer).get("class_name")
    if optimizer is None and not arrays:
        return None
    return f"{str(optimizer or 'of another kind')[:100]}, {arrays} arrays"


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Conversion:
    """Convert a file to the format that the name of another one asks for.

    The new file is loaded again, and both models are called on the same random inputs, before it
    takes its name.

    Args:
        source: the path of a model, of Lamina or of Keras.
        target: the path of the new file: ``.keras`` for Keras 3, any other name for Lamina's
            format. An existing file is replaced.

    Returns:
        A report, which prints itself.

    Raises:
        FileFormatError: the source cannot be loaded, or the new file computes something else.
        LaminaError: the target's format cannot hold the model; the error names the part.
        OSError: a file cannot be read or written; an old file is unchanged.

    >>> import tempfile
    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.keras")
    ...     done = convert(f"{folder}/model.keras", f"{folder}/model.lamina")
    >>> done.weights, done.difference
    (8, 0.0)
    """
    here, there = os.fsdecode(source), os.fsdecode(target)
    ending = ".keras" if is_for_keras(there, weights=False) else ".lamina"
    model = load(here)
    try:
        with replacing(os.path.realpath(there), ending) as temporary:
            model.save(temporary)
            difference, reason = _compared(model, load(temporary))
            if difference is not None and not difference <= _SLACK:
                raise FileFormatError(
                    explain(
                        f"The conversion of {here!r} computes something else than the model.",
                        expected=f"outputs that differ by at most {_SLACK}, relatively",
                        received=f"{difference:.1e}; {there!r} was not written",
                        remedy="Load the model, and compare its layers with those of the other "
                        "file.",
                    )
                )
    except OSError as error:
        raise_unwritten(there, error.errno, os.strerror(error.errno or errno.EIO), error)
    return Conversion(here, there, model.count_params(), difference, reason)


def _compared(model: Any, other: Any) -> tuple[float | None, str]:
    """The largest relative difference of the outputs of two models; None, with the reason."""
    try:
        inputs = _random_inputs(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pairs = zip(leaves_of(jit(model)(inputs)), leaves_of(jit(other)(inputs)), strict=True)
            found = [_difference(np.asarray(a), np.asarray(b)) for a, b in pairs]
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]
    return max(found, default=0.0), ""


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return float("inf")
    a, b = one.astype(np.float64), other.astype(np.float64)
    scale = float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0)) or 1.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.max(np.where(same, 0.0, np.abs(a - b)), initial=0.0)) / scale


def _random_inputs(model: Any) -> Any:
    """Random arrays for the inputs that a model was built for."""
    known: Any = model._known_input() if isinstance(model, Model) else None
    if known is None:
        built = cast("Any", model)._lamina.built.inputs
        known = next(iter((*built.args, *built.kwargs.values())))
    key = iter(jax.random.split(jax.random.key(0), 1000))

    def drawn(spec: Any) -> jax.Array:
        sizes = [size if isinstance(size, int) else _OPEN for size in spec.shape]
        if spec.shape and not isinstance(spec.shape[0], int):
            sizes[0] = _BATCH
        if jnp.issubdtype(spec.dtype, jnp.floating):
            return jax.random.normal(next(key), sizes).astype(spec.dtype)
        return jax.random.bernoulli(next(key), shape=sizes).astype(spec.dtype)

    return map_tree(drawn, known, is_leaf=lambda leaf: isinstance(leaf, Spec))
