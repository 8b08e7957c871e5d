"""`Model`: a layer with `compile` and `fit`; both hand over to `lamina.training`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, cast

import numpy as np

from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import map_tree
from lamina.core.calling import views
from lamina.core.calling.jit import compiled
from lamina.errors import InputError, explain
from lamina.models.inspected import Inspected
from lamina.training.callbacks import History
from lamina.training.callbacks.reported import Callbacks
from lamina.training.loop import arguments
from lamina.training.loop.evaluate import evaluate
from lamina.training.loop.fit import Fit
from lamina.training.loop.predict import predict
from lamina.training.loop.trainer import Trainer
from lamina.training.optimizers import by_name
from lamina.training.step.objective import call_on

__all__ = ["Model"]


class Model(Inspected):
    """A layer that can be compiled, fitted, evaluated, asked and saved.

    Override ``train_loss(self, batch)`` for a loss of your own: plain code with ``self(...)``
    that returns a scalar, or a scalar and a dict of more to tell. It is compiled, differentiated
    and run by `fit` like any other loss; `evaluate` runs it with ``training=False``.

    ``Model(inputs, outputs)`` is a graph of layers, put together on symbolic inputs; so is a model
    of a subclass that is given them, or passes them to ``super().__init__``.

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
    optimizer = views.View(lambda model: model._trainer())
    """Has a ``learning_rate``, which may be set while the model learns."""
    graph_kind: type[Model] | None = None  # what `Model(inputs, outputs)` makes

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        given = bool(args) or not _GRAPH.isdisjoint(kwargs)
        kind = Model.graph_kind if cls is Model and given else None
        return super().__new__(cast(Any, kind or cls), *args, **kwargs)

    def __init__(self, *ends: Any, **options: Any) -> None:
        graph, given = Model.graph_kind, bool(ends) or not _GRAPH.isdisjoint(options)
        if graph is None or not given or isinstance(self, graph):
            super().__init__(*ends, **options)
            return
        kind, node = type(self), self._lamina
        made_with = node.arguments, node.keywords
        self.__class__ = _of_graphs(kind)
        graph.__init__(self, *ends, **options)
        if kind.__init__ is not Model.__init__:  # which puts the graph together anew
            node.arguments, node.keywords = made_with

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        jit: bool = True,
        *,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        learning_rate: float | Callable[[Any], Any] | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        gradient_accumulation_steps: int | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        on_nonfinite: str = "raise",
        steps_per_execution: int | str = "auto",
    ) -> None:
        """Say how the model learns.

        Args:
            optimizer: a name (`"adam"`, `"sgd"`, ...) or any optax transformation.
            loss: a name, a Loss or a function ``(y_true, y_pred)``; None with `train_loss`. For
                several outputs: one for all, a dict by name, or a list.
            metrics: told beside the loss; names, metrics or functions. Sample weights do not
                count in them, as in Keras. For several outputs: a dict by name, or a list of lists.
            jit: False runs uncompiled, to debug.
            loss_weights: what the loss of each output counts in the sum.
            weighted_metrics: metrics in which sample weights count.
            learning_rate: of an optimizer by name: a number, which callbacks may change, or a
                schedule, such as ``optax.cosine_decay_schedule(1e-3, 10_000)``.
            clipnorm: the greatest norm of the gradient of each weight.
            clipvalue: the greatest size of each number of a gradient.
            global_clipnorm: the greatest norm of all gradients together.
            gradient_accumulation_steps: how many batches one update is the mean of.
            use_ema: keep running averages of the weights, which the model gets as `fit` ends.
            ema_momentum: how slowly they follow.
            on_nonfinite: what a loss or gradient that is not finite comes to: `"raise"`, `"stop"`
                or `"ignore"`.
            steps_per_execution: how many steps on arrays run as one program; `"auto"`, as many as
                keep progress live, about five updates a second.

        Raises:
            UnknownNameError: no optimizer, loss or metric of that name.
            InputError: an option is no good, or the class has a method that Keras would call in
                training, such as ``train_step``, and that is not called here.
        """
        self._check_methods()
        self._lamina.training_state = Trainer(
            self,
            by_name.get(
                optimizer,
                learning_rate=learning_rate,
                clipnorm=clipnorm,
                clipvalue=clipvalue,
                global_clipnorm=global_clipnorm,
                gradient_accumulation_steps=gradient_accumulation_steps,
                ema_momentum=ema_momentum if use_ema else None,
            ),
            loss,
            metrics,
            loss_weights=loss_weights,
            weighted_metrics=weighted_metrics,
            output_names=_output_names(self),
            jit=jit,
            on_nonfinite=on_nonfinite,
            steps_per_execution=steps_per_execution,
        )

    def _check_methods(self) -> None:
        """See that the class has no method that would be passed over in silence."""
        own = [name for name in _OF_KERAS if hasattr(type(self), name)]
        if own:
            raise InputError(
                explain(
                    f"{type(self).__name__} has a method {own[0]}, which nothing here would call.",
                    where=f"made at {self._lamina.made_at}",
                    expected="train_loss(self, batch), which gives the loss of a batch",
                    received=", ".join(own),
                    remedy="Write a train_loss; or give the method another name, if it is for a "
                    "loop of your own.",
                )
            )

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        validation_data: Any = None,
        validation_split: float = 0.0,
        callbacks: Sequence[Any] | None = (),
        shuffle: bool = True,
        verbose: int | str | bool = "auto",
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        *,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        checkpoint_dir: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        keep: int = 3,
        resume: bool = False,
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
            validation_steps: batches of validation at most.
            validation_batch_size: examples a batch of validation; `batch_size` if None.
            validation_freq: validate after every so many epochs.
            checkpoint_dir: where checkpoints are written, without stopping training: at the end of
                each epoch, and in it.
            checkpoint_every: how many steps in an epoch; every ten minutes if None.
            keep: how many checkpoints are left, the newest.
            resume: go on from the newest checkpoint, if there is one, as if never stopped.

        Returns:
            A History, whose ``history`` maps names to values, an epoch each.

        Raises:
            InputError: data that do not fit together, before anything is trained.
            NotFiniteError: a loss or gradient was not finite; it names where that began.
        """
        arguments.positive(
            batch_size=batch_size,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )
        trainer = self._trainer()
        data, rest = arguments.training_data(x, y, sample_weight, class_weight, validation_split)
        validation = rest if validation_data is None else arguments.validation_data(validation_data)
        validate = None
        if validation is not None:
            size = validation_batch_size or batch_size
            validate = functools.partial(evaluate, trainer, validation, size, validation_steps)
        return Fit(
            trainer,
            arguments.feed(data, batch_size, shuffle, steps_per_epoch),
            epochs,
            initial_epoch,
            validate,
            validation_freq,
            callbacks or (),
            verbose,
            arguments.keeper(callbacks or (), checkpoint_dir, checkpoint_every, keep, resume),
        ).run()

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        verbose: int | str | bool = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss, or a list of the loss and the metrics, over data; nothing is learnt.

        With `return_dict`, a dict of them by name.
        """
        arguments.positive(batch_size=batch_size, steps=steps)
        trainer = self._trainer()
        told = Callbacks(callbacks or (), self, {"steps": steps, "verbose": verbose})
        told.tell("on_test_begin", {})
        try:
            found = evaluate(trainer, arguments.examples(x, y, sample_weight), batch_size, steps)
        finally:
            trainer.recall()
        told.tell("on_test_end", found)
        return found if return_dict else _as_keras(found)

    def predict(
        self,
        x: Any,
        batch_size: int = 32,
        verbose: int | str | bool = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> Any:
        """The outputs over data, as NumPy arrays, all batches in one."""
        arguments.positive(batch_size=batch_size, steps=steps)
        told = Callbacks(callbacks or (), self, {"steps": steps, "verbose": verbose})
        told.tell("on_predict_begin", {})
        outputs = predict(self._call_compiled, x, batch_size, steps)
        told.tell("on_predict_end", {})
        return outputs

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch: its loss, or a list with what else is told."""
        trainer = self._trainer()
        trainer.reset_logs()
        batch = _batch(x, y, sample_weight)
        trainer.step(batch)
        trainer.check(lambda _: batch, trainer.wait())
        found = trainer.logs()
        return found if return_dict else _as_keras(found)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss on one batch, or a list with what else is told; nothing is learnt."""
        batch = _batch(x, y, sample_weight)
        return self.evaluate([batch].__iter__, verbose=0, return_dict=return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return map_tree(np.asarray, self._call_compiled(as_inputs(x)))

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
        predictor = self._lamina.predictor
        if predictor is None:
            predictor = self._lamina.predictor = compiled(self, functools.partial(call_on, self))
        return predictor(inputs)


_OF_KERAS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")

_GRAPH = frozenset({"inputs", "outputs", "graph"})
"""Options of a graph; where a subclass passes them on, its models are graphs, too."""


@functools.cache
def _of_graphs(kind: type[Model]) -> Any:
    """A class of models as one of graphs of layers, under its own name."""

    def reduced(self: Any, protocol: Any) -> Any:
        parts = cast(Any, super(both, self))
        return _blank, (kind,), *parts.__reduce_ex__(protocol)[2:]

    told = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    bases = (kind, cast("type[Model]", Model.graph_kind))
    both: Any = type(kind)(kind.__name__, bases, told | {"__reduce_ex__": reduced})
    return both


def _blank(kind: type[Model]) -> Any:
    return object.__new__(_of_graphs(kind))


def _batch(x: Any, y: Any, sample_weight: Any) -> Any:
    return x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)


def _as_keras(found: dict[str, float]) -> Any:
    values = list(found.values())
    return values[0] if len(values) == 1 else values


def _output_names(model: Any) -> list[str] | None:
    """The names of the layers that a graph's outputs come from, where it gives a list."""
    if Model.graph_kind is None or not isinstance(model, Model.graph_kind):
        return None
    graph = cast(Any, model).graph
    if type(graph.outputs) not in (list, tuple):  # one output is a reference, a named tuple
        return None
    refs = cast("list[Any]", graph.outputs)
    names = [graph.steps[ref.step - 1].layer for ref in refs if ref.step]
    return names if len(set(names)) == len(refs) else None
