"""`keras.distillation` gives the losses and the trained students of Keras."""

import os
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

_random = np.random.default_rng(0)
_x = _random.normal(size=(8, 4)).astype("float32")
_y = np.arange(8) % 3


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _losses(module: Any) -> list[Any]:
    d, losses = module.distillation, module.losses
    return [
        d.LogitsDistillation(),
        d.LogitsDistillation(2.0, loss=losses.KLDivergence()),
        d.LogitsDistillation(loss=losses.CategoricalCrossentropy(from_logits=True)),
        d.LogitsDistillation(loss=["mse", None]),
        d.FeatureDistillation(),
        d.FeatureDistillation(loss=losses.MeanAbsoluteError()),
        d.FeatureDistillation(loss={"a": "cosine_similarity", "b": "mse"}),
    ]


def test_losses_are_those_of_keras(keras: Any) -> None:
    a, b = _random.normal(size=(2, 5, 3)).astype("float32")
    outputs = {3: ([a, b], [b, a]), 6: ({"a": a, "b": b}, {"a": b, "b": a})}
    for place, (own, theirs) in enumerate(zip(_losses(ours), _losses(keras), strict=True)):
        given = outputs.get(place, (a, b))
        value = own.compute_loss(*given)
        np.testing.assert_allclose(value, theirs.compute_loss(*given), rtol=2e-5, err_msg=place)
        again = type(own).from_config(own.get_config())
        np.testing.assert_allclose(again.compute_loss(*given), value)


def _models(module: Any) -> tuple[Any, Any]:
    def net(units: int) -> Any:
        x = module.Input((4,))
        hidden = module.layers.Dense(units, "tanh", name="hidden")(x)
        same = module.layers.Dense(5, name="same")(hidden)
        return module.Model(x, module.layers.Dense(3)(same))

    return net(8), net(2)


def _distiller(module: Any) -> Any:
    d = module.distillation
    losses = [d.LogitsDistillation(loss=module.losses.KLDivergence())]
    losses.append(d.FeatureDistillation("mse", "same", "same"))
    made = d.Distiller(*_models(module), losses, [1.0, 0.5], student_loss_weight=0.25)
    loss = module.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile("sgd", loss=loss, metrics=["accuracy"])
    return made


def test_students_learn_as_in_keras(keras: Any) -> None:
    theirs, own = _distiller(keras), _distiller(ours)
    for name in ("teacher", "student"):
        getattr(own, name).set_weights(getattr(theirs, name).get_weights())
    before = own.teacher.get_weights()
    options: dict[str, Any] = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    wanted = theirs.fit(_x, _y, **options).history
    history = own.fit(_x, _y, **options).history
    assert set(history) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    for one, other in zip(own.student.get_weights(), theirs.student.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(before[0], own.teacher.get_weights()[0])
    np.testing.assert_allclose(own.predict(_x, verbose=0), own.student(_x), rtol=1e-5)
    np.testing.assert_allclose(
        own.evaluate(_x, _y, verbose=0)[0], theirs.evaluate(_x, _y, verbose=0)[0], rtol=1e-4
    )


def test_wrong_arguments_are_errors() -> None:
    d = ours.distillation
    teacher, student = _models(ours)
    with pytest.raises(InputError, match="has no loss"):
        d.FeatureDistillation(loss=[None])
    with pytest.raises(InputError, match="temperature"):
        d.LogitsDistillation(temperature=0)
    with pytest.raises(InputError, match="student_loss_weight"):
        d.Distiller(teacher, student, d.LogitsDistillation(), student_loss_weight=2.0)
    with pytest.raises(InputError, match="distillation losses"):
        d.Distiller(teacher, student, [d.LogitsDistillation()], [1.0, 2.0])
    with pytest.raises(ValueError, match="nothing"):
        d.Distiller(teacher, student, d.FeatureDistillation("mse", "nothing", "same"))
    x = ours.Input((4,))
    other = ours.Model(x, ours.layers.Dense(2)(x))
    with pytest.raises(InputError, match="outputs of teacher and student"):
        d.Distiller(teacher, other, d.LogitsDistillation())
    made = d.Distiller(teacher, student, d.LogitsDistillation())
    with pytest.raises(InputError, match="no loss"):
        made.compile("sgd")
