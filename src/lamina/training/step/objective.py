"""What is minimised: a batch goes in, a loss and what is told about it come out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina import losses
from lamina.core.base.pytrees import leaves_of
from lamina.core.running.added_losses import noted, penalties
from lamina.core.running.masks import noted_mask
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.losses import Loss
from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import spread
from lamina.metrics import FunctionMetric, LossMetric, Metric, State
from lamina.training.step.metric_bindings import Judge, judges
from lamina.training.step.outputs import Output, by_output, check_count, counted, outputs_of

__all__ = ["Objective", "Verdict", "call_on", "never_reached", "unpack"]


class Verdict(NamedTuple):
    """What one batch came to; `parts` are labels, outputs and weights for each metric."""

    loss: jax.Array
    logs: dict[str, jax.Array]
    parts: list[tuple[Any, Any, Any]]
    size: Any


def unpack(batch: Any) -> tuple[Any, Any, Any]:
    """The inputs, labels and sample weights of a batch; those not there are None."""
    if not isinstance(batch, tuple):
        return batch, None, None
    given = cast(tuple[Any, ...], batch)
    if not 1 <= len(given) <= 3:
        raise InputError(
            explain(
                "A batch is a tuple of a length that means nothing.",
                expected="inputs, (inputs, labels) or (inputs, labels, sample weights)",
                received=f"a tuple of {len(given)}",
                remedy="Put several inputs into a dict or a list of their own: ([a, b], y).",
            )
        )
    return (*given, None, None)[:3]  # pyright: ignore[reportReturnType]


def call_on(layer: Tracked, inputs: Any) -> Any:
    """Call a layer on the inputs of a batch.

    Where its `call` must have several inputs, a tuple or list is spread over them, and a dict
    goes by name; otherwise the inputs are one argument.
    """
    info = method_of(type(layer), "call")
    parameters = info.signature.parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind in (0, 1, 3)]
    call: Callable[..., Any] = cast(Any, layer)
    if isinstance(inputs, dict) and set(required) <= set(cast(dict[str, Any], inputs)) and required:
        return call(**inputs)
    if isinstance(inputs, list | tuple) and len(required) > 1:
        return call(*cast(Sequence[Any], inputs))
    return call(inputs)


class Objective:
    """The loss of a batch, with what layers add to it, and its metrics.

    Args:
        layer: what is trained.
        loss: a name, a :class:`lamina.losses.Loss` or a function ``(y_true, y_pred)``; for several
            outputs, one for all, or a dict by name, or a list in their order.
        metrics: the same, told beside the loss.
        train_loss: a function of the whole batch, instead of `loss`, which gives a scalar, or a
            scalar and a dict of more to tell.
        loss_weights: what the loss of each output counts in the sum.
        weighted_metrics: metrics in which sample weights count.
        names: of the outputs, where the model gives a list.
    """

    def __init__(
        self,
        layer: Tracked,
        loss: Any = None,
        metrics: Any = (),
        train_loss: Callable[[Any], Any] | None = None,
        loss_weights: Any = None,
        weighted_metrics: Any = (),
        names: Sequence[str] | None = None,
    ) -> None:
        self.layer = layer
        self.loss = _losses(loss)
        self.loss_weights = loss_weights
        self.train_loss = train_loss
        self.names = names
        self.judges: list[Judge] = judges(metrics, weighted_metrics, _known(loss, names))
        self.metrics = [judge.metric for judge in self.judges]
        self.log_names: tuple[str, ...] = ()
        self._kept: Any = None
        self._adds = False
        self._forms: list[tuple[Any, Any]] = []

    def __call__(self, batch: Any) -> Verdict:
        """Judge a batch, within a call of the layer."""
        own = self.train_loss is not None
        verdict = self._own(batch) if own else self._usual(batch, self._kept)
        self._adds = bool(noted())
        loss = jnp.asarray(verdict.loss)
        if loss.shape != ():
            raise InputError(_no_number(self.layer, loss))
        scope = current()
        if scope is not None and scope.training:
            self.log_names = tuple(verdict.logs)
        return verdict._replace(loss=sum([*noted(), *penalties(self.layer)], loss))

    @contextlib.contextmanager
    def keeping(self, kept: Any) -> Generator[None]:
        """While it lasts, only the examples that `kept` says are judged; None is all."""
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None

    def no_counts(self) -> tuple[State, ...]:
        """The states of the metrics before any batch."""
        forms = self._forms or [(None, None)] * len(self.metrics)
        pairs: Any = zip(self.metrics, forms, strict=True)
        return tuple([one.init(*form) if one.shaped else one.init() for one, form in pairs])

    @property
    def can_leave_out(self) -> bool:
        """Whether examples can be left out: losses and metrics are sums over examples."""
        if self.train_loss is not None or self.loss is None or self._adds:
            return False
        given = self.loss.values() if isinstance(self.loss, dict) else self.loss
        listed = [given] if isinstance(given, Loss) else [one for one in given if one is not None]
        usual = all(type(one).__call__ is Loss.__call__ for one in listed)
        return usual and all(_counts_by_weight(metric) for metric in self.metrics)

    def direction(self, name: str) -> str | None:
        """Whether a log is better up or down; None where that cannot be said."""
        if name == "loss" or (name.endswith("_loss") and name in self.log_names):
            return "down"
        return next((j.metric.direction for j in self.judges if j.name == name), None)

    def _own(self, batch: Any) -> Verdict:
        assert self.train_loss is not None
        if self.judges:
            raise InputError(
                explain(
                    "Metrics do not go with a train_loss of one's own: it alone sees the outputs.",
                    expected="compile without metrics",
                    received=", ".join(judge.name for judge in self.judges),
                    remedy="Return them beside the loss: return loss, {'name': value}.",
                )
            )
        given: Any = self.train_loss(batch)
        pair = cast(tuple[Any, dict[str, Any]], given if isinstance(given, tuple) else (given, {}))
        loss, told = pair
        logs = {name: jnp.mean(jnp.asarray(value)) for name, value in told.items()}
        return Verdict(loss, logs, [], _size(batch))

    def _usual(self, batch: Any, kept: Any) -> Verdict:
        inputs, labels, weights = unpack(batch)
        if self.loss is None or labels is None:
            return self._added_alone(batch, inputs)
        found = call_on(self.layer, inputs)
        _, masks = noted_mask(self.layer)
        outputs = outputs_of(found, labels, weights, self.names, masks)
        several = len(outputs) > 1
        terms = {of.name: _term(one, of, kept) for one, of in self.paired(outputs)}
        if not terms:
            raise InputError(_nothing_to_minimise(self.layer, False))
        scales = self._scales([output.name for output in outputs])
        scaled = [term if scales[n] == 1.0 else scales[n] * term for n, term in terms.items()]
        logs = {f"{name}_loss": term for name, term in terms.items()} if several else {}
        parts = [judge.part(outputs, kept) for judge in self.judges]
        self._forms = [(_form(y), _form(p)) for y, p, _ in parts]
        size = _size(batch) if kept is None else jnp.sum(kept)
        return Verdict(sum(scaled[1:], scaled[0]), logs, parts, size)

    def _added_alone(self, batch: Any, inputs: Any) -> Verdict:
        """Nothing but what the layers themselves add to the loss."""
        if self.loss is None and not self.judges:
            call_on(self.layer, inputs)
            if noted():
                return Verdict(jnp.zeros(()), {}, [], _size(batch))
        raise InputError(_nothing_to_minimise(self.layer, self.loss is None))

    def paired(self, outputs: list[Output]) -> list[tuple[Loss, Output]]:
        """Each output that has a loss and labels, with its loss."""
        names = [output.name for output in outputs]
        if isinstance(self.loss, Loss):
            by_name = dict.fromkeys(names, self.loss)
        elif names == [""] and self.loss is not None and len(self.loss) == 1:
            (only,) = self.loss.values() if isinstance(self.loss, dict) else self.loss
            by_name = {"": only}
        else:
            by_name = by_output("losses", self.loss, names)
        pairs = [(by_name.get(output.name), output) for output in outputs]
        return [(one, of) for one, of in pairs if one is not None and of.labels is not None]

    def _scales(self, names: list[str]) -> dict[str, float]:
        if self.loss_weights is None:
            return dict.fromkeys(names, 1.0)
        given = by_output("loss_weights", self.loss_weights, names)
        return {name: float(given.get(name, 1.0)) for name in names}


def _term(loss: Loss, output: Output, kept: Any) -> jax.Array:
    check_count(output)
    usual = type(loss).__call__ is Loss.__call__
    if kept is None and (output.mask is None or not usual):
        return loss(output.labels, output.values, output.weights)
    values = loss.per_example(output.labels, output.values)
    if output.mask is not None and output.mask.ndim > values.ndim:  # a loss of whole examples
        output = output._replace(mask=None)
    rows = counted(output, loss.mask(output.labels, output.values), kept)
    mask = None if rows is None else spread(rows, values)
    return losses.reduce(values, output.weights, mask, loss.reduction)


def _counts_by_weight(metric: Metric) -> bool:
    """Whether what has no weight surely does not count: not where a user's function is asked."""
    own = type(metric).__module__.startswith("lamina.")
    asks = isinstance(metric, FunctionMetric | LossMetric)
    return own and (not asks or isinstance(getattr(metric, "loss", None), BuiltIn))


def _form(array: Any) -> Any:
    """What the shape of an array is, for a state that depends on it."""
    return jax.ShapeDtypeStruct(array.shape, jnp.float32) if hasattr(array, "shape") else None


def _losses(given: Any) -> Loss | dict[str, Loss | None] | list[Loss | None] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        items = cast(Mapping[str, Any], given).items()
        return {name: _loss(one) for name, one in items}
    if isinstance(given, list | tuple):
        return [_loss(one) for one in cast(Sequence[Any], given)]
    return losses.get(given)


def _loss(given: Any) -> Loss | None:
    """The loss of one output, which may stand in a list of its own."""
    listed = list(cast(Sequence[Any], given)) if isinstance(given, list | tuple) else [given]
    one: Any = listed[0] if len(listed) == 1 else listed
    return None if one is None else losses.get(one)


def _known(loss: Any, names: Sequence[str] | None) -> list[str] | None:
    """The names of several outputs, as far as the losses tell them."""
    if isinstance(loss, Mapping):
        return list(cast(Mapping[str, Any], loss))
    if names is not None:
        return list(names)
    if isinstance(loss, list | tuple):
        return [f"output_{index}" for index in range(len(cast(Sequence[Any], loss)))]
    return None


def _size(batch: Any) -> int:
    """The number of examples, by which a batch counts in the mean of an epoch."""
    shapes = [jnp.shape(leaf) for leaf in leaves_of(batch)]
    return next((shape[0] for shape in shapes if shape), 1)


def _nothing_to_minimise(layer: Tracked, no_loss: bool) -> str:
    return explain(
        f"There is nothing to minimise for {type(layer).__name__}.",
        where=f"made at {layer._lamina.made_at}",
        expected="a loss and labels, or a method train_loss(self, batch)",
        received="no loss" if no_loss else "batches without labels",
        remedy="Pass compile(loss=...)." if no_loss else "Give fit both x and y.",
    )


def _no_number(layer: Tracked, loss: jax.Array) -> str:
    return explain(
        f"The loss of a batch of {type(layer).__name__} is not one number.",
        expected="a scalar",
        received=f"an array of shape {loss.shape}",
        remedy="Take its mean: loss.mean().",
    )


def never_reached(layer: Tracked, paths: list[str]) -> str:
    """What is told of layers that stand in the tree for nothing."""
    return explain(
        f"{type(layer).__name__} has layers that no call reaches, and that so do "
        f"not learn: {', '.join(paths)}.",
        where=f"made at {layer._lamina.made_at}",
        expected="a call of each layer that is tracked",
        received="none in training",
        remedy="Use them in call, or remove them.",
    )
