"""`tf.keras.optimizers`: the optimizers by the names of Keras, as optax transformations.

`compile` and `Trainer` accept them; in a custom training loop they are used as in optax. Updates
equal those of Keras.
"""

from __future__ import annotations

from typing import Any

from lamina.compat.tf.keras import schedules
from lamina.compat.tf.missing import missing
from lamina.training.optimizers import definitions

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "ScheduleFreeAdamW",
    "schedules",
]

SGD = definitions.sgd
Adadelta = definitions.adadelta
Adafactor = definitions.adafactor
Adagrad = definitions.adagrad
Adam = definitions.adam
AdamW = definitions.adamw
Adamax = definitions.adamax
Ftrl = definitions.ftrl
Lamb = definitions.lamb
Lion = definitions.lion
Muon = definitions.muon
Nadam = definitions.nadam
RMSprop = definitions.rmsprop
ScheduleFreeAdamW = definitions.schedule_free_adamw


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers", name, __all__)
