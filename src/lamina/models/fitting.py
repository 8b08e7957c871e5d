"""`Model.fit` and `Model.train_on_batch`: training a compiled model."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from lamina.counts import count_or_default
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.compilation import trainer_of
from lamina.models.evaluation import as_batch, loss_and_metrics
from lamina.models.model_state import state_of
from lamina.models.text_inputs import with_ids, with_ids_in_batch

if TYPE_CHECKING:
    from lamina.training import callbacks as training_callbacks
    from lamina.training.callbacks import Callback, History, callback_list
    from lamina.training.callbacks import dashboard as dashboards
    from lamina.training.loop import arguments, evaluate
    from lamina.training.loop import class_weights as label_weights
    from lamina.training.loop import fit as loop
else:
    training_callbacks = lazily("lamina.training.callbacks")
    callback_list = lazily("lamina.training.callbacks.callback_list")
    dashboards = lazily("lamina.training.callbacks.dashboard")
    arguments = lazily("lamina.training.loop.arguments")
    label_weights = lazily("lamina.training.loop.class_weights")
    evaluate = lazily("lamina.training.loop.evaluate")
    loop = lazily("lamina.training.loop.fit")

__all__ = ["fit", "train_on_batch"]


def fit(
    model: Layer,
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int | None = 1,
    verbose: int | Literal["auto"] = "auto",
    callbacks: Sequence[Callback] | Callback | None = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int | None = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] | None = 1,
    *,
    checkpoint_dir: str | PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    keep: int = 3,
    resume: bool = False,
    dashboard: bool | int = False,
) -> History:
    """Train the model for a number of epochs.

    The first axis of every array is that of the examples. A pandas DataFrame is an array ``[rows,
    columns]``, a Series one of ``[rows, 1]``. The model is built if it is not. Counts are integers
    of Python or NumPy; None means their default.

    Args:
        x: the inputs: an array ``[examples, ...]``, or a tuple, list or dict of them; or an
            iterable of batches ``(inputs, labels)`` or ``(inputs, labels, sample_weights)``, or a
            function that returns one. An iterator, such as a generator, is iterated once: when it
            has ended, later epochs use its first two batches, with a warning.
        y: the labels ``[examples, ...]``, in the form of the outputs. Default None, as for an
            iterable, whose batches hold the labels.
        batch_size: the number of examples in a step, where `x` is arrays. Default None: 32; with
            `steps_per_epoch`, all examples divided by it.
        epochs: the index at which training stops: the number of epochs, if `initial_epoch` is 0.
            Default 1.
        verbose: 0 shows nothing, 1 a progress bar, 2 a line for each epoch. `"auto"` (default) is 1
            in a terminal and 2 elsewhere.
        callbacks: one or a list, see :class:`lamina.training.Callback`. A method for batches makes
            steps be run one at a time. Default None.
        validation_split: the fraction of the arrays, in [0, 1), taken from their end for
            validation instead of training. Default 0.
        validation_data: ``(x, y)``, ``(x, y, sample_weights)``, or an iterable of batches, on which
            the model is evaluated after an epoch. Default None.
        shuffle: take the examples of the arrays in a new order in each epoch. Default True.
        class_weight: a dict from class index to the factor of the sample weight, for a model of one
            output. Each value of the loss has the weight of its label's class: integer labels
            ``[examples]`` or ``[examples, ...]``, or one-hot labels, of which a row of zeros
            counts as class 0. A class that occurs needs a weight. Default None.
        sample_weight: the weight of each example in the loss, ``[examples]``. Default None: 1.
        initial_epoch: the index of the first epoch. Default 0.
        steps_per_epoch: the number of steps in an epoch, which begins where the one before ended;
            rounded up to a multiple of `steps_per_execution`. Where the data end, the epoch ends
            early with a warning. Default None: all batches; an endless iterable needs a number.
        validation_steps: the maximum number of validation batches. Default None: all.
        validation_batch_size: the number of examples in a validation batch. Default None:
            `batch_size`.
        validation_freq: the number of epochs between validations, or a list of epochs, from 1,
            that a validation follows. Default 1.
        checkpoint_dir: a directory for checkpoints, written in the background at the end of each
            epoch, and within it. Default None: no checkpoints.
        checkpoint_every: the number of steps between checkpoints within an epoch. Default None: one
            every ten minutes.
        keep: the number of newest checkpoints that are kept. Default 3.
        resume: continue from the newest checkpoint in `checkpoint_dir`, if there is one, with the
            same results as an uninterrupted run. Default False.
        dashboard: True, or a port, serves a page with the curves of the training on this machine
            only, and writes a log to `checkpoint_dir`, or else to a new folder in ``runs/``; see
            :class:`lamina.training.callbacks.Dashboard`. It needs the extra ``serve``. Default
            False.

    Returns:
        A `History`. Its ``history`` maps the name of each log to a list of values, one an epoch;
        those of validation begin with ``val_``. It is the attribute ``history`` of the model, too.

    Raises:
        InputError: the model is not compiled, or the data or options do not fit together.
        NotFiniteError: a loss or a gradient is NaN or infinite; the error names the first layer
            whose output is.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = Sequential([layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(x, 2 * x, epochs=3, validation_split=0.25, verbose=0)
    >>> sorted(history.history), len(history.history["loss"])
    (['loss', 'val_loss'], 3)
    """
    batch_size = count_or_default("batch_size", batch_size, None)
    last: int = count_or_default("epochs", epochs, 1, example=10)
    skipped: int = count_or_default("initial_epoch", initial_epoch, 0, low=0, example=5)
    steps_per_epoch = count_or_default("steps_per_epoch", steps_per_epoch, None)
    validation_steps = count_or_default("validation_steps", validation_steps, None)
    size = count_or_default("validation_batch_size", validation_batch_size, batch_size)
    frequency = arguments.validation_epochs(validation_freq)
    trainer, listed = trainer_of(model), callback_list.flattened(callbacks)
    history = next((one for one in listed if isinstance(one, training_callbacks.History)), None)
    if history is None:
        listed = (*listed, history := training_callbacks.History())
    state_of(model).history = history
    each = trainer.steps_per_execution
    if steps_per_epoch is not None and each is not None:
        steps_per_epoch = -(-steps_per_epoch // each) * each  # as in Keras
    class_weights = (
        None if class_weight is None else label_weights.ClassWeights(trainer, class_weight)
    )
    page = dashboards.dashboard_of(dashboard, checkpoint_dir)
    listed = listed if page is None else (*listed, page)
    x = with_ids(model, x)
    if validation_data is not None:
        if isinstance(validation_data, list):
            validation_data = tuple(cast("list[Any]", validation_data))
        validation_data = with_ids_in_batch(model, validation_data)
    data, rest = arguments.training_data(x, y, sample_weight, validation_split)
    validation = rest if validation_data is None else arguments.validation_data(validation_data)
    validate = None
    if validation is not None:
        validate = functools.partial(evaluate.evaluate, trainer, validation, size, validation_steps)
    return loop.Fit(
        trainer,
        arguments.batch_source(data, batch_size, shuffle, steps_per_epoch, class_weights),
        last,
        skipped,
        validate,
        frequency,
        listed,
        verbose,
        arguments.checkpoint_writer(listed, checkpoint_dir, checkpoint_every, keep, resume),
    ).run()


@overload
def train_on_batch(
    model: Layer,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    *,
    return_dict: Literal[True],
) -> dict[str, Any]: ...
@overload
def train_on_batch(
    model: Layer,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    return_dict: bool = False,
) -> Any: ...
def train_on_batch(
    model: Layer,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    return_dict: bool = False,
) -> Any:
    """Make one step of training on one batch.

    Args:
        x: the inputs ``[batch, ...]``, or a tuple, list or dict of them.
        y: the labels ``[batch, ...]``. Default None.
        sample_weight: the weight of each example in the loss, ``[batch]``. Default None: 1.
        class_weight: a dict from class index to the factor of the sample weight, as for `fit`.
            Default None.
        return_dict: return a dict by name. Default False.

    Returns:
        The loss from before the update; with metrics, a list of the loss and the metrics; with
        `return_dict`, a dict of them.

    Raises:
        InputError: the model is not compiled, or the arrays do not fit together.
        NotFiniteError: the loss or a gradient is NaN or infinite.

    >>> import numpy as np
    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile("sgd", "mse")
    >>> model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"))
    1.0
    """
    trainer = trainer_of(model)
    trainer.reset_logs()
    batch = as_batch(with_ids(model, x), y, sample_weight)
    if class_weight is not None:
        batch = label_weights.ClassWeights(trainer, class_weight)(batch)
    trainer.step(batch)
    trainer.check(lambda _: batch, trainer.wait())
    return loss_and_metrics(trainer.logs(), return_dict)
