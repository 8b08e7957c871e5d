"""Class weights: the sample weights that follow from the classes of labels."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from lamina.core.base.pytrees import leaves_of
from lamina.errors import InputError, explain

__all__ = ["LossShapes", "check_class_weight", "is_plain", "labels_of", "unused", "weights_of"]


class LossShapes(NamedTuple):
    """What a loss makes of the labels and outputs of one example.

    Attributes:
        values: the shape of the values of the loss, without the batch axis.
        axis: the axis of classes in one-hot labels.
        classes: the number of classes where labels are integers; None if unknown.
        ignored: a label that the loss ignores, or None.
    """

    values: tuple[int, ...]
    axis: int
    classes: int | None
    ignored: int | None


def check_class_weight(class_weight: Any) -> dict[int, float]:
    """Return class weights by class.

    Args:
        class_weight: a dict from class index to weight.

    Raises:
        InputError: it is no dict, or has other keys than integers or other values than numbers.

    >>> check_class_weight({np.int64(0): 1, 1: 2.5})
    {0: 1.0, 1: 2.5}
    """
    if not isinstance(class_weight, Mapping):
        raise _not_a_dict(repr(class_weight))
    found: dict[int, float] = {}
    for key, weight in cast("Mapping[Any, Any]", class_weight).items():
        try:
            number = float(weight)
            found[int(key) if isinstance(key, float) and key.is_integer() else _index(key)] = number
        except (TypeError, ValueError):
            raise _not_a_dict(f"{key!r}: {weight!r}") from None
        if not np.isfinite(number):
            raise _not_a_dict(f"{key!r}: {weight!r}")
    return found


def labels_of(y: Any) -> np.ndarray:
    """Return the labels of the only output, as a NumPy array.

    Args:
        y: the labels as passed to `fit`.

    Raises:
        InputError: there are no labels, those of several outputs, or labels that are not numbers.
    """
    leaves = leaves_of(y)
    if len(leaves) != 1:
        raise InputError(
            explain(
                "class_weight needs the labels of one output.",
                expected="one array of labels",
                received=f"{len(leaves)} arrays" if leaves else "no labels",
                remedy="Pass sample_weight, with one array for each output.",
            )
        )
    labels = np.asarray(leaves[0])
    if labels.dtype.kind not in "biufV":
        raise InputError(
            explain(
                "class_weight needs class indices as labels.",
                expected="integers, or one-hot labels",
                received=f"labels of dtype {labels.dtype}",
                remedy="Replace labels by their indices: np.unique(y, return_inverse=True)[1].",
            )
        )
    return labels.astype(np.float32) if labels.dtype.kind == "V" else labels  # bfloat16


def is_plain(labels: np.ndarray) -> bool:
    """Return whether labels are class indices ``[examples]`` or ``[examples, 1]``."""
    return labels.ndim < 2 or labels.shape[1:] == (1,)


def unused(labels: np.ndarray, weights: Mapping[int, float]) -> bool:
    """Return whether there is a weight of a class that does not occur in class indices."""
    return not set(weights) <= set(_occurring(_indices(labels)))


def weights_of(
    labels: np.ndarray, sample_weight: Any, weights: Mapping[int, float], loss: LossShapes | None
) -> np.ndarray:
    """Return the weight of the class of each label, times its sample weight.

    Args:
        labels: class indices ``[examples, ...]``, or one-hot labels with an axis of classes.
        sample_weight: ``[examples]`` or ``[examples, ...]``; None for 1.
        weights: the weight of each class.
        loss: what the loss makes of one example; may be None if labels :func:`is_plain`.

    Returns:
        One weight for each value of the loss.

    Raises:
        InputError: a class occurs in `labels` and not in `weights`, `weights` has a class that does
            not exist, or the labels have neither one class for each value of the loss nor are
            one-hot.

    >>> weights_of(np.array([0, 1]), None, {0: 1.0, 1: 3.0}, None).tolist()
    [1.0, 3.0]
    """
    indices, classes = _class_indices(labels, loss)
    occurring, inverse = np.unique(indices, return_inverse=True)
    classes_found = [int(index) for index in occurring]
    ignored = None if loss is None else loss.ignored
    missing = [index for index in classes_found if index not in weights and index != ignored]
    if missing:
        raise InputError(
            explain(
                "class_weight has no weight for a class that occurs in the labels.",
                expected=f"a weight for each of {classes_found}",
                received=f"none for {missing}",
                remedy="Add it; 1.0 leaves a class unweighted.",
            )
        )
    unknown = [index for index in weights if index not in classes_found]
    unknown = [index for index in unknown if index < 0 or index >= (classes or index + 1)]
    if unknown:
        raise InputError(
            explain(
                "class_weight has a weight for a class that does not exist.",
                expected=f"keys in [0, {classes})" if classes else f"keys {classes_found}",
                received=repr(unknown[0]),
                remedy="Remove it, or correct the index.",
            )
        )
    table = np.asarray([weights.get(index, 1.0) for index in classes_found], np.float32)
    found = table[inverse].reshape(indices.shape)
    return found if sample_weight is None else _product(found, np.asarray(sample_weight))


def _class_indices(labels: np.ndarray, loss: LossShapes | None) -> tuple[np.ndarray, int | None]:
    """Return the class of each value of the loss, and the number of classes if known."""
    if is_plain(labels):
        return _indices(labels), None if loss is None else loss.classes
    rest = labels.shape[1:]
    values = rest[:-1] if loss is None else loss.values
    if values == rest:
        return _rounded(labels), None if loss is None else loss.classes
    if loss is not None and rest[-1] == 1 and values == rest[:-1]:
        return _rounded(labels[..., 0]), loss.classes
    axis = (-1 if loss is None else loss.axis) % labels.ndim
    without = labels.shape[1:axis] + labels.shape[axis + 1 :]
    if axis and values == without and _are_distributions(labels, axis):
        return labels.argmax(axis), labels.shape[axis]
    raise InputError(
        explain(
            "class_weight does not match the labels and the loss.",
            expected="one class index for each value of the loss, or one-hot labels",
            received=f"labels of shape {labels.shape} that are not one-hot, and values of shape "
            f"{('examples', *values)}".replace("'", ""),
            remedy="Pass sample_weight, or outputs and labels with a last axis of size 1, so that "
            "the loss has one value for each label.",
        )
    )


def _indices(labels: np.ndarray) -> np.ndarray:
    """Return class indices ``[examples]``."""
    return _rounded(labels.reshape(len(labels)) if labels.ndim > 1 else labels)


def _rounded(labels: np.ndarray) -> np.ndarray:
    """Return labels as integers."""
    if labels.dtype.kind != "f":
        return labels.astype(np.int64)
    if not np.isfinite(labels).all():
        raise InputError(
            explain(
                "class_weight needs class indices as labels.",
                expected="integers",
                received="NaN or infinity",
                remedy="Remove these examples.",
            )
        )
    return np.round(labels).astype(np.int64)


def _are_distributions(labels: np.ndarray, axis: int) -> bool:
    """Return whether labels are one-hot, or probabilities of classes; or zeros, without a class."""
    sums = labels.sum(axis, dtype=np.float32)
    return bool((labels >= 0).all() and ((np.abs(sums - 1.0) < 1e-3) | (sums == 0.0)).all())


def _occurring(indices: np.ndarray) -> Iterable[int]:
    return (int(index) for index in np.unique(indices))


def _index(key: Any) -> int:
    return operator.index(key)


def _product(weights: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Multiply weights whose first axes are those of the other, or the other way."""
    rank = max(weights.ndim, sample_weight.ndim)
    pair = [w.reshape(w.shape + (1,) * (rank - w.ndim)) for w in (weights, sample_weight)]
    return np.asarray(pair[0] * pair[1].astype(np.float32), np.float32)


def _not_a_dict(received: str) -> InputError:
    return InputError(
        explain(
            "class_weight is not valid.",
            expected="a dict from class index to a finite weight",
            received=received,
            remedy="Pass class_weight={0: 1.0, 1: 5.0}, for example.",
        )
    )
