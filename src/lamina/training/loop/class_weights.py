"""The sample weights of training data that follow from class weights and the loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import losses
from lamina.core.base.pytrees import flatten
from lamina.losses import FunctionLoss, Loss
from lamina.losses.columns import columns_of_loss
from lamina.training.data.arrays import Arrays
from lamina.training.data.batches import unpack
from lamina.training.data.class_weights import (
    LossShapes,
    check_class_weight,
    is_plain,
    labels_of,
    unused,
    weights_of,
)
from lamina.training.loop.trainer import Trainer
from lamina.training.step.model_call import ModelCall, call_on
from lamina.training.step.outputs import Output

__all__ = ["ClassWeights"]

_BINARY = (losses.BinaryCrossentropy, losses.BinaryFocalCrossentropy)
_BINARY_FUNCTIONS = (losses.binary_crossentropy, losses.binary_focal_crossentropy)


class ClassWeights:
    """Multiplies the sample weights of batches by the weights of the classes of their labels.

    The model is called abstractly where the labels alone do not tell their classes, once for each
    form of the batches.

    Args:
        trainer: has the model and the loss.
        class_weight: a dict from class index to weight.

    Raises:
        InputError: `class_weight` is no dict of numbers.
    """

    def __init__(self, trainer: Trainer, class_weight: Any) -> None:
        self._trainer = trainer
        self._weights = check_class_weight(class_weight)
        self._shapes: dict[Any, LossShapes | None] = {}

    def __call__(self, batch: Any) -> Any:
        """Return a batch with sample weights.

        Args:
            batch: ``(x, y)`` or ``(x, y, sample_weight)``, arrays.

        Raises:
            InputError: the weights do not fit the labels, the outputs or the loss.
        """
        inputs, y, sample_weight = unpack(batch)
        labels = labels_of(y)
        shapes = None
        if not is_plain(labels) or unused(labels, self._weights):
            shapes = self._loss_shapes((inputs, y))
        return inputs, y, weights_of(labels, sample_weight, self._weights, shapes)

    def _loss_shapes(self, batch: Any) -> LossShapes | None:
        leaves, structure = flatten(batch)
        form = structure, tuple((np.shape(leaf)[1:], str(leaf.dtype)) for leaf in leaves)
        if form not in self._shapes:
            self._shapes[form] = _loss_shapes(self._trainer, Arrays(batch).example_batch(2))
        return self._shapes[form]


def _loss_shapes(trainer: Trainer, batch: Any) -> LossShapes | None:
    """Call the model abstractly; None if it has a loss of its own."""
    objective = trainer.objective
    found: list[tuple[Loss, Output, Any]] = []

    def note_values(batch: Any) -> Any:
        outputs = call_on(trainer.model, unpack(batch)[0])
        for loss, output in objective.labelled_outputs(batch, outputs):
            pair = columns_of_loss(loss, output.labels, output.values)
            found.append((loss, output, loss.per_example(*pair)))
        return jnp.zeros(())

    if objective.loss is None or objective.train_loss is not None:
        return None
    program, carry = trainer.prepare(lambda: batch)

    def call(trainable: tuple[Any, ...], others: tuple[Any, ...]) -> Any:
        pairs = [*zip(program.trainable.values(), trainable, strict=True)]
        pairs += [*zip(program.non_trainable.values(), others, strict=True)]
        values = {id(variable): array for variable, array in pairs}
        return ModelCall(trainer.model, note_values, batch, False, jax.random.key(0)).apply(values)

    jax.eval_shape(call, carry.trainable, carry.non_trainable)
    if not found:
        return None
    loss, output, values = found[-1]
    axis: Any = getattr(loss, "axis", -1)
    axis = axis if isinstance(axis, int) else -1
    classes = _classes(loss, jnp.shape(output.values), values.ndim, axis)
    return LossShapes(values.shape[1:], axis, classes, getattr(loss, "ignore_class", None))


def _classes(loss: Loss, outputs: tuple[int, ...], rank: int, axis: int) -> int | None:
    """Return the number of classes of integer labels; None if unknown."""
    function = loss.function if isinstance(loss, FunctionLoss) else None
    if isinstance(loss, _BINARY) or function in _BINARY_FUNCTIONS:
        return 2
    return outputs[axis] if len(outputs) == rank + 1 and outputs[axis] > 1 else None
