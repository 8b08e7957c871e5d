"""The layer that computes an operation of Keras."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina.core.running.masks import masks_by_inner_layers
from lamina.errors import InputError, explain, nearest
from lamina.layer import Layer
from lamina.layers.bases.text import rearranged_text
from lamina.models.array_functions.table import FUNCTIONS
from lamina.models.array_functions.values import tuples
from lamina.names import snake

__all__ = ["ArrayFunction"]


class ArrayFunction(Layer):
    """An operation of `keras.ops` as a layer: ``function(*args, **options, **kwargs)``.

    Args:
        function: the class name of the operation in Keras, such as ``"Mean"`` or ``"GetItem"``.
        options: the arguments of the constructor of that class, by name. Lists serve as tuples.
            None (default) for none.

    Call arguments:
        args: the arguments of the `call` of that class, in Keras's order.
        kwargs: others by name. They go before the options.

    Raises:
        InputError: there is no such operation, or it does not take the arguments.

    >>> import jax.numpy as jnp
    >>> ArrayFunction("Mean", {"axis": 1})(jnp.array([[1, 2], [3, 5]])).tolist()
    [1.5, 4.0]
    """

    by_name: ClassVar[dict[str, str]] = {snake(name): name for name in FUNCTIONS}
    """The operations by the name of their function in `keras.ops`."""

    def __init__(self, function: str, options: dict[str, Any] | None = None) -> None:
        if str(function) not in FUNCTIONS:  # a file may have a list here
            raise InputError(
                explain(
                    "ArrayFunction got an unknown operation.",
                    where="the operations of a graph",
                    expected="the class name of an operation of Keras that computes arrays from"
                    " arrays",
                    received=repr(function)[:200],
                    remedy=nearest(function, FUNCTIONS),
                )
            )
        super().__init__(name=snake(function))
        self.function, self.options = function, options

    _lamina_text_outputs = rearranged_text

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[self.function](*args, **{**tuples(self.options or {}), **kwargs})

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: as in Keras, operations do not pass masks on."""
        return None
