"""Quantizing the kernels of a tree of layers: all that were asked for, or none."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast

import numpy as np

from lamina.core.base.lock import LOCK
from lamina.core.base.sites import site
from lamina.core.building.request import Request
from lamina.core.building.transaction import all_or_nothing, carry_out
from lamina.core.specs.signature import method_of
from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Built, Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, join, walk
from lamina.errors import BuildError, InputError, explain
from lamina.names import snake

__all__ = [
    "Filters",
    "adopting",
    "copy_quantization",
    "policy_name",
    "quantization_at",
    "quantization_of",
    "quantize",
]

Filters = str | Sequence[str] | Callable[[Any], bool] | None

_FOUND: ContextVar[Callable[[str], Any] | None] = ContextVar("quantization", default=None)


class _Config(Protocol):
    """The options of quantization; see :mod:`lamina.quantizers`."""

    mode: str


class Quantizable(Protocol):
    """A layer whose kernels may be stored as integers."""

    quantization_config: _Config | None

    def _is_quantizable(self) -> bool: ...

    def _quantized_axes(self) -> Mapping[str, tuple[int, ...]]: ...

    def _integers(self, config: Any) -> dict[str, np.ndarray]: ...


def policy_name(config: Any) -> str:
    """Return the name of options in dtype policies, such as ``"int8"`` or ``"int4/128"``."""
    block = getattr(config, "block_size", None)
    return f"int4/{-1 if block is None else block}" if config.mode == "int4" else config.mode


def quantization_of(layer: Any) -> Any:
    """Return the options of a layer whose kernels are integers; None for floats."""
    return layer.quantization_config if hasattr(layer, "_quantized_axes") else None


def copy_quantization(source: Tree, target: Tree) -> None:
    """Give the unbuilt layers of a tree the options of those of another with the same paths."""
    layers = dict(target.layers.values())
    for path, layer in source.layers.values():
        config, twin = quantization_of(layer), cast(Any, layers.get(path))
        if config is not None and twin is not None and twin._lamina.built is None:
            twin.quantization_config = config


@contextmanager
def adopting(found: Callable[[str], Any]) -> Generator[None]:
    """In a `with` block, layers that are built have the quantization of a file.

    Args:
        found: returns the options of the layer at a path; None for floats.
    """
    token = _FOUND.set(found)
    try:
        yield
    finally:
        _FOUND.reset(token)


def quantization_at(path: str) -> Any:
    """Return the options of the layer at a path in the tree that a file builds; None without."""
    found = _FOUND.get()
    return None if found is None else found(path)


def quantize(root: Tracked, config: _Config, filters: Filters) -> None:
    """Store the kernels of the layers of a tree as integers.

    The layers are built again, with the integers of their present kernels as values.

    Args:
        root: the root of the tree, built.
        config: the options.
        filters: which layers: a regular expression that is searched for in their names and paths,
            several of them, or a function of the layer; None for all.

    Raises:
        BuildError: the tree is not built.
        InputError: there is no such layer, or one of them cannot be quantized; nothing was changed.
    """
    if root._lamina.built is None:
        raise BuildError(
            explain(
                f"{type(root).__name__} is not built: it has no weights to quantize.",
                where=f"made at {root._lamina.made_at}",
                expected="a built layer",
                received="an unbuilt layer",
                remedy="Call it once, or call build(...), before quantize.",
            )
        )
    with LOCK:
        tree = walk(root)
        chosen = _chosen(root, tree, filters)
        with all_or_nothing(root):
            arrays: dict[str, np.ndarray] = {}
            for path, layer in chosen.items():
                arrays |= _arrays(path, layer, config)
            _build_again(root, chosen, config, arrays)
        nodes = [layer._lamina for layer in chosen.values()]
        for node in nodes:
            node.revision += 1
        EDITION.advance(*nodes, *(layer._lamina for _, layer in tree.layers.values()))


def _chosen(root: Tracked, tree: Tree, filters: Filters) -> dict[str, Tracked]:
    """The layers to quantize by path."""
    layers = {path: layer for path, layer in tree.layers.values() if _can(layer)}
    chosen = {path: one for path, one in layers.items() if _passes(path, one, filters)}
    for path, layer in chosen.items():
        held: Any = layer
        if held.quantization_config is not None:
            raise _refused(
                f"{path or type(layer).__name__} is quantized already.",
                layer,
                expected="a layer with a kernel of floats",
                received=f"one of {held.quantization_config.mode}",
                remedy="Load the model again, or leave the layer out by filters.",
            )
        if layer._lamina.built is None:
            raise _refused(
                f"{path or type(layer).__name__} is not built.",
                layer,
                expected="a layer that was called",
                received="a layer without weights",
                remedy="Call it once, or leave it out by filters.",
            )
        _check_alone(tree, path, layer)
    if not chosen:
        kinds = "Dense, EinsumDense, Embedding, or the projections of attention"
        raise _refused(
            f"{type(root).__name__} has no layer to quantize.",
            root,
            expected=kinds if filters is None else f"{kinds}, that pass the filters",
            received=f"{len(tree.layers)} other layers" if not layers else f"filters={filters!r}",
            remedy="Quantize a model with such layers. Subclasses with a call or build of their "
            "own are not quantized.",
        )
    return chosen


def _can(layer: Any) -> bool:
    return hasattr(layer, "_quantized_axes") and layer._is_quantizable()


def _passes(path: str, layer: Any, filters: Filters) -> bool:
    if filters is None:
        return True
    if isinstance(filters, str):
        filters = [filters]
    if callable(filters):
        return bool(filters(layer))
    name = layer._lamina.name or snake(type(layer).__name__)
    return any(re.search(one, name) or re.search(one, path) for one in filters)


def _check_alone(tree: Tree, path: str, layer: Any) -> None:
    """Check that no other layer holds the kernels, which would read integers then."""
    for name in layer._quantized_axes():
        kernel = getattr(layer, name)
        for other, held in tree.layers.values():
            if held is not layer and any(value is kernel for value in vars(held).values()):
                raise _refused(
                    f"{join(path, name)} is also a weight of another layer.",
                    layer,
                    expected="a kernel of one layer",
                    received=f"one that {other or 'the root'} holds, too",
                    remedy="Leave the layer out by filters.",
                )


def _arrays(path: str, layer: Any, config: _Config) -> dict[str, np.ndarray]:
    """The values of all variables of a layer after the quantization, by path."""
    node, integers = layer._lamina, layer._integers(config)
    found = {join(path, name): value for name, value in integers.items()}
    for name, value in _held(layer).items():
        if name not in integers and any(value is one for one in node.declared):
            found[join(path, name)] = np.asarray(value.stored())
    return found


def _held(layer: Tracked) -> dict[str, Variable]:
    """The variables that attributes of a layer hold, by name."""
    return {name: value for name, value in vars(layer).items() if isinstance(value, Variable)}


class _Values:
    """The values of a tree by path, for a build."""

    def __init__(self, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
        self._arrays, self._prefix = arrays, prefix

    def __contains__(self, path: object) -> bool:
        return join(self._prefix, str(path)) in self._arrays

    def read(self, path: str, start: int, stop: int) -> np.ndarray:
        """Return a range of the elements of an array, flat."""
        return self._arrays[join(self._prefix, path)].reshape(-1)[start:stop]


def _build_again(
    root: Tracked, chosen: Mapping[str, Tracked], config: _Config, arrays: Mapping[str, np.ndarray]
) -> None:
    flags = {path: _flags(layer) for path, layer in chosen.items()}
    first = cast(Built, root._lamina.built)
    entries = first.entries or {first.method: first.inputs}
    builds = [("", root, method, inputs) for method, inputs in entries.items()]
    for path, layer in chosen.items():
        built = cast(Built, layer._lamina.built)
        builds.append((path, layer, built.method, built.inputs))
    for layer in chosen.values():
        held: Any = layer
        held.quantization_config = config
        for name in held._quantized_axes():
            delattr(held, name)
        layer._lamina.built = None
        layer._lamina.declared = []
    for path, layer, method, inputs in builds:
        if path != "" and layer._lamina.built is not None:
            continue
        training = method_of(type(layer), method).training_default
        request = Request(layer, method, inputs, training, site())
        values = _Values(arrays, path)
        carry_out(request, source=functools.partial(_same, values), prefix=path)
    for path, layer in chosen.items():
        for name, flag in flags[path].items():
            variable: Any = getattr(layer, name, None)
            if isinstance(variable, Variable):
                variable.flags = flag


def _same(values: _Values, tree: Tree) -> _Values:
    return values


def _flags(layer: Tracked) -> dict[str, Any]:
    """The `trainable` flags of the variables that stay as they are."""
    kernels = cast(Any, layer)._quantized_axes()
    return {name: value.flags for name, value in _held(layer).items() if name not in kernels}


def _refused(what: str, layer: Tracked, *, expected: str, received: str, remedy: str) -> InputError:
    return InputError(
        explain(
            what,
            where=f"made at {layer._lamina.made_at}",
            expected=expected,
            received=received,
            remedy=remedy,
        )
    )
