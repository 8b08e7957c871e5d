"""`tf.keras.metrics`: Lamina's metrics, which here can also keep a running state as Keras's do."""

from __future__ import annotations

import functools
from typing import Any, cast

from lamina import metrics as _metrics
from lamina.compat.tf.missing import missing
from lamina.compat.tf.tensors import is_traced
from lamina.errors import TraceError, explain

__all__ = ["Running"]


class Running(_metrics.Metric):
    """What each metric of `tf.keras.metrics` is, too: one with a state of its own.

    With a `dtype` its results are of that; sums are float32 all the same.

    >>> from lamina.compat import tf
    >>> mean = tf.keras.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.result().item()
    2.0
    """

    _state: Any = None
    _dtype: Any = None

    def __init__(self, *args: Any, dtype: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dtype = dtype

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Count one more batch; from the state on it is as `update` of a metric of Lamina's."""
        state = self.init() if self._state is None else self._state
        found = self.update(state, y_true, y_pred, sample_weight=sample_weight)
        if any(map(is_traced, found)):
            raise TraceError(
                explain(
                    f"{self.name} was updated while JAX traces: its state would not outlive that.",
                    expected="update_state on values known by then",
                    received="values of a compiled function",
                    remedy="Return the values and update outside, or pass metrics to compile.",
                )
            )
        self._state = found

    def __call__(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> Any:
        """Count one more batch; what all batches come to so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def result(self, state: Any = None) -> Any:
        """What all batches come to so far, or those of a given state."""
        own = self.init() if self._state is None else self._state
        found = super().result(own if state is None else state)
        return found if self._dtype is None else found.astype(self._dtype)

    def reset_state(self) -> None:
        """Begin anew."""
        self._state = None

    reset_states = reset_state


@functools.cache
def _running(kind: type[_metrics.Metric]) -> type[Running]:
    return type(kind.__name__, (Running, kind), {"__module__": __name__, "__doc__": kind.__doc__})


def __getattr__(name: str) -> Any:
    found: Any = getattr(_metrics, name, None)
    if name.startswith("_") or found is None:
        raise missing("tf.keras.metrics", name, _metrics.__all__)
    if isinstance(found, type) and issubclass(cast("type[object]", found), _metrics.Metric):
        return _running(found)
    return found
