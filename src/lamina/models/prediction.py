"""`Model.predict` and `Model.predict_on_batch`: the outputs of a model as NumPy arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import jax

from lamina.core.base.inputs import as_inputs
from lamina.core.base.processes import to_host
from lamina.core.base.pytrees import map_tree
from lamina.core.building.placement import current_placement
from lamina.core.calling import views
from lamina.core.calling.jit import compiled
from lamina.core.running.keys import NoKeyError
from lamina.counts import count_or_default
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models import own_steps
from lamina.models.model_state import state_of
from lamina.models.text_inputs import with_ids, with_text

if TYPE_CHECKING:
    from lamina.training.callbacks import Callback, callback_list
    from lamina.training.callbacks import progress as progress_display
    from lamina.training.data import arrays
    from lamina.training.loop import arguments, weight_loan
    from lamina.training.loop import predict as loop
    from lamina.training.step import model_call
else:
    callback_list = lazily("lamina.training.callbacks.callback_list")
    progress_display = lazily("lamina.training.callbacks.progress")
    arrays = lazily("lamina.training.data.arrays")
    arguments = lazily("lamina.training.loop.arguments")
    loop = lazily("lamina.training.loop.predict")
    weight_loan = lazily("lamina.training.loop.weight_loan")
    model_call = lazily("lamina.training.step.model_call")

__all__ = ["predict", "predict_on_batch"]


def predict(
    model: Layer,
    x: Any,
    batch_size: int | None = None,
    verbose: int | Literal["auto"] = "auto",
    steps: int | None = None,
    callbacks: Sequence[Callback] | Callback | None = None,
) -> Any:
    """Compute the outputs over data, in inference mode.

    The model runs as one compiled program on each batch. It need not be compiled with `compile`.

    Args:
        x: the inputs ``[examples, ...]``, or a tuple, list or dict of them; or an iterable of
            batches, whose labels are not used.
        batch_size: the number of examples in a batch, where `x` is arrays. Default None: 32; with
            `steps`, all examples divided by it.
        verbose: 0 shows nothing, 1 a progress bar, 2 one line with the steps and the time.
            `"auto"` (default) is 1 in a terminal and 2 elsewhere.
        steps: the maximum number of batches; fewer give a warning. Default None: all.
        callbacks: one or a list; their methods ``on_predict_...`` are called. Default None.

    Returns:
        The outputs as a NumPy array ``[examples, ...]``, or a tree of arrays in the form of the
        model's outputs.

    Raises:
        InputError: there is no data, or an output has no row for each example.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(2)])
    >>> model.predict(np.ones((100, 3), "float32"), verbose=0).shape
    (100, 2)
    """
    batch_size = count_or_default("batch_size", batch_size, None)
    steps = count_or_default("steps", steps, None)
    data = arguments.examples(with_ids(model, x))
    count = arguments.batch_count(data, batch_size, steps)
    listeners = callback_list.CallbackList(callbacks, epochs=1, steps=count, verbose=verbose)
    listeners.set_model(model)
    listeners.call("on_predict_begin", {})
    trainer = state_of(model).trainer
    each = (None if trainer is None else trainer.steps_per_execution) or 1
    call = _placed_call(model)
    with progress_display.PassProgress("predict", count, verbose, listeners.callbacks) as progress:
        outputs = loop.predict(call, data, batch_size, steps, listeners, each, progress)
        progress.end({})
    listeners.call("on_predict_end", {})
    return with_text(model, outputs)


def predict_on_batch(model: Layer, x: Any) -> Any:
    """Compute the outputs for one batch, in inference mode.

    Args:
        x: the inputs ``[batch, ...]``, or a tuple, list or dict of them.

    Returns:
        The outputs as a NumPy array ``[batch, ...]``, or a tree of arrays in the form of the
        model's outputs.

    Raises:
        InputError: the inputs do not fit the model.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(2)])
    >>> model.predict_on_batch(np.ones((4, 3), "float32")).shape
    (4, 2)
    """
    inputs = as_inputs(map_tree(arrays.as_numpy, with_ids(model, x)))
    return with_text(model, map_tree(to_host, _placed_call(model)(inputs)))


class _Predictor:
    """The compiled call of a model on the inputs of a batch, in inference mode.

    A model that draws random numbers in inference mode, such as by a dropout with
    ``training=True``, gets another key for each batch, which depends on the seed of its weights.
    """

    def __init__(self, model: Layer) -> None:
        self._model = model
        self._call = compiled(model, functools.partial(_outputs, model))
        self._is_random = False
        self._batches = 0

    def __call__(self, inputs: Any) -> Any:
        if not self._is_random:
            try:
                return self._call(inputs)
            except NoKeyError:
                self._is_random = True
        self._batches += 1
        key: Any = jax.random.fold_in(
            jax.random.key(weight_loan.seed_of(self._model)), self._batches
        )
        return self._call(inputs, rng=key)


def _outputs(model: Layer, inputs: Any) -> Any:
    """Compute the outputs by the `predict_step` of the model's class, if that has its own."""
    step: Any = getattr(model, "predict_step", None)
    if step is None or type(model).predict_step is own_steps.predict_step:  # pyright: ignore
        return model_call.call_on(model, inputs)
    lists = (views.trainable_variables(model), views.non_trainable_variables(model))
    return step(tuple([one.value for one in part] for part in lists), inputs)[0]


def _placed_call(model: Layer) -> Callable[[Any], Any]:
    """The model's compiled call, which divides its inputs over the devices of a placement.

    In a `with` block of a placement, a model with another one is moved first.
    """
    call = _compiled_call(model)

    def placed(inputs: Any) -> Any:
        block = current_placement()
        if block is not None and block != model._lamina.placement:
            function = functools.partial(_outputs, model)
            model_call.ModelCall(model, function, inputs, False).build(())
        placement = model._lamina.placement
        return call(inputs if placement is None else placement.place_batch(inputs))

    return placed


def _compiled_call(model: Layer) -> Callable[[Any], Any]:
    """The model's call on the inputs of a batch, compiled once for each form of inputs."""
    state = state_of(model)
    if state.predictor is None:
        state.predictor = _Predictor(model)
    return state.predictor
