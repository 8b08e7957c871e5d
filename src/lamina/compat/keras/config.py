"""`keras.config`: the settings of Keras that Lamina has."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.compat.keras.missing import missing
from lamina.compat.keras.mixed_precision import dtype_policy, set_dtype_policy
from lamina.errors import InputError, explain

__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]


class _Settings:
    interactive = True
    filters_tracebacks = True


def _only(setting: str, value: Any, served: Any, remedy: str) -> None:
    if value != served:
        raise InputError(
            explain(
                f"{setting} cannot be changed.",
                expected=repr(served),
                received=repr(value)[:200],
                remedy=remedy,
            )
        )


def backend() -> str:
    """The name of the backend, ``"jax"``."""
    return "jax"


def epsilon() -> float:
    """The small number that losses and norms add, 1e-7."""
    return 1e-7


def set_epsilon(value: float) -> None:
    """Nothing for 1e-7.

    Args:
        value: 1e-7.

    Raises:
        InputError: for another number.
    """
    _only("epsilon", value, 1e-7, "Pass epsilon to the layer or function.")


def floatx() -> str:
    """The name of the default dtype of floats, ``"float32"``."""
    return "float32"


def set_floatx(value: str) -> None:
    """Nothing for float32.

    Args:
        value: ``"float32"``.

    Raises:
        InputError: for another dtype.
    """
    _only("floatx", jnp.dtype(value).name, "float32", "Call keras.config.set_dtype_policy(name).")


def image_data_format() -> str:
    """The default order of axes of images, ``"channels_last"``."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Nothing for ``"channels_last"``.

    Args:
        data_format: ``"channels_last"``.

    Raises:
        InputError: for another order.
    """
    remedy = "Pass data_format='channels_first' to the layers."
    _only("image_data_format", data_format, "channels_last", remedy)


def is_interactive_logging_enabled() -> bool:
    """Whether :func:`disable_interactive_logging` was not called, or undone."""
    return _Settings.interactive


def enable_interactive_logging() -> None:
    """Let `Progbar` draw a bar, which is the default."""
    _Settings.interactive = True


def disable_interactive_logging() -> None:
    """Let `Progbar` print lines. `fit` prints what its argument `verbose` says."""
    _Settings.interactive = False


def is_flash_attention_enabled() -> bool:
    """False: XLA chooses the kernels of attention."""
    return False


def enable_flash_attention() -> None:
    """Nothing: XLA chooses the kernels of attention."""


def disable_flash_attention() -> None:
    """Nothing: XLA chooses the kernels of attention."""


def set_backend(backend: str) -> None:
    """Nothing for JAX.

    Args:
        backend: ``"jax"``.

    Raises:
        InputError: for another backend.
    """
    _only("backend", backend, "jax", "Call set_backend('jax'), or leave it out.")


def is_nnx_enabled() -> bool:
    """False: layers are no modules of Flax."""
    return False


def is_traceback_filtering_enabled() -> bool:
    """Whether :func:`disable_traceback_filtering` was not called, or undone."""
    return _Settings.filters_tracebacks


def enable_traceback_filtering() -> None:
    """Set :func:`is_traceback_filtering_enabled`; tracebacks are always whole."""
    _Settings.filters_tracebacks = True


def disable_traceback_filtering() -> None:
    """Unset :func:`is_traceback_filtering_enabled`; tracebacks are always whole."""
    _Settings.filters_tracebacks = False


def enable_unsafe_deserialization() -> None:
    """Nothing: nothing from a file is run. Functions are passed as `custom_objects`."""


def max_epochs() -> None:
    """None: the number of epochs is that of `fit`."""


def set_max_epochs(max_epochs: int | None) -> None:
    """Nothing for None.

    Args:
        max_epochs: None.

    Raises:
        InputError: for a number.
    """
    _only("max_epochs", max_epochs, None, "Pass epochs to fit.")


def max_steps_per_epoch() -> None:
    """None: the number of steps is that of `fit`."""


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Nothing for None.

    Args:
        max_steps_per_epoch: None.

    Raises:
        InputError: for a number.
    """
    _only("max_steps_per_epoch", max_steps_per_epoch, None, "Pass steps_per_epoch to fit.")


def __getattr__(name: str) -> Any:
    raise missing("keras.config", name, __all__)
