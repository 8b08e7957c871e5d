"""`tf.keras.optimizers`: the optimizers by the names of Keras, as optax transformations.

`compile` and `Trainer` accept them; in a custom training loop they are used as in optax. Updates
equal those of Keras.
"""

from __future__ import annotations

from typing import Any

from lamina.compat.tf.keras import schedules
from lamina.compat.tf.missing import missing
from lamina.training.optimizers import adam, definitions, loss_scale

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Nadam",
    "RMSprop",
    "schedules",
]

SGD = definitions.sgd
Adadelta = definitions.adadelta
Adafactor = definitions.adafactor
Adagrad = definitions.adagrad
Adam = adam.adam
AdamW = adam.adamw
Adamax = adam.adamax
Lamb = adam.lamb
Lion = definitions.lion
LossScaleOptimizer = loss_scale.loss_scale_optimizer
Nadam = adam.nadam
RMSprop = definitions.rmsprop


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers", name, __all__)
