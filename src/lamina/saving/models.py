"""Whole models to a file and back: the class, its arguments, and the weights."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from lamina.core.base.allowance import Allowance, allowing
from lamina.core.base.lock import LOCK
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree, walk
from lamina.errors import BuildError, FileFormatError, explain
from lamina.saving.builds import planned
from lamina.saving.decoding import Maker
from lamina.saving.encoding import Recorder, UnrecordableError
from lamina.saving.files import TensorFile
from lamina.saving.loading import Loading, reading
from lamina.saving.lookup import Names
from lamina.saving.matching import Wanted
from lamina.saving.metadata import Metadata, describe, parse
from lamina.saving.weights import write_tree

__all__ = ["load", "save"]


def save(layer: Tracked, path: str | os.PathLike[str]) -> None:
    """Write a layer so that :func:`load` can make it again: class, arguments, weights.

    That it can is tried first: the class is called with the arguments of then, and what that
    gives must plan the weights that are here. What `compile` was given is not part of the file.

    Args:
        layer: the root, built.
        path: of the file; one that is there is replaced.

    Raises:
        BuildError: the layer is not built, or does not follow from its arguments.
        LaminaError: an argument of the constructor cannot be written down; the error names it.
        OSError: the file cannot be written; the old one is as it was.
    """
    recorder = Recorder()
    described = recorder.record(layer, type(layer).__name__)
    with LOCK:
        metadata = describe(walk(layer), recorder)
        if metadata.builds:
            _check_remade(layer, described, recorder, metadata)
        metadata.model = described
        write_tree(layer, path, metadata)


def _check_remade(layer: Tracked, described: Any, recorder: Recorder, metadata: Metadata) -> None:
    """Make the layer again from what was recorded: it must plan what is there."""
    name = type(layer).__name__
    goal = walk(layer).by_path()
    names = Names(recorder.named)
    here = planned(layer, metadata, goal, "the recording", names)
    try:
        twin = Maker(names).make(described)
        again = planned(twin, metadata, goal, "the recording", names)
    except Exception as error:
        first = error.__cause__ or error  # rather than what stands around it
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
    """The arguments of each layer that another tree has too, where they can be written down."""
    common = {path for path, _ in other.layers.values() if path}
    found: dict[str, str] = {}
    for path, layer in walk(root).layers.values():
        if path in common:
            with contextlib.suppress(UnrecordableError):
                found[path] = json.dumps(Recorder().record(layer, path), sort_keys=True)
    return found


def _differing(here: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    gone = "not there"
    return [
        f"{path}: {here.get(path, gone)} here, {again.get(path, gone)} when made again"
        for path in dict.fromkeys([*here, *again])
        if here.get(path) != again.get(path)
    ]


def _not_remade(name: str, layer: Tracked, reason: str) -> BuildError:
    return BuildError(
        explain(
            f"{name} cannot be saved whole: making it again with the arguments of its "
            "constructor does not give this model.",
            where=f"made at {layer._lamina.made_at}",
            expected="a model that follows from its class and its arguments",
            received=reason,
            remedy="Where layers were changed after it was made, let __init__ make them, or use "
            "save_weights, and load_weights into a model put together in the same way.",
        )
    )


def load(path: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the model that :func:`save` wrote.

    Nothing is imported, called by its name or unpickled because a file says so. A file names
    Lamina's own layers, losses, metrics, activations, initializers, regularizers and constraints,
    some arithmetic of ``jax.numpy`` and ``jax.nn``, and layer classes of modules that the program
    has imported, by module and name. Other functions and classes, dataclasses and named tuples
    among them, come from `custom_objects`.

    Args:
        path: of the file.
        custom_objects: classes and functions. Each stands for the name that it was defined under,
            and for its key: ``"module:Name"``, ``"module.Name"``, or a bare ``"Name"``, which
            never stands in for what Lamina has itself.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, holds weights alone, names what is not there, or asks for
            more layers, calls or weights than it accounts for.
    """
    names = Names(custom_objects)
    with TensorFile(path) as file, reading(file.path):
        stored = parse(file.metadata, file.path)
        if stored.model is None:
            raise _weights_alone(file.path)
        entries = file.entries(stored.dtypes).values()
        arrays, numbers = len(entries) + len(stored.aliases), sum(entry.size for entry in entries)
        allowance = Allowance(file.path, arrays, numbers)
        with allowing(allowance):
            root = Maker(names).make(stored.model)
            if not isinstance(root, Tracked):
                raise _weights_alone(file.path)
            Loading(root, file, whole=names).run()
        _freeze(root, stored)
        return root


def _freeze(root: Tracked, stored: Metadata) -> None:
    tree = walk(root)
    weights, layers = set(stored.frozen_weights), set(stored.frozen_layers)
    for name, variable in tree.variables.values():
        variable.trainable = name not in weights
    for name, layer in tree.layers.values():
        layer._lamina.trainable = name not in layers


def _weights_alone(path: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{path!r} holds weights alone, and does not say of which model.",
            expected="a file written by save",
            received="a file written by save_weights, or by another library",
            remedy="Make the model and call load_weights(path) on it.",
        )
    )
