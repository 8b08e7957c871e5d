"""The objective of training: the loss of a batch, and the inputs of its metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.losses import Loss
from lamina.metrics import State
from lamina.training.data.batches import unpack
from lamina.training.step import loss_terms
from lamina.training.step.metric_bindings import MetricsArgument, bind_metrics
from lamina.training.step.model_call import (
    added_losses,
    call_on,
    has_added_losses,
    is_training,
    output_masks,
)
from lamina.training.step.outputs import Output, pair_outputs

__all__ = ["BatchLoss", "Objective"]


class BatchLoss(NamedTuple):
    """The objective's value on one batch.

    Attributes:
        loss: the scalar to minimize.
        logs: further scalars by name.
        metric_inputs: labels, outputs and sample weights for each metric.
        size: the number of examples, by which the batch counts in the mean of an epoch.
    """

    loss: jax.Array
    logs: dict[str, jax.Array]
    metric_inputs: list[tuple[Any, Any, Any]]
    size: int


class Objective:
    """The loss of a batch, including the losses that layers add, and its metrics.

    Args:
        model: the layer to train.
        loss: a name, a :class:`lamina.losses.Loss` or a function ``(y_true, y_pred)``; for several
            outputs one for all, a dict by name, or a list in their order.
        metrics: names, metrics or functions; for several outputs a dict by name, or a list of
            lists.
        train_loss: a function of the whole batch that replaces `loss`; it returns a scalar, or a
            scalar and a dict of further logs.
        loss_weights: the factor of each output's loss in the sum.
        weighted_metrics: metrics that use sample weights.
        names: of the outputs, if the model returns a list.
    """

    def __init__(
        self,
        model: Tracked,
        loss: loss_terms.LossArgument = None,
        metrics: MetricsArgument = (),
        train_loss: Callable[[Any], Any] | None = None,
        loss_weights: Any = None,
        weighted_metrics: MetricsArgument = (),
        names: Sequence[str] | None = None,
    ) -> None:
        self.model = model
        self.loss = loss_terms.losses_of_outputs(loss)
        self.loss_weights = loss_weights
        self.train_loss = train_loss
        self.names = names
        known = loss_terms.output_names(loss, names)
        self.bound_metrics = bind_metrics(metrics, weighted_metrics, known)
        self.metrics = [bound.metric for bound in self.bound_metrics]
        self.log_names: tuple[str, ...] = ()
        self._metric_shapes: list[tuple[Any, Any]] = []

    def __call__(self, batch: Any) -> BatchLoss:
        """Compute the loss of a batch, in a call of the model.

        Raises:
            InputError: the loss is no scalar, there is nothing to minimize, or the batch does not
                fit the losses and metrics.
        """
        value = self._of_outputs(batch) if self.train_loss is None else self._custom(batch)
        loss = jnp.asarray(value.loss)
        if loss.shape != ():
            raise InputError(_not_scalar(self.model, loss))
        if is_training():
            self.log_names = tuple(value.logs)
        return value._replace(loss=sum(added_losses(self.model), loss))

    def metric_states(self) -> tuple[State, ...]:
        """Return the states of the metrics before any batch."""
        shapes = self._metric_shapes or [(None, None)] * len(self.metrics)
        pairs: Any = zip(self.metrics, shapes, strict=True)
        return tuple([one.init(*shape) if one.shaped else one.init() for one, shape in pairs])

    def direction(self, name: str) -> str | None:
        """Return `"up"` or `"down"`, whichever is better for a log; None if unknown."""
        if name == "loss" or (name.endswith("_loss") and name in self.log_names):
            return "down"
        return next((b.metric.direction for b in self.bound_metrics if b.name == name), None)

    def labelled_outputs(self, batch: Any, outputs: Any) -> list[tuple[Loss, Output]]:
        """Return the outputs that have a loss and labels, each with its loss."""
        if self.loss is None or outputs is None:
            return []
        _, labels, weights = unpack(batch)
        paired = pair_outputs(outputs, labels, weights, self.names)
        return loss_terms.pair_losses(self.loss, paired)

    def _custom(self, batch: Any) -> BatchLoss:
        assert self.train_loss is not None
        if self.bound_metrics:
            raise InputError(
                explain(
                    "Metrics cannot be combined with a custom train_loss, which alone has the "
                    "outputs.",
                    expected="compile without metrics",
                    received=", ".join(bound.name for bound in self.bound_metrics),
                    remedy="Return them with the loss: return loss, {'name': value}.",
                )
            )
        result: Any = self.train_loss(batch)
        pair = cast(
            tuple[Any, dict[str, Any]], result if isinstance(result, tuple) else (result, {})
        )
        loss, more = pair
        logs = {name: jnp.mean(jnp.asarray(value)) for name, value in more.items()}
        return BatchLoss(loss, logs, [], _batch_size(batch))

    def _of_outputs(self, batch: Any) -> BatchLoss:
        inputs, labels, weights = unpack(batch)
        if self.loss is None or labels is None:
            return self._added_only(batch, inputs)
        values = call_on(self.model, inputs)
        outputs = pair_outputs(values, labels, weights, self.names, output_masks(values))
        pairs = loss_terms.pair_losses(self.loss, outputs)
        terms = {output.name: loss_terms.term(loss, output) for loss, output in pairs}
        if not terms:
            raise InputError(_nothing_to_minimize(self.model, False))
        scales = loss_terms.scales(self.loss_weights, [output.name for output in outputs])
        scaled = [t if scales[name] == 1.0 else scales[name] * t for name, t in terms.items()]
        several = len(outputs) > 1
        logs = {f"{name}_loss": one for name, one in terms.items()} if several else {}
        metric_inputs = [bound.inputs(outputs) for bound in self.bound_metrics]
        self._metric_shapes = [(_shape(y), _shape(p)) for y, p, _ in metric_inputs]
        return BatchLoss(sum(scaled[1:], scaled[0]), logs, metric_inputs, _batch_size(batch))

    def _added_only(self, batch: Any, inputs: Any) -> BatchLoss:
        """Return a loss of 0 for a model whose layers add losses."""
        if self.loss is None and not self.bound_metrics:
            call_on(self.model, inputs)
            if has_added_losses():
                return BatchLoss(jnp.zeros(()), {}, [], _batch_size(batch))
        raise InputError(_nothing_to_minimize(self.model, self.loss is None))


def _shape(array: Any) -> Any:
    """Return the shape of an array, for metric states that depend on it."""
    return jax.ShapeDtypeStruct(array.shape, jnp.float32) if hasattr(array, "shape") else None


def _batch_size(batch: Any) -> int:
    shapes = [jnp.shape(leaf) for leaf in leaves_of(batch)]
    return next((shape[0] for shape in shapes if shape), 1)


def _nothing_to_minimize(model: Tracked, no_loss: bool) -> str:
    return explain(
        f"There is nothing to minimize for {type(model).__name__}.",
        where=f"made at {model._lamina.made_at}",
        expected="a loss and labels, or a method train_loss(self, batch)",
        received="no loss" if no_loss else "batches without labels",
        remedy="Pass compile(loss=...)." if no_loss else "Give fit both x and y.",
    )


def _not_scalar(model: Tracked, loss: jax.Array) -> str:
    return explain(
        f"The loss of a batch of {type(model).__name__} is not a scalar.",
        expected="a scalar",
        received=f"an array of shape {loss.shape}",
        remedy="Take its mean: loss.mean().",
    )
