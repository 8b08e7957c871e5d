"""What a trainer is at one moment, as arrays by name, and a trainer made to go on from there."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import map_tree, unflatten
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.saving.metadata import Metadata
from lamina.training.checkpoints import records
from lamina.training.checkpoints.contents import Checkpoint, Contents
from lamina.training.step.step import Carry, Program

__all__ = [
    "Snapshot",
    "by_name",
    "joined",
    "none_there",
    "nothing_yet",
    "put_back",
    "take",
    "without_tallies",
]


class Snapshot(NamedTuple):
    """Copies on the device, with their names: steps may go on while they are fetched."""

    names: list[str]
    carry: Carry
    optimizer: Any
    metadata: Metadata
    about: Any

    def contents(self) -> Contents:
        """All of it in the host's memory; this waits for the device."""
        weights = (*self.carry.weights, *self.carry.state)
        training = _named(self.optimizer, self.carry)
        about = records.without_arrays(self.about, "about", training)
        return Contents(
            {name: np.asarray(array) for name, array in zip(self.names, weights, strict=True)},
            self.metadata,
            {name: np.asarray(_raw(array)) for name, array in training.items()},
            about,
        )


def take(program: Program, carry: Carry, metadata: Metadata, about: dict[str, Any]) -> Snapshot:
    """A snapshot; nothing waits for the device."""
    copy: Carry = _copied(carry)
    names = [*program.weights, *program.state]
    return Snapshot(names, copy, program.optimizer_state(copy), metadata, about)


def joined(found: Checkpoint) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a checkpoint, and what else it holds."""
    return dict(found.arrays), found.about


def put_back(program: Program, carry: Carry, arrays: Mapping[str, np.ndarray]) -> Carry:
    """The carry with the arrays of a checkpoint in place of its own; weights stay as they are.

    Raises:
        FileFormatError: they are of another optimizer, or of other trainable weights.
    """
    own = _named(program.optimizer_state(carry), carry)
    told = {name for name in (*own, *arrays) if name.startswith(_TALLIES)}
    fit = {name for name, leaf in own.items() if name in arrays and _alike(arrays[name], leaf)}
    wrong = [name for name in dict.fromkeys([*own, *arrays]) if name not in fit | told]
    if wrong:
        raise FileFormatError(_other_optimizer(wrong))
    if not told <= fit:  # other metrics: they begin anew
        fit -= told
    new = {name: _like(arrays[name], leaf) if name in fit else leaf for name, leaf in own.items()}
    optimizer = tuple(array for name, array in new.items() if name.startswith(_OPTIMIZER))
    tallies = map_tree(lambda name: new[name], _tally_names(carry))
    return carry._replace(optimizer=optimizer, tallies=tallies, steps=new["steps"])


def without_tallies(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint for an epoch that begins after it."""
    return {name: array for name, array in arrays.items() if not name.startswith(_TALLIES)}


_OPTIMIZER, _TALLIES = "optimizer/", "tallies/"


_copied: Any = cast(Any, jax.jit)(functools.partial(map_tree, cast(Any, jnp.copy)))


def by_name(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by where they stand in it, in order.

    >>> by_name({"a": (1, 2)})
    {'a/0': 1, 'a/1': 2}
    """
    tools = cast(Any, jax.tree_util)
    found = tools.tree_flatten_with_path(tree)[0]
    return {tools.keystr(path, simple=True, separator="/"): leaf for path, leaf in found}


def _named(optimizer: Any, carry: Carry) -> dict[str, Any]:
    """All arrays of training but the weights, by name, in the order of the carry."""
    return by_name({"optimizer": optimizer, "steps": carry.steps, "tallies": carry.tallies})


def _tally_names(carry: Carry) -> Any:
    names = list(by_name({"tallies": carry.tallies}))
    return unflatten(jax.tree.structure(carry.tallies), names)


def _is_key(leaf: Any) -> bool:
    return bool(cast(Any, jnp).issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _raw(leaf: Any) -> Any:
    return cast(Any, jax.random).key_data(leaf) if _is_key(leaf) else leaf


def _alike(array: np.ndarray, leaf: Any) -> bool:
    raw = jax.eval_shape(_raw, leaf)
    return array.shape == raw.shape and array.dtype == raw.dtype


def _like(array: np.ndarray, leaf: Any) -> Any:
    """An array where and what `leaf` is."""
    if _is_key(leaf):
        random: Any = jax.random
        return random.wrap_key_data(jnp.asarray(array), impl=random.key_impl(leaf))
    return cast(Any, jax.device_put)(array, leaf.sharding)


def nothing_yet(model: Tracked) -> str:
    """What is told where a trainer is saved before its first step."""
    return explain(
        "There is nothing to save yet.",
        where=f"{type(model).__name__}, made at {model._lamina.made_at}",
        expected="at least one step",
        received="none",
        remedy="Take a step first, or save the weights alone: save_weights(path).",
    )


def none_there(directory: str | PathLike[str]) -> str:
    """What is told where there is nothing to go on from."""
    return explain(
        f"There is no checkpoint in {fspath(directory)!r}.",
        expected="folders checkpoint-..., as Trainer.save and fit(checkpoint_dir=...) write them",
        received="none",
        remedy="Give the folder that was given to save, not one of those in it.",
    )


def _other_optimizer(wrong: list[str]) -> str:
    more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    return explain(
        "The checkpoint is of another optimizer, or of other trainable weights.",
        expected="the optimizer's arrays by path, as this model and optimizer have them",
        received=f"another or no array for {', '.join(wrong[:4])}{more}",
        remedy="Compile with the optimizer, and freeze the layers, of the run that is gone on "
        "with.",
    )
