"""`Model.capture`: the outputs of layers within a model, by path."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lamina.core.calling.repeated_call import observe
from lamina.core.calling.root_call import Root
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import InputError, TraceError, UnknownNameError, explain, nearest
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.text_inputs import with_ids

if TYPE_CHECKING:
    from lamina.training.step import model_call
else:
    model_call = lazily("lamina.training.step.model_call")

__all__ = ["capture"]


def capture(
    model: Layer,
    x: Any,
    paths: str | Sequence[str] | None = None,
    *,
    training: bool = False,
    rng: Any = None,
) -> dict[str, Any]:
    """Call the model, and return the outputs of layers within it.

    The model is built if it is not, and not changed otherwise.

    Args:
        x: the inputs, in the form in which `fit` takes them.
        paths: the paths of layers, one or several; ``*`` matches any text, and ``""`` is the model.
            Default None: all layers. A pattern, or None, skips layers inside JAX's loops.
        training: the mode of the call. Default False.
        rng: a random key, or an integer seed, for a call that draws random numbers. Default None.

    Returns:
        A dict of outputs by path, in the order in which the calls ended. The entry of a layer that
        is called several times is a list of its outputs.

    Raises:
        UnknownNameError: no layer has such a path.
        InputError: the call does not reach a layer that is given by its full path.
        TraceError: such a layer is called within a loop or another transform of JAX.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(4), layers.Dense(2)])
    >>> {path: array.shape for path, array in model.capture(np.ones((3, 5)), "layers.*").items()}
    {'layers.0': (3, 4), 'layers.1': (3, 2)}
    """
    options = {"training": training, "rng": rng} if rng is not None else {"training": training}
    root = Root(model, functools.partial(model_call.call_on, model), (with_ids(model, x),), options)
    root.ensure()
    asked, whole = _asked(model, [paths] if isinstance(paths, str) else paths)
    found: dict[str, list[Any]] = {}

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        if path in asked and not observe().in_transform:
            found.setdefault(path, []).append(outputs)
        elif path in whole:
            raise TraceError(_in_a_loop(path, kind))

    root.watched(watch)
    missing = [path for path in whole if path not in found]
    if missing:
        raise InputError(_not_reached(model, missing[0], found))
    return {path: one[0] if len(one) == 1 else one for path, one in found.items()}


def _asked(model: Tracked, paths: Sequence[str] | None) -> tuple[set[str], list[str]]:
    """The paths of the layers that match, and those of them that were given in full."""
    tree = walk(model)
    known = [path for path, _ in tree.layers.values()]
    if paths is None:
        return set(known), []
    aliases = tree.all_aliases()
    asked: set[str] = set()
    whole: list[str] = []
    for path in paths:
        matching = [one for one in known if fnmatchcase(one, path)]
        if path in known or path in aliases:
            matching = [aliases.get(path, path)]
            whole += matching
        if not matching:
            raise UnknownNameError(
                explain(
                    f"{type(model).__name__} has no layer {path!r}.",
                    where=f"made at {model._lamina.made_at}",
                    expected="paths of layers, or patterns such as 'blocks.*'",
                    received=repr(path),
                    remedy=nearest(path, [one for one in known if one]),
                )
            )
        asked.update(matching)
    return asked, whole


def _not_reached(model: Tracked, path: str, found: dict[str, list[Any]]) -> str:
    return explain(
        f"The call of {type(model).__name__} does not reach {path}.",
        where=f"made at {model._lamina.made_at}",
        expected="a layer that is called",
        received=f"a call that reaches {', '.join(one or 'the root' for one in found) or 'none'}",
        remedy="Choose a layer that call uses in this mode.",
    )


def _in_a_loop(path: str, kind: str) -> str:
    return explain(
        f"{path} ({kind}) is called within a loop or another transform of JAX, and its outputs do "
        "not leave it.",
        expected="a layer that is called outside jax.lax.scan, vmap and other transforms",
        received="a layer that is traced once for all steps",
        remedy="Choose the layer around it, or return the values from there.",
    )
