"""`keras.wrappers`: estimators of scikit-learn, with the predictions of Keras's."""

import os
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

_random = np.random.default_rng(0)
_x = _random.normal(size=(12, 3))
_kernel = _random.normal(size=(3, 3)).astype("float32")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _net(module: Any, activation: str | None, loss: str) -> Any:
    def made(X: Any, y: Any, scale: float = 1.0) -> Any:  # noqa: N803 - scikit-learn's name
        layer = module.layers.Dense(
            y.shape[1],
            activation,
            kernel_initializer=lambda shape, dtype: scale * _kernel[:, : shape[1]],
        )
        model = module.Sequential([module.Input((X.shape[1],)), layer])
        model.compile("sgd", loss)
        return model

    return made


def test_estimators_predict_as_in_keras(keras: Any) -> None:
    options: dict[str, Any] = {"verbose": 0, "shuffle": False, "epochs": 2}
    found: list[list[Any]] = []
    for module in (ours, keras):
        wrappers = module.wrappers
        softmax = _net(module, "softmax", "categorical_crossentropy")
        labels = np.array(["a", "b", "c"] * 4)
        classifier = wrappers.SKLearnClassifier(softmax, fit_kwargs=options)
        classifier.fit(_x, labels)
        linear = _net(module, None, "mse")
        regressor = wrappers.SKLearnRegressor(linear, model_kwargs={"scale": 0.5})
        regressor.fit(_x, _x[:, 0], **options)
        transformer = wrappers.SKLearnTransformer(linear).fit(_x, _x[:, 1], **options)
        found.append(
            [
                classifier.predict(_x),
                classifier.classes_,
                classifier.decision_function(_x),
                regressor.predict(_x),
                regressor.score(_x, _x[:, 0]),
                transformer.transform(_x),
                classifier.history_.history["loss"],
            ]
        )
    for one, other in zip(*found, strict=True):
        assert np.shape(one) == np.shape(other)
        if np.asarray(one).dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(one, other)


def test_models_are_cloned_and_searched() -> None:
    model = _net(ours, None, "mse")(_x, _x[:, :1])
    before = model.get_weights()[0]
    regressor = ours.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0})
    fitted = regressor.fit(_x, _x[:, 0]).model_
    assert fitted is not model
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert clone(regressor).fit_kwargs == {"verbose": 0}
    warm = ours.wrappers.SKLearnRegressor(model, warm_start=True)
    assert warm.fit(_x, _x[:, 0], verbose=0).model_ is model
    search = GridSearchCV(
        make_pipeline(StandardScaler(), regressor),
        {"sklearnregressor__fit_kwargs": [{"verbose": 0, "epochs": n} for n in (1, 2)]},
        cv=2,
    )
    assert len(search.fit(_x, _x[:, 0]).cv_results_["params"]) == 2


def test_wrong_models_and_targets_are_errors() -> None:
    def uncompiled(X: Any, y: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return ours.Sequential([ours.layers.Dense(1)])

    with pytest.raises(InputError, match="not compiled"):
        ours.wrappers.SKLearnRegressor(uncompiled).fit(_x, _x[:, 0])
    classifier = ours.wrappers.SKLearnClassifier(_net(ours, "softmax", "mse"))
    for labels in (np.zeros(12), _x[:, 0]):
        with pytest.raises(InputError, match="targets of a classifier"):
            classifier.fit(_x, labels)
