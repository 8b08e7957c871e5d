"""What is minimised: a batch goes in, a loss and what is told about it come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina import losses, metrics
from lamina.core.node import Tracked
from lamina.core.scope import SCOPE
from lamina.core.signature import method_of
from lamina.core.trees import leaves_of
from lamina.errors import InputError, explain
from lamina.metrics import Metric

__all__ = ["Objective", "Verdict", "call_on", "unpack"]


class Verdict(NamedTuple):
    """What one batch came to; `parts` is (labels, outputs), or None."""

    loss: jax.Array
    logs: dict[str, jax.Array]
    parts: Any
    size: int


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
    """The loss of a batch, and its metrics.

    Args:
        layer: what is trained.
        loss: a name, a :class:`lamina.losses.Loss` or a function ``(y_true, y_pred)``.
        metrics: the same, told beside the loss.
        train_loss: a function of the whole batch, instead of `loss`, which gives a scalar, or a
            scalar and a dict of more to tell.
    """

    def __init__(
        self,
        layer: Tracked,
        loss: Any = None,
        metrics: Sequence[Any] = (),
        train_loss: Callable[[Any], Any] | None = None,
    ) -> None:
        self.layer = layer
        self.loss = None if loss is None else losses.get(loss)
        self.metrics: list[Metric] = [_metric(given) for given in metrics]
        self.train_loss = train_loss
        self.log_names: tuple[str, ...] = ()
        _no_twins([metric.name for metric in self.metrics])

    def __call__(self, batch: Any) -> Verdict:
        """Judge a batch, within a call of the layer."""
        verdict = self._own(batch) if self.train_loss is not None else self._usual(batch)
        loss = jnp.asarray(verdict.loss)
        if loss.shape != ():
            raise InputError(
                explain(
                    f"The loss of a batch of {type(self.layer).__name__} is not one number.",
                    expected="a scalar",
                    received=f"an array of shape {loss.shape}",
                    remedy="Take its mean: loss.mean().",
                )
            )
        scope = SCOPE.get()
        if scope is not None and scope.training:
            self.log_names = tuple(verdict.logs)
        return verdict._replace(loss=loss)

    def _own(self, batch: Any) -> Verdict:
        assert self.train_loss is not None
        given: Any = self.train_loss(batch)
        pair = cast(tuple[Any, dict[str, Any]], given if isinstance(given, tuple) else (given, {}))
        loss, told = pair
        logs = {name: jnp.mean(jnp.asarray(value)) for name, value in told.items()}
        return Verdict(loss, logs, None, _size(batch))

    def _usual(self, batch: Any) -> Verdict:
        inputs, labels, weights = unpack(batch)
        if self.loss is None or labels is None:
            raise InputError(_nothing_to_minimise(self.layer, self.loss is None))
        outputs = call_on(self.layer, inputs)
        _same_count(labels, outputs)
        loss = self.loss(labels, outputs, weights)
        return Verdict(loss, {}, (labels, outputs), _size(batch))


def _metric(given: Any) -> Metric:
    return metrics.get(given)


def _size(batch: Any) -> int:
    """The number of examples, by which a batch counts in the mean of an epoch."""
    shapes = [jnp.shape(leaf) for leaf in leaves_of(batch)]
    return next((shape[0] for shape in shapes if shape), 1)


def _no_twins(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1 or name == "loss"})
    if twice:
        raise InputError(
            explain(
                f"Two metrics are called {twice[0]!r}.",
                expected="a name of its own for each, other than 'loss'",
                received=", ".join(names),
                remedy="Give one a name: lamina.metrics.Accuracy(name='other').",
            )
        )


def _same_count(labels: Any, outputs: Any) -> None:
    one, other = jnp.shape(labels), jnp.shape(outputs) if hasattr(outputs, "shape") else None
    if one and other and one[0] != other[0]:
        raise InputError(
            explain(
                "A batch has not as many labels as outputs.",
                expected=f"{other[0]} labels, for outputs of shape {other}",
                received=f"labels of shape {one}",
                remedy="Give one label, or row of labels, for each example.",
            )
        )


def _nothing_to_minimise(layer: Tracked, no_loss: bool) -> str:
    return explain(
        f"There is nothing to minimise for {type(layer).__name__}.",
        where=f"made at {layer._lamina.made_at}",
        expected="a loss and labels, or a method train_loss(self, batch)",
        received="no loss" if no_loss else "batches without labels",
        remedy="Pass compile(loss=...)." if no_loss else "Give fit both x and y.",
    )
