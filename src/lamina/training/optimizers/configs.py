"""The configs of optimizers: the arguments that they were made with."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from lamina.errors import InputError, explain, nearest
from lamina.saving import deserialize, serialize
from lamina.training.optimizers.applying import Applying

if TYPE_CHECKING:
    import optax

__all__ = ["from_config", "kind_of", "with_config"]

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


def with_config(make: F, base: type[Applying] = Applying) -> F:
    """Make a class of optimizers, as Keras has it, of a function that makes a transformation.

    Args:
        make: a function that makes an optax transformation from options.
        base: the base class; :class:`Applying` by default.

    Returns:
        A function with the same signature that makes an object of the class, which is its attribute
        `kind`.
    """
    signature, name = inspect.signature(make), make.__name__
    takes_options = "options" in signature.parameters

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        _warn_of_decay(kwargs.pop("decay", None))
        transformation = make(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        given.pop("others", None)
        options: dict[str, Any] = {"name": name}
        if takes_options:
            added = given.pop("options", {})
            options |= {**_DEFAULTS, **added, "name": added.get("name") or name}
        self.options, self._early = options | given, {}
        self._take(transformation)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    cast(Any, __init__).__signature__ = signature.replace(
        parameters=[own, *signature.parameters.values()]
    )

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        return kind(*args, **kwargs)

    body: dict[str, Any] = {
        "__doc__": make.__doc__,
        "__init__": __init__,
        "__init_subclass__": classmethod(_check_subclass),
        "__module__": "lamina.compat.tf.keras.optimizers",
        "__reduce__": _made_again,
        "get_config": _get_config,
        "from_config": classmethod(from_config),
        "make": staticmethod(made),
    }
    kind = type(_NAMES.get(name, name.capitalize()), (base,), body)
    result: Any = made
    result.kind, result.from_config = kind, cast(Any, kind).from_config
    return result


def _check_subclass(kind: type, **_: Any) -> None:
    """Refuse methods that nothing would call.

    Raises:
        InputError: the class defines `update_step` or `build`.
    """
    found = [name for name in ("update_step", "build") if name in vars(kind)]
    if found:
        base = kind.__mro__[1].__name__
        raise InputError(
            explain(
                f"{kind.__name__}.{found[0]} would not be called: the update of {base} is optax's.",
                expected=f"a subclass of {base} without {found[0]}",
                received=f"one with it: {kind.__name__}",
                remedy="Derive from keras.optimizers.Optimizer, whose update_step is called.",
            )
        )


def kind_of(make: Any) -> Any:
    """The class of the optimizers that a function makes."""
    return make.kind


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


def _made_again(optimizer: Any) -> Any:
    """Pickle the optimizer as its class and options; transformations cannot be pickled."""
    return functools.partial(type(optimizer), **optimizer.options), ()


def _get_config(optimizer: Any) -> dict[str, Any]:
    """Return the options of the optimizer, with the keys of Keras, as plain JSON.

    The learning rate is the present one, unless it follows a schedule.
    """
    options = dict(optimizer.options)
    rate = options.get("learning_rate")
    if rate is not None and not callable(rate):
        now = np.float32(optimizer.learning_rate)
        options["learning_rate"] = rate if now == np.float32(rate) else float(now)
    return {name: serialize(value) for name, value in options.items()}


def from_config(
    kind: Callable[..., Any],
    config: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Make an optimizer from a config.

    Args:
        kind: the class of the optimizer.
        config: the result of `get_config`, of Lamina or of Keras. Options of Keras that Lamina does
            not have are ignored where they are None or False.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The optimizer.

    Raises:
        InputError: the optimizer has no such option.
    """
    known = [*inspect.signature(kind).parameters, *_DEFAULTS, "name"]
    given = {n: deserialize(v, custom_objects=custom_objects) for n, v in config.items()}
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
    return kind(**{name: value for name, value in given.items() if name in known})
