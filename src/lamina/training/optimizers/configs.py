"""The configs of optimizers: the arguments that they were made with."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lamina.errors import InputError, explain, nearest
from lamina.saving import deserialize, serialize
from lamina.training.optimizers.applying import Applying

if TYPE_CHECKING:
    import optax

__all__ = ["from_config", "with_config"]

F = TypeVar("F", bound="Callable[..., optax.GradientTransformation]")

_DEFAULTS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
"""The options of all optimizers."""

_NAMES = {
    "adamw": "AdamW",
    "loss_scale_optimizer": "LossScaleOptimizer",
    "rmsprop": "RMSprop",
    "schedule_free_adamw": "ScheduleFreeAdamW",
    "sgd": "SGD",
}
"""The names of Keras that are not capitalized words."""


def with_config(make: F) -> F:
    """Give what a function makes a method `get_config`, and the function a `from_config`.

    Args:
        make: a function that makes an optax transformation from options.

    Returns:
        The function, with the same signature.
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        _warn_of_decay(kwargs.pop("decay", None))
        transformation = make(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        options: dict[str, Any] = {"name": make.__name__}
        if "options" in signature.parameters:
            options |= {**_DEFAULTS, **given.pop("options", {})}
        described: Any = _described(type(transformation), made)(*transformation)
        vars(described).update(getattr(transformation, "__dict__", {}))
        described.make, described.options = made, options | given
        return described

    made.from_config = functools.partial(from_config, made)  # pyright: ignore
    return cast(F, made)


def _warn_of_decay(decay: Any) -> None:
    """Warn of an argument of older versions of Keras, which newer ones ignore, too."""
    if decay:
        warnings.warn(
            explain(
                "The argument decay of optimizers has no effect.",
                received=repr(decay),
                remedy="Pass a schedule as learning_rate, such as InverseTimeDecay.",
            ),
            UserWarning,
            stacklevel=3,
        )


@functools.cache
def _described(kind: type, make: Any) -> type:
    """The class of optax's transformations with a config, under the name of Keras."""
    name: str = make.__name__
    body: dict[str, Any] = {
        "__module__": "lamina.compat.tf.keras.optimizers",
        "__reduce__": _made_again,
        "get_config": _get_config,
        "from_config": staticmethod(functools.partial(from_config, make)),
    }
    return type(_NAMES.get(name, name.capitalize()), (Applying, kind), body)


def _made_again(optimizer: Any) -> Any:
    """Pickle the optimizer as its function and options; transformations cannot be pickled."""
    return functools.partial(optimizer.make, **optimizer.options), ()


def _get_config(optimizer: Any) -> dict[str, Any]:
    """Return the options of the optimizer, with the keys of Keras, as plain JSON."""
    return {name: serialize(value) for name, value in optimizer.options.items()}


def from_config(make: Callable[..., Any], config: Mapping[str, Any]) -> Any:
    """Make an optimizer from a config.

    Args:
        make: the function that makes the optimizer, such as `adam`.
        config: the result of `get_config`, of Lamina or of Keras. Options of Keras that Lamina does
            not have are ignored where they are None or False.

    Returns:
        The optimizer.

    Raises:
        InputError: the optimizer has no such option.
    """
    known = [*inspect.signature(make).parameters, *_DEFAULTS, "name"]
    given = {name: deserialize(value) for name, value in config.items()}
    used = [
        name for name, value in given.items() if name not in known and value not in (None, False)
    ]
    if used:
        raise InputError(
            explain(
                "The optimizer has no such option.",
                expected=", ".join(name for name in known if name != "options"),
                received=f"{used[0]}={given[used[0]]!r}",
                remedy=nearest(used[0], known),
            )
        )
    return make(**{name: value for name, value in given.items() if name in known})
