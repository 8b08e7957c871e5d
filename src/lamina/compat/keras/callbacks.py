"""`keras.callbacks`: Lamina's callbacks; those that monitor a log only warn where it is missing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from lamina.compat.keras.forwarding import forwarded
from lamina.errors import InputError
from lamina.training import callbacks

__all__ = ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"]


class _Warns:
    """A monitored log that is missing is a warning, as in Keras, rather than an error."""

    monitor: str

    def current(self, logs: Mapping[str, Any] | None) -> float | None:
        try:
            return super().current(logs)  # type: ignore[misc]
        except InputError as error:
            if self.monitor in (logs or {}):
                raise
            warnings.warn(str(error), UserWarning, stacklevel=2)
            return None

    def _check_names(self, names: Any) -> None:
        if not names.exclude(self.monitor):
            super()._check_names(names)  # type: ignore[misc]


class EarlyStopping(_Warns, callbacks.EarlyStopping):
    """See :class:`lamina.callbacks.EarlyStopping`."""


class ModelCheckpoint(_Warns, callbacks.ModelCheckpoint):
    """See :class:`lamina.callbacks.ModelCheckpoint`."""


class ReduceLROnPlateau(_Warns, callbacks.ReduceLROnPlateau):
    """See :class:`lamina.callbacks.ReduceLROnPlateau`."""


_OTHERS = [name for name in callbacks.__all__ if name not in __all__]

__getattr__, __dir__ = forwarded(
    "keras.callbacks",
    {
        __name__: __all__,
        "lamina.compat.keras.monitors": ("ProgbarLogger", "RemoteMonitor"),
        "lamina.training.callbacks": _OTHERS,
    },
)
