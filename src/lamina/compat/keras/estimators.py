"""Models as estimators of scikit-learn."""

# pyright: reportUntypedBaseClass=false
from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

import lamina
from lamina.compat.keras.utils.arguments import wrong
from lamina.errors import LaminaError, explain
from lamina.models import clone_model

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]

try:
    _base: Any = importlib.import_module("sklearn.base")
    _multiclass: Any = importlib.import_module("sklearn.utils.multiclass")
    _preprocessing: Any = importlib.import_module("sklearn.preprocessing")
    _validation: Any = importlib.import_module("sklearn.utils.validation")
except ModuleNotFoundError as error:
    raise LaminaError(
        explain(
            "keras.wrappers needs a package that is not installed.",
            expected="scikit-learn",
            received=f"{error.name} is not installed",
            remedy="pip install scikit-learn",
        )
    ) from error


class _Estimator(_base.BaseEstimator):
    """What is common to the estimators.

    Args:
        model: a compiled model, which is cloned by each `fit`; or a function ``(X, y,
            **model_kwargs)`` that returns one.
        warm_start: whether a later `fit` goes on with the model of the one before. Default False.
        model_kwargs: further arguments of `model`, if it is a function. Default None.
        fit_kwargs: arguments of the model's `fit`. Default None.

    Attributes:
        model_: the model that was trained.
        history_: the result of its `fit`.
    """

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: Mapping[str, Any] | None = None,
        fit_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.warm_start = model, warm_start
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs

    def __sklearn_clone__(self) -> Any:
        is_model = isinstance(self.model, lamina.Layer)
        model = copy.deepcopy(self.model) if is_model else self.model
        return type(self)(model, self.warm_start, self.model_kwargs, self.fit_kwargs)

    def __sklearn_tags__(self) -> Any:
        inherited: Any = super()
        tags = inherited.__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Train a model.

        Args:
            X: ``[rows, features]``.
            y: the targets, ``[rows]``.
            **kwargs: arguments of the model's `fit`, before those of `fit_kwargs`.

        Returns:
            The estimator.

        Raises:
            InputError: the model is not compiled, or the targets are not of a supported kind.
        """
        x, y = _validation.validate_data(self, X, y)
        targets = self._targets(y)
        self.model_ = self._made(x, targets)
        self.history_ = self.model_.fit(x, targets, **{**(self.fit_kwargs or {}), **kwargs})
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """The predictions for rows.

        Args:
            X: ``[rows, features]``.
        """
        return self._answers(self._outputs(X))

    def _outputs(self, x: Any) -> Any:
        _validation.check_is_fitted(self, "model_")
        return self.model_.predict(_validation.validate_data(self, x, reset=False), verbose=0)

    def _made(self, x: Any, y: Any) -> Any:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if not isinstance(self.model, lamina.Layer):
            made = self.model(X=x, y=y, **(self.model_kwargs or {}))
        else:
            made = self.model if self.warm_start else clone_model(self.model)
        if not getattr(made, "compiled", True):
            raise wrong(
                "The model of an estimator is not compiled.",
                "a model with an optimizer and a loss",
                repr(made),
                "Call compile before.",
            )
        return made

    def _targets(self, y: Any) -> Any:
        """The targets as the model takes them."""
        _multiclass.type_of_target(y)
        self._rank = np.ndim(y)
        return y[:, None] if self._rank == 1 else y

    def _answers(self, outputs: Any) -> Any:
        """The predictions in the form of the targets."""
        return _column(outputs, self._rank)


def _column(outputs: Any, rank: int) -> Any:
    return np.squeeze(outputs, 1) if rank == 1 and outputs.ndim == 2 else outputs


class SKLearnClassifier(_base.ClassifierMixin, _Estimator):
    """A classifier of scikit-learn. The targets of the model are one-hot.

    Args:
        model: a compiled model, which is cloned by each `fit`; or a function ``(X, y,
            **model_kwargs)`` that returns one.
        warm_start: whether a later `fit` goes on with the model of the one before. Default False.
        model_kwargs: further arguments of `model`, if it is a function. Default None.
        fit_kwargs: arguments of the model's `fit`. Default None.

    Attributes:
        model_: the model that was trained.
        history_: the result of its `fit`.
        classes_: the classes.

    >>> def net(X, y):
    ...     model = lamina.Sequential([lamina.layers.Dense(y.shape[1], "softmax")])
    ...     model.compile("adam", "categorical_crossentropy")
    ...     return model
    >>> classifier = SKLearnClassifier(net, fit_kwargs={"verbose": 0})
    >>> classifier.fit(np.eye(4), ["a", "b", "a", "b"]).predict(np.eye(4)).shape
    (4,)
    """

    def decision_function(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """The outputs of the model.

        Args:
            X: ``[rows, features]``.
        """
        return self._outputs(X)

    def _targets(self, y: Any) -> Any:
        kind = _multiclass.type_of_target(y)
        self.classes_ = np.unique(y)
        if kind not in ("binary", "multiclass") or len(self.classes_) == 1:
            raise wrong(
                "The targets of a classifier are not supported.",
                "two or more classes",
                kind if len(self.classes_) > 1 else "one class",
                "Pass a class for each row.",
            )
        self._rank = np.ndim(y)
        self._encoder: Any = _preprocessing.OneHotEncoder(sparse_output=False)
        return self._encoder.fit_transform(np.reshape(y, (len(y), -1)))

    def _answers(self, outputs: Any) -> Any:
        return _column(self._encoder.inverse_transform(outputs), self._rank)


class SKLearnRegressor(_base.RegressorMixin, _Estimator):
    """A regressor of scikit-learn.

    Args:
        model: a compiled model, which is cloned by each `fit`; or a function ``(X, y,
            **model_kwargs)`` that returns one.
        warm_start: whether a later `fit` goes on with the model of the one before. Default False.
        model_kwargs: further arguments of `model`, if it is a function. Default None.
        fit_kwargs: arguments of the model's `fit`. Default None.

    Attributes:
        model_: the model that was trained.
        history_: the result of its `fit`.
    """


class SKLearnTransformer(_base.TransformerMixin, _Estimator):
    """A transformer of scikit-learn: its `transform` gives the outputs of the model.

    Args:
        model: a compiled model, which is cloned by each `fit`; or a function ``(X, y,
            **model_kwargs)`` that returns one.
        warm_start: whether a later `fit` goes on with the model of the one before. Default False.
        model_kwargs: further arguments of `model`, if it is a function. Default None.
        fit_kwargs: arguments of the model's `fit`. Default None.

    Attributes:
        model_: the model that was trained.
        history_: the result of its `fit`.
    """

    def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """The outputs of the model.

        Args:
            X: ``[rows, features]``.
        """
        return self._outputs(X)
