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
from lamina.training.optimizers.configs import kind_of

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

SGD = kind_of(definitions.sgd)
Adadelta = kind_of(definitions.adadelta)
Adafactor = kind_of(factored.adafactor)
Adagrad = kind_of(definitions.adagrad)
Adam = kind_of(adam.adam)
AdamW = kind_of(adam.adamw)
Adamax = kind_of(adam.adamax)
Ftrl = kind_of(proximal.ftrl)
Lamb = kind_of(adam.lamb)
Lion = kind_of(definitions.lion)
LossScaleOptimizer = kind_of(loss_scale.loss_scale_optimizer)
Muon = kind_of(orthogonal.muon)
Nadam = kind_of(adam.nadam)
RMSprop = kind_of(definitions.rmsprop)
ScheduleFreeAdamW = kind_of(schedule_free.schedule_free_adamw)


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers", name, __all__)
