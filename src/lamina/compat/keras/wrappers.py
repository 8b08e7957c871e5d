"""`keras.wrappers`: models as estimators of scikit-learn, which is imported at the first use."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.wrappers",
    {
        "lamina.compat.keras.estimators": (
            "SKLearnClassifier",
            "SKLearnRegressor",
            "SKLearnTransformer",
        )
    },
)
