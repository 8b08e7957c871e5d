"""Optimizers by name, combined with clipping, gradient accumulation and averages of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.training.optimizers.definitions import OPTIMIZERS
from lamina.training.optimizers.options import LearningRate, with_options

if TYPE_CHECKING:
    import optax

__all__ = ["get", "names"]


def names() -> list[str]:
    """Return the names that :func:`get` accepts, sorted."""
    return sorted(OPTIMIZERS)


def get(
    optimizer: Any,
    *,
    learning_rate: LearningRate | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    gradient_accumulation_steps: int | None = None,
    ema_momentum: float | None = None,
) -> optax.GradientTransformation:
    """Return an optimizer as an optax transformation.

    Args:
        optimizer: a name, such as `"adam"`, or any optax transformation, such as
            ``optax.adam(3e-4)``.
        learning_rate: of an optimizer given by name: a number, which callbacks may change, or a
            schedule. By default 0.01 for `"sgd"` and 0.001 for the others.
        clipnorm: the largest L2 norm of the gradient of each weight.
        clipvalue: the largest absolute value of each element of a gradient.
        global_clipnorm: the largest L2 norm of all gradients together.
        gradient_accumulation_steps: the number of steps whose mean gradient makes one update.
        ema_momentum: in [0, 1); keep moving averages of the weights,
            ``average = ema_momentum average + (1 - ema_momentum) weight``.

    Raises:
        UnknownNameError: there is no optimizer of that name.
        InputError: `optimizer` is neither a name nor an optax transformation, or an option is
            invalid.

    >>> get("adam", global_clipnorm=1.0).init({}) is not None
    True
    """
    options = {
        "clipnorm": clipnorm,
        "clipvalue": clipvalue,
        "global_clipnorm": global_clipnorm,
        "gradient_accumulation_steps": gradient_accumulation_steps,
    }
    if ema_momentum is not None:
        options |= {"use_ema": True, "ema_momentum": ema_momentum}
    return with_options(_resolve(optimizer, learning_rate), options)


def _resolve(optimizer: Any, learning_rate: LearningRate | None) -> Any:
    if isinstance(optimizer, str):
        make = OPTIMIZERS.get(optimizer.lower())
        if make is None:
            raise UnknownNameError(
                explain(
                    f"Unknown optimizer {optimizer!r}.",
                    received=repr(optimizer),
                    remedy=nearest(optimizer.lower(), OPTIMIZERS)
                    + " Any optax transformation is accepted, too.",
                )
            )
        return make() if learning_rate is None else make(learning_rate)
    if not callable(getattr(optimizer, "init", None)) or not hasattr(optimizer, "update"):
        raise InputError(
            explain(
                "The optimizer is neither a name nor an optax transformation.",
                expected="a name, or an optax transformation, such as optax.adam(3e-4)",
                received=repr(optimizer),
                remedy="Pass 'adam', for example.",
            )
        )
    if learning_rate is not None:
        raise InputError(
            explain(
                "learning_rate was passed together with an optax transformation, which has its "
                "own learning rate.",
                expected="an optimizer by name, or a learning rate within the transformation",
                received=f"learning_rate={learning_rate!r}",
                remedy="Pass optax.adam(3e-4), or 'adam' and learning_rate=3e-4.",
            )
        )
    return optimizer
