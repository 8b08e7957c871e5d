"""`Model.evaluate` and `Model.test_on_batch`: the loss and the metrics over data."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from lamina.core.base.pytrees import map_tree
from lamina.counts import count_or_default
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.compilation import trainer_of
from lamina.models.text_inputs import with_ids

if TYPE_CHECKING:
    from lamina.training.callbacks import Callback, callback_list
    from lamina.training.callbacks import progress as progress_display
    from lamina.training.data import arrays
    from lamina.training.loop import arguments
    from lamina.training.loop import evaluate as loop
else:
    callback_list = lazily("lamina.training.callbacks.callback_list")
    progress_display = lazily("lamina.training.callbacks.progress")
    arrays = lazily("lamina.training.data.arrays")
    arguments = lazily("lamina.training.loop.arguments")
    loop = lazily("lamina.training.loop.evaluate")

__all__ = ["as_batch", "evaluate", "loss_and_metrics", "test_on_batch"]


@overload
def evaluate(
    model: Layer,
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    verbose: int | Literal["auto"] = "auto",
    sample_weight: Any = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] | Callback | None = None,
    *,
    return_dict: Literal[True],
) -> dict[str, Any]: ...
@overload
def evaluate(
    model: Layer,
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    verbose: int | Literal["auto"] = "auto",
    sample_weight: Any = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] | Callback | None = None,
    return_dict: bool = False,
) -> Any: ...
def evaluate(
    model: Layer,
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    verbose: int | Literal["auto"] = "auto",
    sample_weight: Any = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] | Callback | None = None,
    return_dict: bool = False,
) -> Any:
    """Compute the loss and the metrics over data, in inference mode. No weight changes.

    Args:
        x: the inputs, or an iterable of batches, as in :meth:`Model.fit`.
        y: the labels ``[examples, ...]``. Default None.
        batch_size: the number of examples in a batch, where `x` is arrays. Default None: 32; with
            `steps`, all examples divided by it.
        verbose: 0 shows nothing, 1 a progress bar, 2 one line with the loss and the metrics.
            `"auto"` (default) is 1 in a terminal and 2 elsewhere.
        sample_weight: the weight of each example, ``[examples]``. Default None: 1.
        steps: the maximum number of batches; fewer give a warning. Default None: all.
        callbacks: one or a list; their methods ``on_test_...`` are called. A method for batches
            makes batches be evaluated one at a time. Default None.
        return_dict: return a dict by name. Default False.

    Returns:
        The loss, the mean over all examples; with metrics, a list of the loss and the metrics;
        with `return_dict`, a dict of them.

    Raises:
        InputError: the model is not compiled, there is no data, or arrays do not fit together.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(loss="mse", metrics=["mae"])
    >>> x, y = np.ones((6, 3), "float32"), np.full((6, 1), 2, "float32")
    >>> model.evaluate(x, y, verbose=0, return_dict=True)
    {'loss': 4.0, 'mae': 2.0}
    """
    batch_size = count_or_default("batch_size", batch_size, None)
    steps = count_or_default("steps", steps, None)
    trainer = trainer_of(model)
    data = arguments.examples(with_ids(model, x), y, sample_weight)
    count = arguments.batch_count(data, batch_size, steps)
    listeners = callback_list.CallbackList(callbacks, epochs=1, steps=count, verbose=verbose)
    listeners.set_model(model)
    if listeners.callbacks and isinstance(data, arrays.Arrays):
        trainer.prepare(functools.partial(data.example_batch, 1))  # callbacks see a built model
    listeners.call("on_test_begin", {})
    with progress_display.PassProgress("evaluate", count, verbose, listeners.callbacks) as progress:
        try:
            found = loop.evaluate(trainer, data, batch_size, steps, listeners, progress)
        finally:
            trainer.recall()
        progress.end(found)
    listeners.call("on_test_end", found)
    return loss_and_metrics(found, return_dict)


@overload
def test_on_batch(
    model: Layer, x: Any, y: Any = None, sample_weight: Any = None, *, return_dict: Literal[True]
) -> dict[str, Any]: ...
@overload
def test_on_batch(
    model: Layer, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
) -> Any: ...
def test_on_batch(
    model: Layer, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
) -> Any:
    """Compute the loss and the metrics on one batch, in inference mode. No weight changes.

    Args:
        x: the inputs ``[batch, ...]``, or a tuple, list or dict of them.
        y: the labels ``[batch, ...]``. Default None.
        sample_weight: the weight of each example, ``[batch]``. Default None: 1.
        return_dict: return a dict by name. Default False.

    Returns:
        The loss; with metrics, a list of the loss and the metrics; with `return_dict`, a dict.

    Raises:
        InputError: the model is not compiled, or the arrays do not fit together.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(loss="mse")
    >>> model.test_on_batch(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"))
    1.0
    """
    batch = as_batch(with_ids(model, x), y, sample_weight)
    return evaluate(model, [batch].__iter__, verbose=0, return_dict=return_dict)


def as_batch(x: Any, y: Any, sample_weight: Any) -> Any:
    """The parts of a batch that are given, as one batch; tables of pandas as arrays."""
    batch = x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)
    return map_tree(arrays.as_numpy, batch)


def loss_and_metrics(logs: dict[str, Any], return_dict: bool) -> Any:
    """Logs as Keras returns them: a dict, the loss alone, or a list of the loss and metrics."""
    values = list(logs.values())
    return logs if return_dict else values[0] if len(values) == 1 else values
