"""Cross-entropies as metrics, and perplexity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina import losses
from lamina.configured import dtype_config
from lamina.metrics.metric import BuiltIn, MeanMetric, State, divide, select_by_shape
from lamina.metrics.wrappers import LossMetric

__all__ = [
    "AutoCrossentropy",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Perplexity",
    "SparseCategoricalCrossentropy",
]


@dataclass(eq=False)
class BinaryCrossentropy(BuiltIn):
    """The mean cross-entropy of independent yes-or-no labels, in nats.

    ``mean(-y_true log(y_pred) - (1 - y_true) log(1 - y_pred))``

    Labels in [0, 1] and predictions are ``[batch, ..., outputs]``; see
    :func:`lamina.losses.binary_crossentropy`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        from_logits: whether predictions are logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / 2``; 0.0 by
            default.

    >>> metric = BinaryCrossentropy(from_logits=True)
    >>> state = metric.update(metric.init(), jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 0.0]]))
    >>> round(metric.result(state).item(), 4)
    0.6931
    """

    function = staticmethod(losses.binary_crossentropy)
    direction = "down"
    from_logits: bool = False
    label_smoothing: float = 0.0


@dataclass(eq=False)
class CategoricalCrossentropy(BuiltIn):
    """The mean cross-entropy of class distributions, in nats: ``-sum(y_true log(y_pred))``.

    Labels (one-hot, or probabilities) and predictions are ``[batch, ..., classes]``; see
    :func:`lamina.losses.categorical_crossentropy`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        from_logits: whether predictions are logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / classes``;
            0.0 by default.
        axis: axis of the classes; -1 by default.

    >>> metric = CategoricalCrossentropy()
    >>> state = metric.update(metric.init(), jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.5]]))
    >>> round(metric.result(state).item(), 4)
    0.6931
    """

    function = staticmethod(losses.categorical_crossentropy)
    direction = "down"
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class SparseCategoricalCrossentropy(BuiltIn):
    """The mean cross-entropy of integer class labels, in nats: ``-log(y_pred[y_true])``.

    Labels are ``[batch, ...]``, predictions ``[batch, ..., classes]``; see
    :func:`lamina.losses.sparse_categorical_crossentropy`. As in Keras, ignored labels are left out
    of the mean if there are sample weights, and count as 0 without; the loss of this name leaves
    them out in both cases.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        from_logits: whether predictions are logits instead of probabilities; False by default.
        ignore_class: a label whose value is 0, such as that of padding; None (default) for none.
        axis: axis of the classes; -1 by default.

    >>> metric = SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    >>> state = metric.update(metric.init(), jnp.array([0, -1]), jnp.zeros((2, 4)))
    >>> round(metric.result(state).item(), 4)
    0.6931
    """

    function = staticmethod(losses.sparse_categorical_crossentropy)
    direction = "down"
    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        if sample_weight is None or self.ignore_class is None:
            return super().update(state, y_true, y_pred, sample_weight=sample_weight)
        loss = losses.SparseCategoricalCrossentropy(
            self.from_logits, self.ignore_class, axis=self.axis
        )
        return LossMetric(loss).update(state, y_true, y_pred, sample_weight=sample_weight)


class AutoCrossentropy(MeanMetric):
    """The cross-entropy that matches the shapes of labels and predictions: `"crossentropy"`.

    The shapes select binary, sparse categorical or categorical cross-entropy, as for
    :class:`lamina.metrics.AutoAccuracy`. Predictions are probabilities.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = AutoCrossentropy()
    >>> state = metric.update(metric.init(), jnp.array([1]), jnp.array([[0.5, 0.5]]))
    >>> round(metric.result(state).item(), 4)
    0.6931
    """

    direction = "down"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        functions = (
            losses.binary_crossentropy,
            losses.sparse_categorical_crossentropy,
            losses.categorical_crossentropy,
        )
        return select_by_shape(functions, y_true, y_pred)


class Perplexity(LossMetric):
    """The exponential of the mean cross-entropy H of tokens: ``exp(H)``.

    Labels are integers ``[batch, ...]``, predictions ``[batch, ..., classes]``. A uniform
    prediction of n classes has perplexity n.

    Args:
        from_logits: whether predictions are logits instead of probabilities; False by default.
        ignore_class: a label that is not counted, such as that of padding; None (default) for
            none.
        axis: axis of the classes; -1 by default.
        name: name in logs; ``"perplexity"`` by default.
        dtype: floating dtype of the result; None (default) for float32.

    >>> perplexity = Perplexity(from_logits=True)
    >>> state = perplexity.update(perplexity.init(), jnp.array([0, 3]), jnp.zeros((2, 5)))
    >>> round(perplexity.result(state).item(), 4)
    5.0
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        name: str = "perplexity",
        dtype: Any = None,
    ) -> None:
        entropy = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis)
        super().__init__(entropy, name, dtype)

    def get_config(self) -> dict[str, Any]:
        options = self.loss.get_config()
        names = ("from_logits", "ignore_class", "axis")
        shared = {"name": self.name, "dtype": dtype_config(self.dtype)}
        return shared | {name: options[name] for name in names}

    def result(self, state: State) -> jax.Array:
        return self._cast(jnp.exp(divide(*state)))
