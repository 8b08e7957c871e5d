"""The arrays of training by name, as checkpoints hold them, and a carry made of such arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.processes import movable
from lamina.core.base.pytrees import map_tree, unflatten
from lamina.errors import FileFormatError, explain
from lamina.training.optimizers.learning_rate import learning_rate_name
from lamina.training.step.carry import Carry
from lamina.training.step.program import Program

__all__ = [
    "check_state",
    "copy_carry",
    "leaves_by_name",
    "like",
    "model_arrays",
    "moved",
    "restored",
    "training_arrays",
    "with_learning_rate",
    "without_accumulators",
]

_OPTIMIZER, _ACCUMULATORS = "optimizer/", "accumulators/"

copy_carry: Any = cast(Any, jax.jit)(functools.partial(map_tree, cast(Any, jnp.copy)))
"""Copy a carry on the device, without waiting for it."""


def leaves_by_name(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by their position, in order.

    >>> leaves_by_name({"a": (1, 2)})
    {'a/0': 1, 'a/1': 2}
    """
    tools = cast(Any, jax.tree_util)
    pairs = tools.tree_flatten_with_path(tree)[0]
    return {tools.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}


def model_arrays(program: Program, carry: Carry) -> dict[str, jax.Array]:
    """Return the values of all variables by path."""
    paths = (*program.trainable, *program.non_trainable)
    return dict(zip(paths, (*carry.trainable, *carry.non_trainable), strict=True))


def training_arrays(program: Program, carry: Carry) -> dict[str, Any]:
    """Return all other arrays of a carry by name; random keys as their data."""
    named = _named(program.optimizer_state(carry), carry.steps, carry.accumulators)
    return {name: _key_data(leaf) for name, leaf in named.items()}


def restored(program: Program, carry: Carry, arrays: Mapping[str, Any]) -> Carry:
    """Return the carry with the arrays of a checkpoint; the values of variables are unchanged.

    Accumulators of other metrics are not restored.

    Raises:
        FileFormatError: the arrays belong to another optimizer or to other trainable weights.
    """
    own = _named(program.optimizer_state(carry), carry.steps, carry.accumulators)
    accumulators = {name for name in (*own, *arrays) if name.startswith(_ACCUMULATORS)}
    fit = _fitting(own, arrays)
    if not accumulators <= fit:
        fit -= accumulators
    new = {name: like(arrays[name], leaf) if name in fit else leaf for name, leaf in own.items()}
    names = list(leaves_by_name({"accumulators": carry.accumulators}))
    tree = unflatten(jax.tree.structure(carry.accumulators), names)
    return carry._replace(
        optimizer=tuple(array for name, array in new.items() if name.startswith(_OPTIMIZER)),
        accumulators=map_tree(lambda name: new[name], tree),
        steps=new["steps"],
    )


def check_state(state: Any, arrays: Mapping[str, Any]) -> None:
    """Check that the arrays of a checkpoint have the form of a state of the optimizer.

    Args:
        state: the state, or its shapes and dtypes.
        arrays: the arrays.

    Raises:
        FileFormatError: they belong to another optimizer or to other trainable weights.
    """
    _fitting(_named(state, jax.ShapeDtypeStruct((), np.int32)), arrays)


def _fitting(own: Mapping[str, Any], arrays: Mapping[str, Any]) -> set[str]:
    """Return the names under which both have an equal array; all others are of accumulators."""
    fit = {name for name, leaf in own.items() if name in arrays and _matches(arrays[name], leaf)}
    others = [name for name in dict.fromkeys([*own, *arrays]) if name not in fit]
    wrong = [name for name in others if not name.startswith(_ACCUMULATORS)]
    if wrong:
        raise FileFormatError(_other_optimizer(wrong))
    return fit


def moved(program: Program, carry: Carry, old_program: Program, old: Carry) -> Carry:
    """Return the first carry of a program with the state of another one of the same variables.

    Args:
        program: the program, whose devices may be others.
        carry: its first carry, with the values of the variables.
        old_program: the other program.
        old: its carry.
    """
    arrays = {name: movable(one) for name, one in training_arrays(old_program, old).items()}
    finite = like(movable(old.finite), carry.finite)
    return restored(program, carry, arrays)._replace(finite=finite)


def without_accumulators(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a checkpoint for an epoch that starts after it."""
    return {name: array for name, array in arrays.items() if not name.startswith(_ACCUMULATORS)}


def with_learning_rate(program: Program, carry: Carry, rate: float) -> Carry:
    """Return the carry with another learning rate.

    Raises:
        InputError: the optimizer has no learning rate that can be changed.
    """
    names = list(leaves_by_name(program.optimizer_state(carry)))
    leaves = list(carry.optimizer)
    index = names.index(learning_rate_name(names, to_set=True))
    leaves[index] = like(np.asarray(rate, leaves[index].dtype), leaves[index])
    return carry._replace(optimizer=tuple(leaves))


def _named(state: Any, steps: Any, accumulators: Any = ()) -> dict[str, Any]:
    """Return all arrays but the values of variables, by name, in the order of the carry."""
    return leaves_by_name({"accumulators": accumulators, "optimizer": state, "steps": steps})


def _is_key(leaf: Any) -> bool:
    return bool(cast(Any, jnp).issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _key_data(leaf: Any) -> Any:
    return cast(Any, jax.random).key_data(leaf) if _is_key(leaf) else leaf


def _matches(array: np.ndarray, leaf: Any) -> bool:
    data = jax.eval_shape(_key_data, leaf)
    return array.shape == data.shape and array.dtype == data.dtype


def like(array: Any, leaf: Any) -> Any:
    """Return an array with the sharding and, for a random key, the type of `leaf`."""
    if _is_key(leaf):
        random: Any = jax.random
        array = random.wrap_key_data(jnp.asarray(array), impl=random.key_impl(leaf))
    return cast(Any, jax.device_put)(array, leaf.sharding)


def _other_optimizer(wrong: list[str]) -> str:
    more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    return explain(
        "The checkpoint belongs to another optimizer, or to other trainable weights.",
        expected="the arrays of this model and optimizer",
        received=f"a different array, or none, for {', '.join(wrong[:4])}{more}",
        remedy="Compile with the optimizer, and freeze the layers, of the run to resume.",
    )
