"""`tf.keras.metrics`: Lamina's metrics with an internal state, as in Keras."""

from __future__ import annotations

import functools
from typing import Any, cast

from lamina import metrics as _metrics
from lamina.compat.tf.missing import missing
from lamina.compat.tf.tensors import is_traced
from lamina.errors import TraceError, explain

__all__ = ["Running"]


class Running(_metrics.Metric):
    """The base class of all metrics in `tf.keras.metrics`, with an internal state.

    >>> from lamina.compat import tf
    >>> mean = tf.keras.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.result().item()
    2.0
    """

    _state: Any = None

    @property
    def variables(self) -> list[Any]:
        """The accumulators of the state, as arrays."""
        return list(self.init() if self._state is None else self._state)

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add a batch to the state.

        Args:
            y_true: labels, or values for `Mean` and similar metrics.
            y_pred: predictions.
            sample_weight: weights of the samples.

        Raises:
            TraceError: the values are tracers.
        """
        state = self.init() if self._state is None else self._state
        found = self.update(state, y_true, y_pred, sample_weight=sample_weight)
        if any(map(is_traced, found)):
            raise TraceError(
                explain(
                    f"{self.name} was updated in a traced function, which cannot change its state.",
                    expected="update_state with concrete values",
                    received="values of a compiled function",
                    remedy="Return the values and update the metric later, or pass it to compile.",
                )
            )
        self._state = found

    def __call__(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> Any:
        """Add a batch to the state and return the result."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def result(self, state: Any = None) -> Any:
        """The result of all batches, or of a given state."""
        own = self.init() if self._state is None else self._state
        return super().result(own if state is None else state)

    def reset_state(self) -> None:
        """Reset the state."""
        self._state = None

    reset_states = reset_state

    def _restarted(self, state: Any, initial: Any) -> Any:
        if type(self).reset_state is Running.reset_state:
            return initial
        own, self._state = self._state, state
        try:
            self.reset_state()
            return initial if self._state is None else self._state
        finally:
            self._state = own


@functools.cache
def _running(kind: type[_metrics.Metric]) -> type[Running]:
    body = {"__module__": __name__, "__doc__": kind.__doc__, "_saved_as": kind}
    return type(kind.__name__, (Running, kind), body)


def __getattr__(name: str) -> Any:
    found: Any = getattr(_metrics, name, None)
    if name.startswith("_") or found is None:
        raise missing("tf.keras.metrics", name, _metrics.__all__)
    if isinstance(found, type) and issubclass(cast("type[object]", found), _metrics.Metric):
        return _running(found)
    return found
