"""The objective of training: the loss of a batch, and the inputs of its metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling import held_metrics
from lamina.core.tree.cell import Cell, cell_values
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.losses import Loss
from lamina.metrics import Metric, State
from lamina.ops.dense import Product, recorded_products
from lamina.training.data.batches import unpack
from lamina.training.step import loss_terms, metric_bindings
from lamina.training.step.loss_in_blocks import loss_in_blocks
from lamina.training.step.metric_bindings import BoundMetric, MetricsArgument, bind_metrics
from lamina.training.step.model_call import (
    added_losses,
    call_on,
    has_added_losses,
    is_training,
    output_masks,
)
from lamina.training.step.output_structure import OutputPath, places_of
from lamina.training.step.outputs import Output, pair_outputs
from lamina.training.step.placed_losses import PlacedLoss, placed_losses

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


class OwnSteps(Protocol):
    """The steps that the class of a model defines; see :class:`OwnProgram`."""

    guard: Any

    @property
    def has_default_step(self) -> bool: ...

    @property
    def main(self) -> Any: ...

    @property
    def optimizers(self) -> list[Any]: ...

    @property
    def optimizer_cells(self) -> list[Any]: ...

    @property
    def metric_cells(self) -> list[Any]: ...

    def build_optimizers(self, trainable: Sequence[Any]) -> None: ...

    def optimizer_structure(self) -> Any: ...

    def hold(self, holder: Any) -> None: ...

    def settle_scale(self, trace: Callable[[], Any]) -> Any: ...

    def reset_metrics(self) -> None: ...

    def trace(self, batch: Any) -> Any: ...


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
        names: the names of the outputs, in their structure; None if unknown.
    """

    def __init__(
        self,
        model: Tracked,
        loss: loss_terms.LossArgument = None,
        metrics: MetricsArgument = (),
        train_loss: Callable[[Any], Any] | None = None,
        loss_weights: Any = None,
        weighted_metrics: MetricsArgument = (),
        names: Any = None,
    ) -> None:
        self.model = model
        self.loss = loss_terms.resolved(loss)
        self.loss_weights = loss_weights
        self.train_loss = train_loss
        self.own_steps: OwnSteps | None = None  # set by compile
        self.names = names
        self.log_names: tuple[str, ...] = ()
        self._metrics = (
            metric_bindings.resolved(metrics),
            metric_bindings.resolved(weighted_metrics),
        )
        self._metric_shapes: list[tuple[Any, Any]] = []
        self._paths: list[OutputPath] | None = None
        self.bound_metrics: list[BoundMetric] = []
        if names is None:
            self.bound_metrics = bind_metrics(*self._metrics, self._assumed_outputs())
        else:
            with contextlib.suppress(InputError):  # the first call raises it again
                self.log_names = tuple(loss_terms.log_names(self.bind(names)).values())
        metric_bindings.check_names(self.bound_metrics)

    def bind(self, outputs: Any) -> list[PlacedLoss]:
        """Bind the losses and metrics to the outputs of the model, or to their names.

        Returns:
            The losses, each with its place in the outputs.

        Raises:
            InputError: losses, metrics or loss weights do not fit the outputs.
        """
        losses = placed_losses(self.loss, self.loss_weights, outputs, self.names)
        paths = [place.path for place in places_of(outputs)]
        if paths != self._paths:
            self.bound_metrics = bind_metrics(*self._metrics, outputs, self.names)
            metric_bindings.check_names(self.bound_metrics)
            self._paths = paths
        return losses

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, in the order of the logs."""
        return [bound.metric for bound in self.bound_metrics]

    @property
    def knows_outputs(self) -> bool:
        """Whether the structure of the outputs, and so the names of all logs, is known."""
        return self._paths is not None

    def _assumed_outputs(self) -> Any:
        """Return outputs as far as `loss` and `metrics` tell them, before the model is called."""
        given: list[Any] = [*self._metrics, self.loss]
        keyed = [cast("dict[str, Any]", one) for one in given if isinstance(one, dict)]
        if keyed:
            loss = cast("dict[str, Any]", self.loss if isinstance(self.loss, dict) else {})
            return {key: loss.get(key) for one in keyed for key in one}
        several = isinstance(self.loss, list) and len(cast("list[Any]", self.loss)) > 1
        return cast(Any, self.loss) if several else None

    def __call__(self, batch: Any) -> BatchLoss:
        """Compute the loss of a batch, in a call of the model.

        Raises:
            InputError: the loss is no scalar, there is nothing to minimize, or the batch does not
                fit the losses and metrics.
        """
        if self.own_steps is not None:
            return self.own_steps.trace(batch)
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
        if name == "loss" or ("_loss" in name and name in self.log_names):
            return "down"
        return next((b.metric.direction for b in self.bound_metrics if b.name == name), None)

    def labelled_outputs(self, batch: Any, outputs: Any) -> list[tuple[Loss, Output]]:
        """Return the outputs that have a loss and labels, each with its loss."""
        if self.loss is None or outputs is None:
            return []
        _, labels, weights = unpack(batch)
        pairs, single = self._pairs(outputs, labels, weights)
        paths = [output.place.path for output in single]
        return [(one.loss, of) for one, of in pairs if one.path in paths]

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
        cells = [c for c in held_metrics.metrics_variables(self.model) if isinstance(c, Cell)]
        before = [cell.stored() for cell in cells]
        with cell_values(cells, before) as after:
            result: Any = self.train_loss(batch)
        if any(one is not other for one, other in zip(before, after, strict=True)):
            raise InputError(
                explain(
                    f"{type(self.model).__name__}.train_loss updated a metric, whose state it "
                    "cannot change.",
                    where=f"made at {self.model._lamina.made_at}",
                    expected="values in the logs: return loss, {'name': value}",
                    received="update_state of a metric that the model holds",
                    remedy="Return the value; or write compute_loss(self, x, y, y_pred, "
                    "sample_weight), which may update metrics.",
                )
            )
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
        with recorded_products() as products:
            values = call_on(self.model, inputs)
        found = self.of_values(values, labels, weights, products)
        return found._replace(size=_batch_size(batch))

    def of_values(
        self, values: Any, labels: Any, weights: Any, products: Mapping[int, Product]
    ) -> BatchLoss:
        """Compute the loss of outputs, without the losses that layers add.

        Args:
            values: the outputs of the model.
            labels: the labels.
            weights: the sample weights; None without any.
            products: the matrix products whose results are outputs, by identity.
        """
        pairs, outputs = self._pairs(values, labels, weights, output_masks(values))
        if not pairs:
            raise InputError(_nothing_to_minimize(self.model, False))
        scaled: list[Any] = []
        of_metrics = outputs
        terms: dict[OutputPath, Any] = {}
        for loss, output in pairs:
            value, seen = self._term(loss.loss, output, outputs, products.get(id(output.values)))
            of_metrics = [seen if one is output else one for one in of_metrics]
            scaled.append(loss.scale * value if loss.scale != 1.0 else value)
            terms[loss.path] = terms[loss.path] + value if loss.path in terms else value
        names = loss_terms.log_names([loss for loss, _ in pairs])
        logs = {name: terms[path] for path, name in names.items()}
        metric_inputs = [bound.inputs(of_metrics) for bound in self.bound_metrics]
        self._metric_shapes = [(_shape(y), _shape(p)) for y, p, _ in metric_inputs]
        total: Any = sum(scaled[1:], scaled[0])
        return BatchLoss(total, logs, metric_inputs, _batch_size(labels))

    def inputs_of_metrics(self, values: Any, labels: Any, weights: Any) -> list[Any]:
        """Return labels, outputs and sample weights for each of `bound_metrics`."""
        self.bind(values)
        outputs = pair_outputs(values, labels, weights, self.names, output_masks(values))
        return [bound.inputs(outputs) for bound in self.bound_metrics]

    def _term(
        self, loss: Loss, output: Output, outputs: list[Output], product: Product | None
    ) -> tuple[jax.Array, Output]:
        """Return the loss of one output, and the output in the form that its metrics read."""
        if product is not None:
            metrics = [one.metric for one in self.bound_metrics if outputs[one.output] is output]
            in_blocks = loss_in_blocks(loss, output, product, metrics)
            if in_blocks is not None:
                return in_blocks
        return loss_terms.term(loss, output), output

    def _pairs(
        self, values: Any, labels: Any, weights: Any, masks: Any = None
    ) -> tuple[list[tuple[PlacedLoss, Output]], list[Output]]:
        """Return the losses whose outputs have labels, with these; and all outputs."""
        losses = self.bind(values)
        labels = loss_terms.with_missing_labels(labels, losses, places_of(values))
        outputs = pair_outputs(values, labels, weights, self.names, masks)
        return loss_terms.with_outputs(losses, outputs, values), outputs

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
        remedy="Pass compile(loss=...)." if no_loss else "Pass both x and y to fit.",
    )


def _not_scalar(model: Tracked, loss: jax.Array) -> str:
    return explain(
        f"The loss of a batch of {type(model).__name__} is not a scalar.",
        expected="a scalar",
        received=f"an array of shape {loss.shape}",
        remedy="Take its mean: loss.mean().",
    )
