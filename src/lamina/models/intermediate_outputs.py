"""The outputs of any layers of a model, by path."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from lamina.core.calling.root import Root
from lamina.core.calling.single_layer import seen_now
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import InputError, TraceError, UnknownNameError, explain, nearest
from lamina.training.step.model_call import call_on

__all__ = ["capture"]


def capture(
    model: Tracked,
    x: Any,
    paths: str | Sequence[str] | None = None,
    training: bool = False,
    rng: Any = None,
) -> dict[str, Any]:
    """Call a model and keep what its layers give.

    Args:
        model: the root; it is built if need be, and not changed otherwise.
        x: its inputs, as `fit` takes them.
        paths: of layers, where ``*`` stands for anything; all if None. ``""`` is the model. What a
            pattern means, or None, leaves out layers within loops of JAX's.
        training: the mode of the call.
        rng: a key, or a seed, for a call that draws random numbers.

    Returns:
        The outputs by path, in the order in which the layers were done; a list of them where a
        layer is called several times.

    Raises:
        UnknownNameError: no layer has such a path.
        InputError: the call does not reach a layer that is asked for by its whole path.
        TraceError: such a layer is called within a loop of JAX's, or another transform.
    """
    options = {"training": training, "rng": rng} if rng is not None else {"training": training}
    root = Root(model, functools.partial(call_on, model), (x,), options)
    root.ensure()
    asked, whole = _asked(model, [paths] if isinstance(paths, str) else paths)
    found: dict[str, list[Any]] = {}

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        if path in asked and not seen_now().in_loop:
            found.setdefault(path, []).append(outputs)
        elif path in whole:
            raise TraceError(_in_a_loop(path, kind))

    root.watched(watch)
    missing = [path for path in whole if path not in found]
    if missing:
        raise InputError(_not_reached(model, missing[0], found))
    return {path: one[0] if len(one) == 1 else one for path, one in found.items()}


def _asked(model: Tracked, paths: Sequence[str] | None) -> tuple[set[str], list[str]]:
    """The paths of layers that are meant, and those of them that were given whole."""
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
        remedy="Ask for a layer that call uses, in this mode.",
    )


def _in_a_loop(path: str, kind: str) -> str:
    return explain(
        f"{path} ({kind}) is called within a loop or another transform of JAX's, which its outputs "
        "do not leave.",
        expected="a layer that is called outside of jax.lax.scan, vmap and the like",
        received="one that is traced once for all steps",
        remedy="Ask for the layer around it, or let that return what is wanted.",
    )
