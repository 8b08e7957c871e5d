"""Names: as classes or in lower case, with the nearest one on a slip."""

import pytest

from lamina import Sequential, layers
from lamina.errors import UnknownNameError, closest
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


@pytest.mark.parametrize(
    "name, best",
    [
        ("adma", "adam"),  # two swapped characters
        ("adamm", "adam"),
        ("adamaxx", "adamax"),
        ("rmsporp", "rmsprop"),
        ("rms", "rmsprop"),  # the beginning of a name
        ("fooo", None),
    ],
)
def test_the_closest_name_has_the_fewest_edits(name, best) -> None:
    assert closest(name, ["adamax", "adamw", "adam", "rmsprop", "sgd"]) == best


def test_the_shorter_of_two_close_names() -> None:
    assert closest("relu", ["relux", "rel"]) == "rel"


def test_a_misspelled_optimizer() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'adam'"):
        Sequential([layers.Dense(1)]).compile("adma", "mse")
