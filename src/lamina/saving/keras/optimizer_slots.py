"""The variables of Keras's optimizers in their order, and the arrays of Lamina's states for them.

Keras stores the variables of an optimizer by number: the number of steps, the learning rate, and
then the slots of all trainable weights. Which slots there are, and whether they alternate, depends
on the class and its options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

import jax
import numpy as np

__all__ = [
    "CLASSES",
    "ITERATION",
    "PRODUCT",
    "RATE",
    "SCALE",
    "SCALE_STEPS",
    "Entry",
    "Key",
    "Leaf",
    "Progress",
    "entries_of",
    "leaves_of",
]

ITERATION, RATE = "iteration", "learning_rate"
PRODUCT = "u_product"
SCALE, SCALE_STEPS = "dynamic_scale", "step_counter"

Key: TypeAlias = tuple[str, str | None]
"""The field of a state and the path of the weight, or None for a number."""


class Progress(NamedTuple):
    """How far an optimizer is.

    Attributes:
        iteration: the number of batches so far.
        batches: the number of batches in one update.
        epsilon: the option `epsilon` of the optimizer.
    """

    iteration: int
    batches: int
    epsilon: float

    @property
    def updates(self) -> int:
        """The number of updates so far."""
        return self.iteration // self.batches

    @property
    def waiting(self) -> int:
        """The number of batches since the last update."""
        return self.iteration % self.batches


Convert: TypeAlias = Callable[[np.ndarray, Progress], np.ndarray]


def _same(array: np.ndarray, progress: Progress) -> np.ndarray:
    return array


def _negated(array: np.ndarray, progress: Progress) -> np.ndarray:
    return -array


def _with_epsilon(array: np.ndarray, progress: Progress) -> np.ndarray:
    return array + array.dtype.type(progress.epsilon)


def _without_epsilon(array: np.ndarray, progress: Progress) -> np.ndarray:
    return np.maximum(array - array.dtype.type(progress.epsilon), 0)


def _mean(array: np.ndarray, progress: Progress) -> np.ndarray:
    return array / max(progress.waiting, 1)


def _sum(array: np.ndarray, progress: Progress) -> np.ndarray:
    return array * progress.waiting


@dataclass(frozen=True)
class Slot:
    """An array that an optimizer has for each weight.

    Attributes:
        name: its name in Keras.
        fields: the fields of optax's states that hold it; a weight has one of them.
        read: converts the array of Keras.
        write: converts it back.
    """

    name: str
    fields: tuple[str, ...]
    read: Convert = _same
    write: Convert = _same


_FIRST, _SECOND = Slot("momentum", ("mu",)), Slot("velocity", ("nu",))
_ADAM = ((_FIRST, _SECOND), (Slot("velocity_hat", ("nu_max",)),))

_SHARED = (
    (Slot("average", ("averages",)),),
    # Keras sums the gradients, optax averages them.
    (Slot("gradient_accumulator", ("acc_grads",), _mean, _sum),),
)
"""The slots of the options that all optimizers have; they come first."""

_SLOTS: dict[str, tuple[tuple[Slot, ...], ...]] = {
    "Adadelta": ((Slot("accumulated_grad", ("e_g",)), Slot("accumulated_delta_var", ("e_x",))),),
    "Adafactor": (),
    "Adagrad": ((Slot("accumulator", ("sum_of_squares",)),),),
    "Adam": _ADAM,
    "AdamW": _ADAM,
    # optax adds epsilon before it stores the maximum, Keras when it divides by it.
    "Adamax": ((_FIRST, Slot("norm", ("nu",), _with_epsilon, _without_epsilon)),),
    "Ftrl": ((Slot("accumulator", ("accumulators",)), Slot("linear", ("linears",))),),
    "Lamb": ((_FIRST, _SECOND),),
    "Lion": ((_FIRST,),),
    "Muon": ((Slot("momentum", ("mu", "trace")), _SECOND),),
    "Nadam": ((_FIRST, _SECOND),),
    "RMSprop": (
        (_SECOND,),
        # optax adds the momentum to the weight, Keras subtracts it.
        (Slot("momentum", ("trace",), _negated, _negated),),
        (Slot("average_gradient", ("mu",)),),
    ),
    "SGD": ((Slot("momentum", ("trace",)),),),
    "ScheduleFreeAdamW": ((Slot("momentum", ("base",)), _SECOND),),
}
"""For each class, groups of slots: those of a group alternate from weight to weight."""

CLASSES = frozenset(_SLOTS)
"""The optimizers that Keras and Lamina have."""


@dataclass(frozen=True)
class Leaf:
    """An array of the state of an optimizer.

    Attributes:
        name: its name among the arrays of training.
        shape: the shape.
        dtype: the dtype.
        is_outer: whether it lies directly in the state, in no part of it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_outer: bool


@dataclass(frozen=True)
class Entry:
    """A variable of an optimizer of Keras.

    Attributes:
        name: the name of the slot or of the number.
        weight: the path of the weight; None for a number.
        shape: the shape.
        dtype: the dtype.
        key: the array of Lamina's state; None if there is none.
        read: converts the array of Keras.
        write: converts the array of Lamina.
        value: the constant that Keras has here, if `key` is None.
    """

    name: str
    weight: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    key: Key | None = None
    read: Convert = _same
    write: Convert = _same
    value: float = 0.0


def leaves_of(optimizer: Any, weights: Mapping[str, Any]) -> dict[Key, list[Leaf]]:
    """Return the arrays of the state of an optimizer, none of which is computed.

    Args:
        optimizer: an optax transformation.
        weights: the shapes and dtypes of the trainable weights by path.

    Returns:
        The arrays by field and weight; several numbers of a state may have one name.
    """
    tools = cast(Any, jax.tree_util)
    state = cast(Any, jax.eval_shape)(optimizer.init, dict(weights))
    found: dict[Key, list[Leaf]] = {}
    for keys, leaf in tools.tree_flatten_with_path(state)[0]:
        parts = [tools.keystr((key,), simple=True) for key in keys]
        path = getattr(keys[-1], "key", None)
        is_slot = path in weights and len(parts) > 1 and not parts[-2].startswith("hyperparams")
        key: Key = (parts[-2], cast(str, path)) if is_slot else (parts[-1], None)
        name = tools.keystr(keys, simple=True, separator="/")
        made = Leaf(f"optimizer/{name}", tuple(leaf.shape), np.dtype(leaf.dtype), len(parts) == 1)
        found.setdefault(key, []).append(made)
    return found


def entries_of(
    kind: str,
    scheduled: bool,
    is_scaled: bool,
    weights: Mapping[str, Any],
    known: Mapping[Key, Any],
    of_tensorflow: bool = False,
) -> list[Entry]:
    """List the variables of an optimizer of Keras in their order.

    Args:
        kind: the name of the class; that of the inner optimizer of a `LossScaleOptimizer`.
        scheduled: whether the learning rate follows a schedule, and is no variable.
        is_scaled: whether a `LossScaleOptimizer` is around it.
        weights: the shapes and dtypes of the trainable weights by path, in Keras's order.
        known: the arrays of Lamina's state.
        of_tensorflow: whether tf_keras has stored them, which leaves out the learning rate. Default
            False.

    Returns:
        The variables.
    """
    count, number = np.dtype("int32"), np.dtype("float32")
    entries: list[Entry] = []
    tracked = not is_scaled and not of_tensorflow  # neither stores all variables
    if is_scaled:
        entries += [
            Entry("outer_iteration", None, (), count),
            Entry("outer_learning_rate", None, (), number),
            Entry(SCALE_STEPS, None, (), count),
            Entry(SCALE, None, (), number),
        ]
    entries.append(Entry(ITERATION, None, (), count))
    if not scheduled and not of_tensorflow:
        entries.append(Entry(RATE, None, (), number))
    for group in (*_SHARED, *_SLOTS[kind]):
        entries += _alternating(group, weights, known)
    if kind == "Adafactor":
        for path, weight in weights.items():
            entries += _factored(path, weight, tracked)
    if kind == "Nadam" and tracked:
        first = next(iter(weights.values()), None)
        dtype = number if first is None else np.dtype(first.dtype)
        entries.append(Entry(PRODUCT, None, (), dtype, ("product", None), value=1.0))
    return entries


def _alternating(
    group: tuple[Slot, ...], weights: Mapping[str, Any], known: Mapping[Key, Any]
) -> Iterator[Entry]:
    for path, weight in weights.items():
        for slot in group:
            key = next(((field, path) for field in slot.fields if (field, path) in known), None)
            if key is not None:
                shape, dtype = tuple(weight.shape), np.dtype(weight.dtype)
                yield Entry(slot.name, path, shape, dtype, key, slot.read, slot.write)


def _factored(path: str, weight: Any, tracked: bool) -> Iterator[Entry]:
    """The slots of Adafactor: of a vector the elements, of others means over rows and columns."""
    shape, dtype = tuple(weight.shape), np.dtype(weight.dtype)
    if len(shape) > 1:
        columns = (*shape[:-2], shape[-1])
        yield Entry("r", path, shape[:-1], dtype, ("rows", path))
        yield Entry("c", path, columns, dtype, ("columns", path))
        yield Entry("v", path, shape, dtype)  # computed from the two others in each update
        return
    if tracked:
        yield Entry("r", path, (), np.dtype("int32"))
        yield Entry("c", path, (), np.dtype("int32"))
    yield Entry("v", path, shape, dtype, ("rows", path))
