"""`Model`: a layer with `compile` and `fit`; both hand over to `lamina.training`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, cast

import numpy as np

from lamina import saving
from lamina.core.compiled import Compiled
from lamina.core.trees import flatten, unflatten
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.training.callbacks import History
from lamina.training.data import Arrays, batches_of, is_batches, weighted
from lamina.training.fitting import Fit, evaluate
from lamina.training.objective import call_on, unpack
from lamina.training.trainer import Trainer

__all__ = ["Model"]


class Model(Layer):
    """A layer that can be compiled, fitted, evaluated, asked and saved.

    Override ``train_loss(self, batch)`` for a loss of your own: plain code with ``self(...)``
    that returns a scalar, or a scalar and a dict of more to tell. It is compiled, differentiated
    and run by `fit` like any other loss; `evaluate` runs it with ``training=False``.

    >>> import numpy as np
    >>> from lamina import layers
    >>> class Line(Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = layers.Dense(1)
    ...     def call(self, inputs):
    ...         return self.dense(inputs)
    >>> model = Line()
    >>> model.compile("sgd", "mse")
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> history = model.fit(x, 2 * x, epochs=3, verbose=0)
    >>> len(history.history["loss"])
    3
    """

    stop_training = False
    graph_kind: type[Model] | None = None  # what `Model(inputs, outputs)` makes

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        kind = Model.graph_kind if cls is Model and (args or "inputs" in kwargs) else None
        return super().__new__(cast(Any, kind or cls), *args, **kwargs)

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        jit: bool = True,
    ) -> None:
        """Say how the model learns.

        Args:
            optimizer: a name (`"adam"`, `"sgd"`, ...) or any optax transformation.
            loss: a name, a Loss or a function ``(y_true, y_pred)``; None with `train_loss`.
            metrics: told beside the loss; names, metrics or functions. Sample weights do not
                count in them, as in Keras.
            jit: False runs uncompiled, to debug.

        Raises:
            UnknownNameError: no optimizer, loss or metric of that name.
        """
        self._lamina.training_state = Trainer(self, optimizer, loss, metrics or (), jit=jit)

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        validation_data: Any = None,
        validation_split: float = 0.0,
        callbacks: Sequence[Any] = (),
        shuffle: bool = True,
        verbose: int | str | bool = "auto",
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train for some epochs.

        Args:
            x: arrays of examples (also in tuples, lists, dicts), or an iterable of batches, or a
                function that makes one; a batch is ``(inputs, labels)``, or with weights.
            y: labels, where x is arrays.
            batch_size: examples a step, where x is arrays.
            epochs: the number of the last epoch.
            validation_data: ``(x, y)``, ``(x, y, weights)`` or an iterable of batches.
            validation_split: the last fraction of the arrays, kept for validation.
            callbacks: see :class:`lamina.training.Callback`.
            shuffle: a new order of the arrays in each epoch.
            verbose: `"auto"`, 0 silent, 1 a bar, 2 a line an epoch.
            sample_weight: of each example.
            class_weight: of each label, multiplied in.
            initial_epoch: the epoch to go on from.
            steps_per_epoch: ends an epoch early, or bounds an endless iterable.

        Returns:
            A History, whose ``history`` maps names to values, an epoch each.

        Raises:
            InputError: data that do not fit together, before anything is trained.
            NotFiniteError: a loss was not finite; it names the layer where that began.
        """
        _positive(batch_size=batch_size, epochs=epochs)
        trainer = self._trainer()
        data = _data(x, y, sample_weight)
        validation = None
        if validation_data is not None:
            validation = _validation(validation_data)
        elif validation_split:
            if not isinstance(data, Arrays):
                raise InputError(
                    explain(
                        "validation_split needs arrays.",
                        received="an iterable of batches",
                        remedy="Pass validation_data.",
                    )
                )
            data, validation = data.split(validation_split)
        if class_weight is not None:
            data = _class_weighted(data, class_weight)
        run = Fit(
            trainer,
            data,
            batch_size,
            epochs,
            initial_epoch,
            steps_per_epoch,
            validation,
            shuffle,
            callbacks,
            verbose,
        )
        return run.run()

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        verbose: int | str | bool = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss, or a list of the loss and the metrics, over data; nothing is learnt.

        With `return_dict`, a dict of them by name.
        """
        _positive(batch_size=batch_size)
        trainer = self._trainer()
        try:
            found = evaluate(trainer, _data(x, y, sample_weight), batch_size, steps)
        finally:
            trainer.recall()
        return found if return_dict else _as_keras(found)

    def predict(
        self,
        x: Any,
        batch_size: int = 32,
        verbose: int | str | bool = "auto",
        steps: int | None = None,
    ) -> Any:
        """The outputs over data, as NumPy arrays, all batches in one."""
        _positive(batch_size=batch_size)
        columns: list[list[np.ndarray]] = []
        structure: Any = None
        for number, inputs in enumerate(_inputs(x, batch_size)):
            if steps is not None and number >= steps:
                break
            leaves, structure = flatten(self._call_compiled(inputs))
            columns.append([np.asarray(leaf) for leaf in leaves])
        if not columns:
            raise InputError(explain("There is nothing to predict from.", remedy="Give data."))
        return unflatten(structure, [np.concatenate(rows) for rows in zip(*columns, strict=True)])

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch: its loss, or a list with what else is told."""
        trainer = self._trainer()
        trainer.reset_logs()
        batch = x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)
        trainer.step(batch)
        trainer.check(lambda _: batch)
        found = trainer.logs()
        return found if return_dict else _as_keras(found)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model, its class by name, its arguments and weights; see `lamina.load`."""
        saving.save(self, path)

    def _trainer(self) -> Trainer:
        trainer = self._lamina.training_state
        if trainer is None:
            raise InputError(
                explain(
                    f"{type(self).__name__} is not compiled.",
                    where=f"made at {self._lamina.made_at}",
                    expected="compile(optimizer, loss) before fit and evaluate",
                    received="neither loss nor optimizer",
                    remedy="Call model.compile('adam', 'mse') first, for example.",
                )
            )
        return cast(Trainer, trainer)

    def _call_compiled(self, inputs: Any) -> Any:
        compiled = self._lamina.predictor
        if compiled is None:
            compiled = Compiled(self, functools.partial(call_on, self))
            self._lamina.predictor = compiled
        return compiled(inputs)


def _as_keras(found: dict[str, float]) -> Any:
    values = list(found.values())
    return values[0] if len(values) == 1 else values


def _data(x: Any, y: Any, sample_weight: Any) -> Any:
    if not is_batches(x):
        return Arrays(
            x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)
        )
    if y is not None or sample_weight is not None:
        raise InputError(_with_the_batches("y or sample_weight"))
    return x


def _class_weighted(data: Any, class_weight: Mapping[int, float]) -> Arrays:
    if not isinstance(data, Arrays):
        raise InputError(_with_the_batches("class_weight"))
    x, y, sample_weight = unpack(data.host)
    return Arrays((x, y, weighted(y, sample_weight, class_weight)))


def _with_the_batches(what: str) -> str:
    return explain(
        "Labels and weights come with the batches where x is an iterable.",
        expected="batches (inputs, labels) or (inputs, labels, weights)",
        received=f"{what} beside an iterable",
        remedy="Put them into the batches.",
    )


def _validation(data: Any) -> Any:
    if is_batches(data):
        return data
    parts: Any = tuple(cast(Any, data)) if isinstance(data, list) else data
    return _data(*unpack(parts))


def _inputs(x: Any, batch_size: int) -> Any:
    if is_batches(x):
        return (unpack(batch)[0] for batch in batches_of(x))
    data = Arrays(x)
    rows = (slice(at, at + batch_size) for at in range(0, data.count, batch_size))
    return (data.batch(part) for part in rows)


def _positive(**options: int) -> None:
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(cast(Any, value), int) or value < 1:
            raise InputError(
                explain(
                    f"{name} is not a whole number above 0.",
                    received=repr(value),
                    remedy=f"Give {name}=32, for example.",
                )
            )
