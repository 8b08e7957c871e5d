"""`keras.distillation`: a student that learns from the outputs of a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax.numpy as jnp

import lamina
from lamina import losses, metrics
from lamina.compat.keras import tree
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import wrong
from lamina.compat.tf.keras.models import Model

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]

_FINAL = "final_output"


class DistillationLoss:
    """The base class of losses between outputs of the teacher and of the student.

    A subclass defines ``compute_loss(self, teacher_outputs, student_outputs)``, which returns a
    scalar.

    Attributes:
        teacher_layer_name: the layer of the teacher whose output is used; None for its last output.
        student_layer_name: the same of the student.
    """

    teacher_layer_name: str | None = None
    student_layer_name: str | None = None

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The loss, a scalar.

        Args:
            teacher_outputs: the outputs of the teacher.
            student_outputs: the outputs of the student.
            **kwargs: further arguments of a subclass.
        """
        raise NotImplementedError

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Check that the outputs are alike.

        Args:
            teacher_outputs: the outputs of the teacher.
            student_outputs: the outputs of the student.

        Raises:
            ValueError: they differ in structure.
        """
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Check that the loss can be computed for two models.

        Args:
            teacher: the teacher.
            student: the student.
        """


class FeatureDistillation(DistillationLoss):
    """The mean of a loss between outputs of two layers.

    Args:
        loss: a name, a loss, or a nesting of them in the form of the outputs, with None for outputs
            without a loss. Default ``"mse"``.
        teacher_layer_name: the name of the teacher's layer. Default None: its last output.
        student_layer_name: the name of the student's layer. Default None: its last output.

    Raises:
        InputError: all losses are None.

    >>> FeatureDistillation("mse").compute_loss(jnp.ones((2, 3)), jnp.zeros((2, 3))).item()
    1.0
    """

    def __init__(
        self,
        loss: Any = "mse",
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name
        self.loss = _losses(type(self).__name__, loss)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        for model, name in ((teacher, self.teacher_layer_name), (student, self.student_layer_name)):
            if name is not None:
                model.get_layer(name)

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum of the means of the losses.

        Args:
            teacher_outputs: the outputs of the teacher's layer.
            student_outputs: the outputs of the student's layer.
            **kwargs: have no effect.
        """
        return _summed(_mean_loss, self.loss, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain data."""
        names = {
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }
        return {"loss": _written(self.loss), **names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureDistillation:
        """Make the loss that :meth:`get_config` described.

        Args:
            config: plain data.
        """
        return cls(**{**config, "loss": _read(config["loss"])})


class LogitsDistillation(DistillationLoss):
    """The mean of a loss between logits that are divided by a temperature.

    As in Keras, the softmax of the logits is taken for an object ``KLDivergence()`` only, whose
    loss is multiplied by the square of the temperature. A name, also ``"kl_divergence"``, is a
    function of the divided logits.

    Args:
        temperature: the temperature, a positive number. Default 3.
        loss: a name, a loss, or a nesting of them in the form of the outputs, with None for outputs
            without a loss. Default ``"kl_divergence"``.

    Raises:
        InputError: all losses are None, or the temperature is not positive.

    >>> loss = LogitsDistillation(loss=losses.KLDivergence())
    >>> loss.compute_loss(jnp.ones((2, 3)), jnp.ones((2, 3))).item()
    0.0
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        self.loss = _losses(type(self).__name__, loss)
        if not isinstance(cast("Any", temperature), int | float) or temperature <= 0:
            raise wrong(
                "The temperature is not positive.", "a positive number", temperature, "Pass 3.0."
            )
        self.temperature = temperature

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum of the means of the losses.

        Args:
            teacher_outputs: the logits of the teacher.
            student_outputs: the logits of the student.
            **kwargs: have no effect.
        """

        def loss_of(loss: Any, teacher: Any, student: Any) -> Any:
            teacher, student = teacher / self.temperature, student / self.temperature
            if not isinstance(loss, losses.KLDivergence):
                return _mean_loss(loss, teacher, student)
            softmax = lamina.activations.softmax
            return _mean_loss(loss, softmax(teacher), softmax(student)) * self.temperature**2

        return _summed(loss_of, self.loss, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain data."""
        return {"temperature": self.temperature, "loss": _written(self.loss)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LogitsDistillation:
        """Make the loss that :meth:`get_config` described.

        Args:
            config: plain data.
        """
        return cls(**{**config, "loss": _read(config["loss"])})


class Distiller(Model):
    """A model that trains a student on labels and on the outputs of a teacher.

    The loss is ``w * student_loss + (1 - w) * distillation_loss``. The teacher is frozen. Logs are
    those three losses, as `student_loss`, `distillation_loss` and `total_loss`, and the metrics.

    Args:
        teacher: the teacher, a model.
        student: the student, a model.
        distillation_losses: a :class:`DistillationLoss`, or a list of them.
        distillation_loss_weights: the factors of the distillation losses. Default None: 1.
        student_loss_weight: w, a number from 0 to 1. Default 0.5.
        name: the name. Default ``"distiller"``.
        **kwargs: those of a model.

    Call arguments:
        inputs: those of the student.

    Raises:
        InputError: an argument is of another type or range, or the models differ in the shapes or
            dtypes of inputs or outputs.

    >>> import numpy as np
    >>> def net(units):
    ...     hidden = lamina.layers.Dense(units, "relu")
    ...     return lamina.Sequential([lamina.Input((4,)), hidden, lamina.layers.Dense(3)])
    >>> distiller = Distiller(net(8), net(2), LogitsDistillation(loss="mse"))
    >>> distiller.compile("sgd", loss="mse")
    >>> history = distiller.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    >>> sorted(history.history)
    ['distillation_loss', 'loss', 'student_loss', 'total_loss']
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Sequence[float] | None = None,
        student_loss_weight: float = 0.5,
        name: str | None = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_alike(teacher, student)
        weight: Any = student_loss_weight
        if not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise wrong(
                "student_loss_weight is not valid.", "a number in [0, 1]", weight, "Pass 0.5."
            )
        single = not isinstance(distillation_losses, list | tuple)
        several = cast("list[Any]", distillation_losses)
        given: list[Any] = [distillation_losses] if single else list(several)
        factors = [1.0] * len(given)
        if distillation_loss_weights is not None and not single:
            factors = list(distillation_loss_weights)
        valid = all(hasattr(one, "compute_loss") for one in given)
        if not valid or len(factors) != len(given):
            raise wrong(
                "The distillation losses of a Distiller are not valid.",
                "a DistillationLoss or a list of them, and as many weights",
                f"{given!r} and {len(factors)} weights",
                "Pass LogitsDistillation().",
            )
        for one in given:
            one.validate_model_compatibility(teacher, student)
        self.teacher, self.student = teacher, student
        self.distillation_losses, self.distillation_loss_weights = given, factors
        self.student_loss_weight = student_loss_weight
        self._of_teacher = _features(teacher, [one.teacher_layer_name for one in given])
        self._of_student = _features(student, [one.student_layer_name for one in given])
        self._student_loss: Any = None
        teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **options: Any
    ) -> None:
        """Set how the student is trained; see :meth:`lamina.Model.compile`.

        Args:
            optimizer: the optimizer. Default ``"adam"``.
            loss: the loss of the student on the labels, a name or a loss, or a nesting of them.
            metrics: metrics of the student's outputs. Default None.
            **options: others of :meth:`lamina.Model.compile`.

        Raises:
            InputError: there is no loss.
        """
        if loss is None:
            raise wrong("A Distiller has no loss.", "a loss of the student", "None", "Pass loss.")
        self._student_loss = tree.map_structure(_loss, loss)
        super().compile(optimizer, loss=None, metrics=metrics, **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.student(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch.

        Args:
            x: the inputs.
            y: the labels.
            y_pred: the outputs of the student. Default None: they are computed.
            sample_weight: has no effect, as in Keras.
            training: the training mode. Default True.
        """
        y_pred = self(x, training=training) if y_pred is None else y_pred
        share = self.student_loss_weight
        own: Any = 0.0
        if share > 0 and y is not None:
            values = tree.map_structure(_applied, self._student_loss, y, y_pred)
            flat = tree.flatten(values)
            own = jnp.mean(sum(flat[1:], flat[0]))
        learned: Any = 0.0
        if share < 1:
            learned = self._distillation_loss(x, y_pred)
        total = share * own + (1 - share) * learned
        self.student_loss_tracker.update_state(own)
        self.distillation_loss_tracker.update_state(learned)
        self.total_loss_tracker.update_state(total)
        return total

    def _distillation_loss(self, x: Any, y_pred: Any) -> Any:
        if self._of_teacher is None:
            teacher = {_FINAL: self.teacher(x, training=False)}
        else:
            teacher = self._of_teacher(x, training=False)
        student = {_FINAL: y_pred}
        if self._of_student is not None:
            student = self._of_student(x, training=True)
        total: Any = 0.0
        pairs = zip(self.distillation_losses, self.distillation_loss_weights, strict=True)
        for loss, factor in pairs:
            taught, learned = teacher[_FINAL], y_pred
            if loss.teacher_layer_name is not None:
                taught = teacher[loss.teacher_layer_name]
                learned = student[loss.student_layer_name or _FINAL]
            loss.validate_outputs(taught, learned)
            total += factor * loss.compute_loss(taught, learned)
        return total


def _check_alike(teacher: Any, student: Any) -> None:
    for model in (teacher, student):
        if not isinstance(model, lamina.Model):
            raise wrong("A Distiller takes two models.", "a Model", repr(model), "Pass a Model.")
    for ends in ("inputs", "outputs"):
        pair = getattr(teacher, ends, None), getattr(student, ends, None)
        if None in pair:
            continue
        given = [[(tuple(one.shape), one.dtype) for one in tree.flatten(end)] for end in pair]
        alike = len(given[0]) == len(given[1]) and all(map(_fits, *given))
        if not alike:
            raise wrong(
                f"The {ends} of teacher and student differ.",
                f"those of the teacher, {given[0]}",
                str(given[1]),
                f"Give both models the same {ends}.",
            )


def _fits(one: Any, other: Any) -> bool:
    (shape, dtype), (other_shape, other_dtype) = one, other
    sizes = zip(shape, other_shape, strict=False)
    same = all(a == b or not isinstance(a, int) or not isinstance(b, int) for a, b in sizes)
    return same and len(shape) == len(other_shape) and dtype == other_dtype


def _features(model: Any, names: list[str | None]) -> Any:
    """The model with the outputs of layers by name; None without names."""
    chosen = dict.fromkeys(name for name in names if name is not None)
    if not chosen:
        return None
    if getattr(model, "inputs", None) is None:
        raise wrong(
            "Features of layers need a graph.",
            "a Sequential or a model of inputs and outputs",
            type(model).__name__,
            "Use the last outputs, without names of layers.",
        )
    outputs = {name: model.get_layer(name).output for name in chosen}
    whole = model.outputs
    final = whole[0] if len(whole) == 1 else whole
    return lamina.Model(model.inputs, {_FINAL: final, **outputs})


def _losses(name: str, loss: Any) -> Any:
    made = tree.map_structure(_loss, loss)
    if all(one is None for one in tree.flatten(made)):
        raise wrong(f"{name} has no loss.", "at least one loss", repr(loss), "Pass loss='mse'.")
    return made


def _loss(loss: Any) -> Any:
    return losses.get(loss) if isinstance(loss, str) else loss


def _applied(loss: Any, y: Any, y_pred: Any) -> Any:
    return loss(y, y_pred)


def _mean_loss(loss: Any, teacher: Any, student: Any) -> Any:
    return jnp.mean(loss(teacher, student))


def _summed(function: Any, loss: Any, teacher: Any, student: Any) -> Any:
    def value(one: Any, *outputs: Any) -> Any:
        return 0.0 if one is None else function(one, *outputs)

    return sum(tree.flatten(tree.map_structure(value, loss, teacher, student)))


def _written(loss: Any) -> Any:
    def plain(one: Any) -> Any:
        return None if one is None else lamina.serialize(one)

    return tree.map_structure(plain, loss)


def _read(config: Any) -> Any:
    if isinstance(config, dict) and "class_name" not in config:
        items = cast("dict[str, Any]", config).items()
        return {name: _read(one) for name, one in items}
    if isinstance(config, list | tuple):
        return [_read(one) for one in cast("list[Any]", config)]
    return config if config is None or isinstance(config, str) else lamina.deserialize(config)


def __getattr__(name: str) -> Any:
    raise missing("keras.distillation", name, __all__)
