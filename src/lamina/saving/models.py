"""Saving and loading whole models: class, arguments and weights."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

from lamina.core.base.load_limits import Allowance, allowing
from lamina.core.base.lock import LOCK
from lamina.core.building.placement import Placer, placing
from lamina.core.building.quantization import copy_quantization
from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import copy_flags, settle
from lamina.core.tree.walk import Tree, walk
from lamina.errors import BuildError, FileFormatError, explain
from lamina.lazy import lazily
from lamina.saving.builds import planned
from lamina.saving.decoding import Decoder
from lamina.saving.encoding import Encoder, UnencodableError
from lamina.saving.files import TensorFile
from lamina.saving.keras.formats import format_of
from lamina.saving.load_errors import reading
from lamina.saving.loading import Loading
from lamina.saving.lookup import Names
from lamina.saving.matching import Wanted
from lamina.saving.metadata import Metadata, Training, describe, parse, weight_entries
from lamina.saving.weights import write_tree

if TYPE_CHECKING:
    from lamina.saving.keras import loading as keras
else:
    keras = lazily("lamina.saving.keras.loading")

__all__ = ["Compilable", "TrainingArrays", "load", "save"]


class Compilable(Protocol):
    """A model that can be compiled from a file."""

    def _compile_from_file(self, arguments: dict[str, Any], state: TrainingArrays | None) -> None:
        """Compile the model with the arguments of a file, and continue from its state."""
        ...


class TrainingArrays(NamedTuple):
    """The state of training: arrays by name, the seed, and the number of epochs trained.

    A seed that is None is derived from that of the weights.
    """

    arrays: dict[str, Any]
    seed: int | None
    epochs: int


def save(
    layer: Tracked,
    path: str | os.PathLike[str],
    arguments: Mapping[str, Any] | None = None,
    state: TrainingArrays | None = None,
) -> None:
    """Write the class, arguments and weights of a layer to a file that :func:`load` reads.

    Before writing, the layer is made again from its arguments, and must have the same weights.

    Args:
        layer: the root, built.
        path: the path of the file; an existing file is replaced.
        arguments: the arguments of `compile` by name, which are left out with a warning if one of
            them cannot be saved; None (default) for a layer that is not compiled.
        state: the state of training; None (default) before the first step.

    Raises:
        BuildError: the layer is not built, or cannot be made again from its arguments.
        LaminaError: an argument of the constructor cannot be saved; the error names it.
        OSError: the file cannot be written; an old file is unchanged.
    """
    encoder = Encoder()
    described = encoder.record(layer, type(layer).__name__)
    with LOCK:
        metadata = describe(walk(layer), encoder)
        if metadata.builds:
            _check_remade(layer, described, encoder, metadata)
        metadata.model = described
        arrays: dict[str, np.ndarray] = {}
        if arguments is not None:
            metadata.compiled = _recorded(arguments, encoder, layer)
        if state is not None and metadata.compiled is not None:
            start = _free_prefix(walk(layer).by_path())
            arrays = {f"{start}{name}": array for name, array in state.arrays.items()}
            names = {f"{start}{name}": name for name in state.arrays}
            metadata.training = Training(names, state.seed or 0, state.epochs)
        write_tree(layer, path, metadata, arrays)


def _recorded(arguments: Mapping[str, Any], encoder: Encoder, layer: Tracked) -> Any:
    """The arguments of `compile` as JSON; None, with a warning, if one cannot be saved."""
    try:
        return encoder.record(dict(arguments), "the arguments of compile")
    except UnencodableError as error:
        warnings.warn(
            explain(
                f"The file of {type(layer).__name__} leaves out how the model was compiled.",
                where=f"made at {layer._lamina.made_at}",
                expected="a loss, metrics and an optimizer by name, or of lamina.losses and "
                "lamina.metrics",
                received=str(error).partition("\n")[0],
                remedy="Call compile on the loaded model; or pass names to compile, such as 'adam' "
                "with learning_rate=3e-4.",
            ),
            UserWarning,
            stacklevel=4,
        )
        return None


def _free_prefix(paths: Iterable[str]) -> str:
    """A prefix of the names of arrays that no path of a weight begins with."""
    prefix = "training/"
    while any(path.startswith(prefix) for path in paths):
        prefix = f"_{prefix}"
    return prefix


def _check_remade(layer: Tracked, described: Any, encoder: Encoder, metadata: Metadata) -> None:
    """Make the layer again from its JSON, and check that it plans the same weights."""
    name = type(layer).__name__
    goal = walk(layer).by_path()
    names = Names(encoder.named)
    here = planned(layer, metadata, goal, "the recording", names)
    try:
        twin = Decoder(names).make(described)
        copy_flags(walk(layer), walk(twin))
        copy_quantization(walk(layer), walk(twin))
        again = planned(twin, metadata, goal, "the recording", names)
    except Exception as error:
        first = error.__cause__ or error  # the cause is more specific
        reason = f"{type(first).__name__}: {str(first).partition(chr(10))[0]}"
        raise _not_remade(name, layer, reason) from error
    differing = [
        *_differing(_texts(here.weights), _texts(again.weights)),
        *_differing(here.calls, again.calls),
    ]
    ours, theirs = _made_with(layer, walk(twin)), _made_with(twin, walk(layer))
    differing += [
        f"{path}: made with other arguments" for path in ours if ours[path] != theirs.get(path)
    ]
    if differing:
        raise _not_remade(name, layer, "; ".join(differing))


def _texts(weights: Mapping[str, Wanted]) -> dict[str, str]:
    return {path: f"{shape} {dtype}" for path, (shape, dtype) in weights.items()}


def _made_with(root: Tracked, other: Tree) -> dict[str, str]:
    """The arguments of each layer that another tree has too, if they can be encoded."""
    common = {path for path, _ in other.layers.values() if path}
    found: dict[str, str] = {}
    for path, layer in walk(root).layers.values():
        if path in common:
            with contextlib.suppress(UnencodableError):
                found[path] = json.dumps(Encoder().record(layer, path), sort_keys=True)
    return found


def _differing(here: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    gone = "missing"
    return [
        f"{path}: {here.get(path, gone)} here, {again.get(path, gone)} in the other model"
        for path in dict.fromkeys([*here, *again])
        if here.get(path) != again.get(path)
    ]


def _not_remade(name: str, layer: Tracked, reason: str) -> BuildError:
    return BuildError(
        explain(
            f"{name} cannot be saved as a whole: its constructor, called with the same arguments, "
            "creates a different model.",
            where=f"made at {layer._lamina.made_at}",
            expected="a model that its constructor creates from the arguments",
            received=reason,
            remedy="If layers were changed after the constructor, make them in __init__; or use "
            "save_weights, and load_weights into a model made the same way.",
        )
    )


def load(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placement: Placer | None = None,
) -> Any:
    """Make the model that :func:`save` wrote, or a model of Keras.

    The first bytes tell what a file is: one of Lamina; a ``.keras`` archive or folder of Keras 3;
    an HDF5 file of Keras 1 to 3; or the architecture of a model as JSON, with weights of the same
    name beside it. Files of Keras need the extra ``keras``.

    No name in the file is imported or called, and nothing is unpickled. A file may name Lamina's
    layers, losses, metrics, activations, initializers, regularizers and constraints, by their
    public modules; some functions of ``jax.numpy`` and ``jax.nn``; and layer classes of modules
    that the program has imported. All other classes and functions must be in `custom_objects`.

    Args:
        path: the path of the file, or of an unzipped ``.keras`` folder.
        custom_objects: classes and functions by name; None (default) for none. Each matches the
            name it was defined under, and its key: ``"module:Name"``, ``"module.Name"``, or a bare
            ``"Name"``, which never replaces a class or function of Lamina.
        compile: whether to compile a model that was compiled when it was saved, with the state of
            its optimizer, so that `fit` continues. Default True.
        placement: a :class:`lamina.distribute.Placement`; each process then reads only the parts of
            the weights that its devices hold. None (default) for the default device.

    Returns:
        The model, built, with the weights of the file.

    Raises:
        FileNotFoundError: the file does not exist.
        FileFormatError: the file is damaged, contains only weights, names a class or function that
            is not available, or describes more layers, calls or weights than it has arrays for.
    """
    if format_of(path) is not None:
        return keras.load(os.fsdecode(path), custom_objects, compile, placement)
    names = Names(custom_objects)
    with placing(placement), TensorFile(path) as file, reading(file.path):
        stored = parse(file.metadata, file.path)
        if stored.model is None:
            raise _weights_alone(file.path)
        entries = weight_entries(file.entries(stored.dtypes), stored).values()
        arrays, numbers = len(entries) + len(stored.aliases), sum(entry.size for entry in entries)
        allowance = Allowance(file.path, arrays, numbers)
        with allowing(allowance):
            root = Decoder(names).make(stored.model)
            if not isinstance(root, Tracked):
                raise _weights_alone(file.path)
            Loading(root, file, whole=names).run()
        _freeze(root, stored)
        if compile and stored.compiled is not None:
            _compile(root, stored, file, names)
        return root


def _compile(root: Tracked, stored: Metadata, file: TensorFile, names: Names) -> None:
    """Compile a model with the arguments in a file, and continue from its state of training."""
    try:
        arguments = Decoder(names).make(stored.compiled)
        if not hasattr(root, "_compile_from_file"):
            raise ValueError(f"{type(root).__name__} cannot be compiled")
        state, training = None, stored.training
        if training is not None:
            entries = file.entries(stored.dtypes)
            arrays = {name: file.read(entries[at]) for at, name in training.names.items()}
            state = TrainingArrays(arrays, training.seed, training.epochs)
        cast("Compilable", root)._compile_from_file(arguments, state)
    except Exception as error:
        error.add_note("while the model was compiled; load(..., compile=False) leaves this out")
        raise


def _freeze(root: Tracked, stored: Metadata) -> None:
    tree = walk(root)
    frozen = {*stored.frozen_weights, *stored.frozen_layers}
    thawed = set(stored.thawed)
    nodes = [(name, layer._lamina) for name, layer in tree.layers.values()]
    for name, node in nodes:
        node.trainable = name not in frozen
        node.inherits = name not in frozen | thawed
    for name, variable in tree.variables.values():
        if variable.trainable == (name in frozen) or name in thawed:
            variable.trainable = name not in frozen
    EDITION.advance(*(node for _, node in nodes))
    settle(tree)


def _weights_alone(path: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} contains only weights, not a model.",
            expected="a file written by save",
            received="a file written by save_weights, or by another library",
            remedy="Make the model in code and call load_weights(path) on it.",
        )
    )
