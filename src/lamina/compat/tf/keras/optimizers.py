"""`tf.keras.optimizers`: the optimizers by the names of Keras, as optax transformations.

`compile` and `Trainer` accept them; in a custom training loop they are used as in optax. Updates
equal those of Keras.
"""

from __future__ import annotations

from typing import Any

from lamina.compat.tf.keras import schedules
from lamina.compat.tf.missing import missing
from lamina.training.optimizers import (
    adam,
    definitions,
    factored,
    loss_scale,
    orthogonal,
    proximal,
    schedule_free,
)

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
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "RMSprop",
    "ScheduleFreeAdamW",
    "schedules",
]

SGD = definitions.sgd
Adadelta = definitions.adadelta
Adafactor = factored.adafactor
Adagrad = definitions.adagrad
Adam = adam.adam
AdamW = adam.adamw
Adamax = adam.adamax
Ftrl = proximal.ftrl
Lamb = adam.lamb
Lion = definitions.lion
LossScaleOptimizer = loss_scale.loss_scale_optimizer
Muon = orthogonal.muon
Nadam = adam.nadam
RMSprop = definitions.rmsprop
ScheduleFreeAdamW = schedule_free.schedule_free_adamw


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers", name, __all__)
