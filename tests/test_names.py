"""Names: as classes or in lower case, with the nearest one on a slip."""

import pytest

from lamina.errors import UnknownNameError
from lamina.names import look_up, snake


def test_class_names_in_lower_case():
    assert snake("MeanSquaredError") == "mean_squared_error"
    assert snake("TopKCategoricalAccuracy") == "top_k_categorical_accuracy"
    assert snake("MSE") == "mse"


def test_a_slip_is_told_the_nearest_name():
    known = {"adam": 1, "sgd": 2}
    assert look_up("optimizer", "Adam", known, {}) == 1
    assert look_up("optimizer", "gradient_descent", known, {"gradient_descent": "sgd"}) == 2
    with pytest.raises(UnknownNameError, match="Unknown optimizer") as caught:
        look_up("optimizer", "adm", known, {})
    assert "Did you mean 'adam'?" in str(caught.value)
