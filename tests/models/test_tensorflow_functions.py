"""The functions of TensorFlow 2 in graphs of Keras 2, as operations of Keras 3."""

from typing import Any

import pytest

from lamina.errors import LaminaError
from lamina.models import tensorflow_functions
from lamina.models.array_functions import FUNCTIONS
from lamina.models.tensorflow_functions import keras_call


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("tf.math.multiply", ("x",), {"y": 2.0, "name": None}, ("Multiply", ("x", 2.0), {})),
        ("tf.__operators__.add", ("x", "y"), {}, ("Add", ("x", "y"), {})),
        ("tf.nn.relu", ("x",), {}, ("Relu", ("x",), {})),
        (
            "tf.reduce_sum",
            ("x", 1),
            {"keepdims": True},
            ("Sum", ("x",), {"axis": 1, "keepdims": True}),
        ),
        ("tf.compat.v1.squeeze", ("x",), {"axis": [1]}, ("Squeeze", ("x",), {"axis": [1]})),
        (
            "tf.split",
            ("x", [1, 2, 3], -1),
            {},
            ("Split", ("x",), {"indices_or_sections": [1, 3], "axis": -1}),
        ),
        (
            "tf.pad",
            ("x", [[0, 1]], "REFLECT"),
            {},
            ("Pad", ("x",), {"pad_width": [[0, 1]], "mode": "reflect"}),
        ),
        ("tf.gather", ("x", "i"), {"axis": None}, ("Take", ("x", "i"), {"axis": 0})),
        (
            "tf.nn.l2_normalize",
            ("x", 1, 4.0),
            {},
            ("Normalize", ("x",), {"axis": 1, "epsilon": 2.0}),
        ),
        ("tf.argmax", ("x",), {}, ("Argmax", ("x",), {"axis": 0})),
        ("tf.matmul", (), {"a": "x", "b": "y", "transpose_b": False}, ("Matmul", ("x", "y"), {})),
        ("tf.concat", (["x", "y"], 1), {}, ("Concatenate", (["x", "y"],), {"axis": 1})),
    ],
)
def test_a_call_has_a_counterpart(name: str, args: Any, kwargs: Any, expected: Any) -> None:
    assert keras_call(name, args, kwargs) == expected


def test_every_counterpart_is_in_the_table() -> None:
    kinds = {kind for kind, _ in tensorflow_functions._ROWS.values()}
    assert kinds <= set(FUNCTIONS)
    assert set(tensorflow_functions._ALIASES.values()) <= set(tensorflow_functions._ROWS)


def test_unknown_functions_and_arguments_are_errors() -> None:
    with pytest.raises(LaminaError, match=r"Did you mean 'tf\.math\.multiply'"):
        keras_call("tf.math.multply", (), {})
    with pytest.raises(LaminaError, match="has no counterpart"):
        keras_call("tf.matmul", ("x", "y"), {"transpose_b": True})
