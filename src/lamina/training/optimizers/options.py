"""The options that all optimizers have in Keras, around any optax transformation."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_pairs
from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.clipping import Clipping, clipped
from lamina.training.optimizers.excluded import Excluded
from lamina.training.optimizers.learning_rate import of_step
from lamina.training.optimizers.loss_scale import DynamicLossScale
from lamina.training.optimizers.weight_averages import weight_averages

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = [
    "LearningRate",
    "OptimizerOptions",
    "SharedOptions",
    "Transformation",
    "check_share",
    "made",
    "with_options",
    "with_weight_decay",
]

LearningRate: TypeAlias = float | Callable[[Any], Any]
"""A number, or a schedule: a function of the step."""


class SharedOptions(Clipping, total=False):
    """The options of all optimizers but weight decay.

    Args:
        use_ema: keep an exponential moving average of the weights, which replaces them at the end
            of `fit`. Default False.
        ema_momentum: the decay rate of that moving average, in [0, 1). Default 0.99.
        ema_overwrite_frequency: the number of updates after which the weights are replaced by
            their averages, each time. Default None: at the end of `fit` only.
        loss_scale_factor: the factor of the loss before gradients are computed, which are divided
            by it. Default None: 1.
        gradient_accumulation_steps: the number of batches whose mean gradient makes one update.
            Default None: 1.
    """

    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None


class OptimizerOptions(SharedOptions, total=False):
    """The options of all optimizers; those of :class:`SharedOptions`, and weight decay.

    Args:
        weight_decay: each update subtracts ``learning_rate weight_decay w`` from a weight w.
            Default None: no decay.
    """

    weight_decay: float | None


def check_share(name: str, value: Any, positive: bool = False) -> None:
    """Check that an option is in [0, 1], or in (0, 1] if it must be positive.

    Raises:
        InputError: it is not.
    """
    if not 0 <= value <= 1 or (positive and value == 0):
        raise InputError(
            explain(
                f"{name} is not in {'(' if positive else '['}0, 1].",
                received=repr(value),
                remedy=f"Give {name.partition(' of ')[0]}=0.9, for example.",
            )
        )


class _Transformation(NamedTuple):
    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class Transformation(_Transformation):
    """An optax transformation, and what else is known of it.

    Attributes:
        loss_scale: the step of training multiplies the loss by it, and divides the gradients by it;
            None for none.
        excluded: the weights without weight decay; None where there is no weight decay.
    """

    loss_scale: float | None = None
    excluded: Excluded | None = None


def with_options(
    optimizer: optax.GradientTransformation, options: Mapping[str, Any]
) -> optax.GradientTransformation:
    """Add clipping, accumulation of gradients, averages of weights and a scale of the loss.

    Args:
        optimizer: an optax transformation.
        options: of :class:`OptimizerOptions`; weight decay is a part of the transformation.

    Raises:
        TypeError: there is an unknown option.
        InputError: an option is invalid.
    """
    unknown = set(options) - OptimizerOptions.__optional_keys__
    if unknown:
        raise TypeError(f"an optimizer has no argument {min(unknown)!r}")
    if isinstance(optimizer, DynamicLossScale):  # it must see gradients that are not clipped
        given = any(value is not None for value in options.values())
        inner: Any = optimizer.inner_optimizer
        return optimizer.with_inner(with_options(inner, options)) if given else optimizer
    scale = options.get("loss_scale_factor") or getattr(optimizer, "loss_scale", None)
    accumulated = options.get("gradient_accumulation_steps")
    batches = 1
    whole = clipped(optimizer, {name: options.get(name) for name in Clipping.__optional_keys__})
    if accumulated is not None:
        batches = as_count("gradient_accumulation_steps", accumulated, example=4)
        accumulating: Any = optax.MultiSteps(whole, batches)
        whole = accumulating.gradient_transformation()
    if options.get("use_ema"):
        frequency = options.get("ema_overwrite_frequency")
        averages = weight_averages(options.get("ema_momentum", 0.99), frequency, batches)
        whole = optax.chain(whole, averages)
    return whole if scale is None else _scaled(whole, scale)


def _scaled(optimizer: Any, scale: float) -> optax.GradientTransformation:
    if isinstance(scale, bool) or not scale > 0:
        raise InputError(
            explain(
                "loss_scale_factor is not a positive number.",
                received=repr(scale),
                remedy="Pass loss_scale_factor=1024.0, for example.",
            )
        )
    scaled = Transformation(optimizer.init, optimizer.update)
    scaled.loss_scale = float(scale)
    return cast(Any, scaled)


def with_weight_decay(
    optimizer: optax.GradientTransformation,
    learning_rate: Any,
    weight_decay: float,
    excluded: Container[str] = (),
) -> optax.GradientTransformation:
    """Subtract ``learning_rate weight_decay w`` from each weight w before its update.

    Args:
        optimizer: an optax transformation.
        learning_rate: a number, or a scalar of the step.
        weight_decay: the factor.
        excluded: the paths of the weights without decay; none by default.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        def decay(path: Any, weight: jax.Array) -> jax.Array:
            if str(getattr(path[-1] if path else None, "key", "")) in excluded:
                return jnp.zeros_like(weight)
            return (weight * (learning_rate * weight_decay)).astype(weight.dtype)

        decays = cast(Any, jax.tree_util).tree_map_with_path(decay, params)
        shrunk = map_pairs(lambda weight, change: weight - change, params, decays)
        changes, state = optimizer.update(updates, state, shrunk)
        return map_pairs(lambda one, change: one - change, changes, decays), state

    return optax.GradientTransformation(optimizer.init, update)


def made(
    make: Callable[[Any], optax.GradientTransformation],
    learning_rate: Any,
    options: OptimizerOptions,
) -> optax.GradientTransformation:
    """Put the learning rate into the state, where it can be changed, and add the options."""
    decay, excluded = options.get("weight_decay"), Excluded()

    def transformation(learning_rate: Any) -> optax.GradientTransformation:
        plain = make(learning_rate)
        return with_weight_decay(plain, learning_rate, decay, excluded) if decay else plain

    batches = int(options.get("gradient_accumulation_steps") or 1)
    schedule: Any = learning_rate
    if callable(schedule) and batches > 1:  # as in Keras, a schedule counts batches
        of_batch = of_step(schedule)

        def of_update(step: Any) -> Any:
            return of_batch(step * batches + batches - 1)

        learning_rate = of_update
    elif callable(schedule):
        learning_rate = of_step(schedule)
    injected: Any = optax.inject_hyperparams(transformation)
    whole = with_options(injected(learning_rate=learning_rate), options)
    if not decay:
        return whole
    described = Transformation(*whole)
    described.loss_scale, described.excluded = getattr(whole, "loss_scale", None), excluded
    return cast(Any, described)
