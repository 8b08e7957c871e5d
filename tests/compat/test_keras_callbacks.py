"""`keras.callbacks`, and errors of `keras.backend`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras
from lamina.errors import InputError, UnknownNameError


def _fit(callback: Any, metrics: Any = ()) -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=list(metrics))
    x = np.ones((4, 2), "float32")
    return model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[callback])


def test_a_monitored_log_that_is_missing_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    best = keras.callbacks.ModelCheckpoint(str(path), save_best_only=True, save_weights_only=True)
    for callback in (best, keras.callbacks.EarlyStopping(), keras.callbacks.ReduceLROnPlateau()):
        with pytest.warns(UserWarning, match=r"monitors 'val_loss', which is not among the logs"):
            assert len(_fit(callback).epoch) == 2
    assert not path.exists()


def test_a_monitored_log_that_is_there_is_used(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    _fit(
        keras.callbacks.ModelCheckpoint(
            str(path), monitor="loss", save_best_only=True, save_weights_only=True
        )
    )
    assert path.exists()
    with pytest.raises(InputError, match="mode"):
        _fit(keras.callbacks.EarlyStopping("loss", mode="most"))
    assert "EarlyStopping" in dir(keras.callbacks) and keras.callbacks.CSVLogger


def test_functions_that_keras_2_had_in_backend_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"Use keras\.ops\.mean\."):
        _ = keras.backend.mean
    with pytest.raises(UnknownNameError, match=r"Use keras\.Variable\."):
        _ = keras.backend.Variable
